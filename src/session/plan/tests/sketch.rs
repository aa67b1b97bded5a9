//! The state of one session in a few small words, and a fair world that moves it on.

use crate::api::{DesiredState, RestartPolicy};
use crate::session::facts::{Facts, Finish, RecordedContainer, RecordedExit, Stop, StopReason};
use crate::session::fixtures::*;
use crate::session::observation::{Observation, StorageSeen};
use crate::session::plan::{Act, Effect, Plan, Row};
use crate::session::reason::Reason;
use crate::session::seen::{Answer, ContainerId, Exit, Made, Seen};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    Unknown,
    Foreign,
    Absent,
    /// Absent by the abandon-engine annotation.
    Decreed,
    Created,
    CreatedError,
    CreatedPort,
    RunningNo,
    RunningYes,
    RunningCannotTell,
    Paused,
    Going,
    ExitedClean,
    ExitedFailed,
    ExitedInterrupted,
}

impl Look {
    pub const ALL: [Look; 15] = [
        Look::Unknown,
        Look::Foreign,
        Look::Absent,
        Look::Decreed,
        Look::Created,
        Look::CreatedError,
        Look::CreatedPort,
        Look::RunningNo,
        Look::RunningYes,
        Look::RunningCannotTell,
        Look::Paused,
        Look::Going,
        Look::ExitedClean,
        Look::ExitedFailed,
        Look::ExitedInterrupted,
    ];

    pub fn runs(self) -> bool {
        use Look::*;
        matches!(self, RunningNo | RunningYes | RunningCannotTell | Paused)
    }

    pub fn made(self) -> bool {
        matches!(self, Look::Created | Look::CreatedError | Look::CreatedPort)
    }

    pub fn exited(self) -> bool {
        use Look::*;
        matches!(self, ExitedClean | ExitedFailed | ExitedInterrupted)
    }

    pub fn none(self) -> bool {
        matches!(self, Look::Absent | Look::Foreign | Look::Decreed)
    }

    pub fn ours(self) -> bool {
        self.runs() || self.made() || self.exited()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wished {
    Run,
    Stop,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Due {
    Nothing,
    Start,
    Provision,
    Active,
    Grace,
    Ttl,
}

impl Due {
    pub const ALL: [Due; 6] = [
        Due::Nothing,
        Due::Start,
        Due::Provision,
        Due::Active,
        Due::Grace,
        Due::Ttl,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Catalog {
    Good,
    Missing,
    Bad,
}

/// All that the table looks at, but for image, ports, probes' texts and the exact time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sketch {
    pub look: Look,
    pub attempt: Option<i32>,
    pub label: Option<i32>,
    pub wish: Wished,
    pub stop: Option<StopReason>,
    pub recorded: bool,
    pub id: bool,
    pub ready: bool,
    pub finalizer: bool,
    pub finished: bool,
    pub game: Catalog,
    pub budget: bool,
    pub due: Due,
    pub storage: bool,
    pub refused: bool,
}

impl Sketch {
    /// Every combination of inputs that can be told apart.
    pub fn all() -> impl Iterator<Item = Sketch> {
        let mut all = Vec::with_capacity(720_000);
        let flags = [false, true];
        for look in Look::ALL {
            for attempt in [None, Some(1)] {
                for offset in [-1, 0, 1] {
                    if (!look.ours() && offset != 0) || (attempt.is_none() && offset < 0) {
                        continue;
                    }
                    let label = look.ours().then(|| attempt.unwrap_or(0) + offset);
                    for wish in [Wished::Run, Wished::Stop, Wished::Delete] {
                        for bits in 0..32_u8 {
                            let bit = |place: u8| bits & (1 << place) != 0;
                            let deleted = (wish == Wished::Delete).then_some(StopReason::Deleted);
                            let stops = [
                                None,
                                Some(StopReason::Requested),
                                Some(StopReason::DeadlineExceeded),
                            ];
                            for stop in stops.into_iter().chain(deleted.map(Some)) {
                                let base = Sketch {
                                    look,
                                    attempt,
                                    label,
                                    wish,
                                    stop,
                                    recorded: bit(0),
                                    id: bit(1),
                                    ready: bit(2),
                                    finalizer: bit(3),
                                    finished: bit(4),
                                    game: Catalog::Good,
                                    budget: false,
                                    due: Due::Nothing,
                                    storage: false,
                                    refused: false,
                                };
                                if attempt.is_none() && base.needs_attempt() {
                                    continue;
                                }
                                for game in [Catalog::Good, Catalog::Missing, Catalog::Bad] {
                                    for budget in flags {
                                        for due in Due::ALL {
                                            for storage in flags {
                                                for refused in flags {
                                                    let left =
                                                        wish == Wished::Delete || base.finished;
                                                    if (storage && !left)
                                                        || (refused && look != Look::Absent)
                                                    {
                                                        continue;
                                                    }
                                                    all.push(Sketch {
                                                        game,
                                                        budget,
                                                        due,
                                                        storage,
                                                        refused,
                                                        ..base
                                                    });
                                                }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        all.into_iter()
    }

    fn needs_attempt(&self) -> bool {
        self.stop.is_some()
            || self.recorded
            || self.id
            || self.ready
            || self.finished
            || self.look == Look::Decreed
    }

    pub fn is_old(&self) -> bool {
        matches!((self.label, self.attempt), (Some(label), Some(n)) if label < n)
    }

    pub fn is_current(&self) -> bool {
        self.label.is_some() && self.label == self.attempt
    }

    /// Storage that still holds a world.
    pub fn storage_left(&self) -> bool {
        self.storage && self.look != Look::Decreed
    }

    /// The observation that this sketch stands for, written over `o` so that little is built anew.
    pub fn draw(&self, o: &mut Observation) {
        let due = |deadline, late, early| {
            if self.due == deadline {
                ago(late)
            } else {
                ago(early)
            }
        };
        let attempt = self.attempt.unwrap_or(0);
        o.session.deleted = self.wish == Wished::Delete;
        o.session.desired = if self.wish == Wished::Stop {
            DesiredState::Stopped
        } else {
            DesiredState::Running
        };
        o.session.finalizer = self.finalizer;
        o.session.restart_policy = RestartPolicy::OnFailure;
        o.session.backoff_limit = 3;
        o.session.active_deadline_seconds = Some(3600);
        o.session.ttl_seconds = Some(600);
        o.session.abandon_engine = (self.look == Look::Decreed).then(|| ENGINE.to_owned());
        o.engine = Some(engine(if self.look == Look::Decreed {
            OTHER_ENGINE
        } else {
            ENGINE
        }));
        o.facts = Facts {
            runtime: self.attempt.map(|_| crate::api::RuntimeKind::Docker),
            engine: self.attempt.map(|_| engine(ENGINE)),
            attempt: self.attempt,
            attempt_time: self.attempt.map(|_| due(Due::Provision, 4000, 10)),
            restarts: if self.budget { 0 } else { 3 },
            interruptions: 0,
            container: (self.id || self.ready).then(|| RecordedContainer {
                name: String::new(),
                id: if self.id {
                    format!("id-{attempt}")
                } else {
                    String::new()
                },
                image: String::new(),
                image_id: None,
                node_name: None,
                start_time: None,
                ready_time: self.ready.then(|| ago(15)),
                endpoints: Vec::new(),
            }),
            stop: self.stop.map(|reason| Stop {
                attempt,
                reason,
                time: due(Due::Grace, 100, 1),
            }),
            last_exit: self.recorded.then(|| RecordedExit {
                attempt,
                reason: "Error".to_owned(),
                exit_code: Some(1),
                signal: None,
                oom_killed: false,
                start_time: None,
                finish_time: Some(ago(2)),
            }),
            start_time: (self.due == Due::Active).then(|| ago(4000)),
            finish: self.finished.then(|| Finish {
                time: due(Due::Ttl, 1000, 1),
                reason: Reason::Error,
            }),
            game: None,
        };
        let same_game = match (&o.contract, self.game) {
            (Ok(_), Catalog::Good) => true,
            (Err(refusal), Catalog::Missing) => refusal.reason == Reason::GameNotFound,
            (Err(refusal), Catalog::Bad) => refusal.reason == Reason::GameInvalid,
            (Ok(_), Catalog::Missing | Catalog::Bad) | (Err(_), Catalog::Good) => false,
        };
        if !same_game {
            o.contract = match self.game {
                Catalog::Good => Ok(contract()),
                Catalog::Missing => Err(refusal(Reason::GameNotFound)),
                Catalog::Bad => Err(refusal(Reason::GameInvalid)),
            };
        }
        o.storage = StorageSeen {
            present: if self.storage {
                vec!["world".to_owned()]
            } else {
                Vec::new()
            },
            missing: Vec::new(),
        };
        o.memo.refused = self.refused.then(|| (attempt, "bad request".to_owned()));
        // Told when its stop was recorded; where the grace is not over, not told yet.
        let told = self.due == Due::Grace && self.stop.is_some();
        o.memo.signalled = told.then(|| (attempt, ago(100)));
        o.memo.confirmed = None;
        o.seen = self.seen();
    }

    fn seen(&self) -> Seen {
        let c = || {
            let mut c = container(self.label.unwrap_or(0));
            c.started = Some(if self.due == Due::Start {
                ago(400)
            } else {
                ago(5)
            });
            c
        };
        let exit = |code| Exit {
            code: Some(code),
            ready_in_log: self.ready,
            finished: Some(ago(1)),
            ..Exit::default()
        };
        match self.look {
            Look::Unknown => unreachable(),
            Look::Decreed => other_engine(),
            Look::Foreign => Seen::Foreign("a stranger".to_owned()),
            Look::Absent => Seen::Absent,
            Look::Created => Seen::Created(c(), Made::Fresh),
            Look::CreatedError => Seen::Created(c(), Made::Failed("no such file".to_owned())),
            Look::CreatedPort => {
                Seen::Created(c(), Made::PortClash(vec![7001], "taken".to_owned()))
            }
            Look::RunningNo => Seen::Running(c(), not_ready()),
            Look::RunningYes => Seen::Running(c(), Answer::Ready),
            Look::RunningCannotTell => Seen::Running(c(), cannot_tell()),
            Look::Paused => Seen::Paused(c()),
            Look::Going => Seen::Going,
            Look::ExitedClean => Seen::Exited(c(), exit(0)),
            Look::ExitedFailed => Seen::Exited(c(), exit(1)),
            Look::ExitedInterrupted => Seen::Exited(c(), exit(255)),
        }
    }

    /// The next state of a fair world after this plan's act, or None at rest.
    pub fn moved(&self, plan: &Plan) -> Option<Sketch> {
        let mut next = *self;
        if !keeps_due(plan.row) {
            next.due = Due::Nothing;
        }
        match &plan.act {
            Act::Finalizer(on) => next.finalizer = *on,
            Act::Record(facts) => next.take(facts),
            Act::Effect(effect) => next.suffer(effect),
            Act::DeleteSession => return None,
            Act::Confirm => {}
            Act::Nothing if self.look == Look::Going => {
                next.look = Look::Absent;
                next.label = None;
            }
            // The game becomes ready.
            Act::Nothing if plan.row == Row::R2 => next.look = Look::RunningYes,
            Act::Nothing => return None,
        }
        Some(next)
    }

    fn take(&mut self, facts: &Facts) {
        let another = facts.attempt != self.attempt;
        self.attempt = facts.attempt;
        self.stop = facts.stop_of_attempt().map(|stop| stop.reason);
        self.recorded = facts.exit_recorded();
        self.id = facts.container.as_ref().is_some_and(|c| !c.id.is_empty());
        self.ready = facts.ready_time().is_some();
        self.finished = facts.finish.is_some();
        self.budget = facts.restarts < 3;
        if another {
            // The engine refused the attempt before.
            self.refused = false;
        }
        if self.look == Look::Decreed && facts.engine == Some(engine(OTHER_ENGINE)) {
            self.look = Look::Absent;
        }
    }

    fn suffer(&mut self, effect: &Effect) {
        match effect {
            Effect::Pull { .. } | Effect::CreateStorage(_) => {}
            Effect::Create(spec) => {
                self.look = Look::Created;
                self.label = Some(spec.attempt);
            }
            Effect::Start(_) => self.look = Look::RunningYes,
            Effect::Stop(..) | Effect::Kill(_) => self.look = Look::ExitedFailed,
            Effect::Remove(_) => {
                self.look = Look::Absent;
                self.label = None;
            }
            Effect::RemoveStorage(_) => self.storage = false,
        }
    }
}

/// Rows that let time stand still: what was due stays due.
fn keeps_due(row: Row) -> bool {
    use Row::*;
    [
        D5, D7, D8, D9, D10, A1, A2, A3, P4, C12, C14, F1, F2, F3, F4, S7,
    ]
    .contains(&row)
}

/// Whom an effect touches.
pub fn touched(effect: &Effect) -> Option<&ContainerId> {
    match effect {
        Effect::Start(id) | Effect::Stop(id, _) | Effect::Kill(id) | Effect::Remove(id) => Some(id),
        Effect::Pull { .. }
        | Effect::CreateStorage(_)
        | Effect::Create(_)
        | Effect::RemoveStorage(_) => None,
    }
}
