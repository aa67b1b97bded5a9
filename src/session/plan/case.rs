//! One observation, with the words that the rows speak in.

use jiff::{SignedDuration, Timestamp};

use super::{Act, Effect, Event, Next, Phase, Plan, Report, Row, Says, Wish};
use crate::api::{DesiredState, RuntimeKind};
use crate::session::contract::Terms;
use crate::session::facts::{Engine, Facts, Stop, StopReason, whole_second};
use crate::session::observation::Observation;
use crate::session::reason::Reason;
use crate::session::seen::{Container, Seen};

/// No plan looks again later than this.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(10);
/// How soon to look again at a deadline that passed and may not act yet.
const HELD_DEADLINE: SignedDuration = SignedDuration::from_secs(30);
/// What a Game's schema defaults to, where neither session, container nor Game can say.
const DEFAULT_GRACE_SECONDS: i32 = 30;
const DEFAULT_START_DEADLINE_SECONDS: i32 = 300;

/// An observation in the words of the table.
pub(super) struct Case<'a> {
    pub o: &'a Observation,
    pub wish: Wish,
    /// What was seen, or Absent where a person decreed so.
    pub seen: &'a Seen,
    /// The annotation names the recorded engine, which is in doubt: what it held counts as gone.
    pub decreed: bool,
    /// n
    pub attempt: Option<i32>,
    /// A stop is on record for n.
    pub stop: Option<&'a Stop>,
    /// The end of n is on record.
    pub recorded: bool,
}

impl<'a> Case<'a> {
    pub fn of(o: &'a Observation) -> Self {
        let facts = &o.facts;
        let wish = if o.session.deleted {
            Wish::Delete
        } else if facts.finish.is_some() {
            Wish::Finished
        } else {
            match o.session.desired {
                DesiredState::Stopped => Wish::Stop,
                DesiredState::Running => Wish::Run,
            }
        };
        let decreed = o.decreed_lost();
        Case {
            o,
            wish,
            seen: if decreed { &Seen::Absent } else { &o.seen },
            decreed,
            attempt: facts.attempt,
            stop: facts.stop_of_attempt(),
            recorded: facts.exit_recorded(),
        }
    }

    pub fn facts(&self) -> Facts {
        self.o.facts.clone()
    }

    pub fn now(&self) -> Timestamp {
        self.o.now
    }

    /// This instant as a record keeps it.
    pub fn record_time(&self) -> Timestamp {
        whole_second(self.o.now)
    }

    /// When the game of this container began, or of the one on record where it does not say.
    pub fn start_time_of(&self, c: Option<&Container>) -> Option<Timestamp> {
        let told = c.and_then(|c| c.started).map(whole_second);
        let known = self.o.facts.container.as_ref();
        told.or_else(|| known.and_then(|known| known.start_time))
    }

    pub fn is_old(&self, c: &Container) -> bool {
        self.attempt.is_some_and(|n| c.attempt < n)
    }

    /// Newer than what is on record, or nothing is.
    pub fn is_new(&self, c: &Container) -> bool {
        self.attempt
            .is_none_or(|n| c.attempt > n || (c.attempt == n && self.is_another(c)))
    }

    /// One is on record for n, whose end is not, and it is not this one.
    fn is_another(&self, c: &Container) -> bool {
        let known = self.o.facts.container.as_ref();
        !self.recorded && known.is_some_and(|known| !known.id.is_empty() && known.id != c.id.0)
    }

    /// An end of this container's attempt, or of a later one, is on record: it has no business here.
    pub fn is_stray(&self, c: &Container) -> bool {
        self.is_old(c) || self.recorded
    }

    /// A container id is on record for n.
    pub fn has_id(&self) -> bool {
        self.o
            .facts
            .container
            .as_ref()
            .is_some_and(|c| !c.id.is_empty())
    }

    /// Runtime on record, else the one that session and Game choose.
    pub fn runtime(&self) -> RuntimeKind {
        let contract = self.o.contract.as_ref().ok().map(|c| c.runtime);
        self.o
            .facts
            .runtime
            .or(contract)
            .or(self.o.session.runtime)
            .unwrap_or(RuntimeKind::Docker)
    }

    /// Storage of this session that may still hold a world.
    pub fn storage_left(&self) -> &[String] {
        if self.decreed {
            &[]
        } else {
            &self.o.storage.present
        }
    }

    /// The engine to put on record.
    pub fn engine_of_now(&self) -> Option<Engine> {
        self.o.engine.clone()
    }

    /// Terms of this container, else of the contract as it would be made now.
    pub fn terms<'c>(&'c self, c: Option<&'c Container>) -> Option<&'c Terms> {
        c.and_then(|c| c.terms.as_ref())
            .or_else(|| self.o.contract.as_ref().ok().map(|c| &c.terms))
    }

    pub fn grace_seconds(&self, c: &Container) -> i32 {
        self.o
            .session
            .grace_seconds
            .or_else(|| {
                self.terms(Some(c))
                    .map(|t| t.termination_grace_period_seconds)
            })
            .unwrap_or(DEFAULT_GRACE_SECONDS)
            // A label that somebody changed: less than nothing is for ever, on an engine.
            .max(0)
    }

    /// Until when a game that is to stop is left alone; None: this process has not told it yet, and nobody knows
    /// whether another did.
    pub fn grace_end(&self, stop: &Stop, c: &Container) -> Option<Timestamp> {
        let (attempt, told) = self.o.memo.signalled?;
        let counts = Some(attempt) == self.attempt;
        counts.then(|| after(told.max(stop.time), seconds(self.grace_seconds(c))))
    }

    pub fn start_deadline_seconds(&self, c: &Container) -> i32 {
        self.o
            .session
            .start_deadline_seconds
            .or_else(|| self.terms(Some(c)).map(|t| t.start_deadline_seconds))
            .unwrap_or(DEFAULT_START_DEADLINE_SECONDS)
    }

    pub fn start_deadline(&self, c: &Container) -> Timestamp {
        after(
            c.started.unwrap_or(c.created),
            seconds(self.start_deadline_seconds(c)),
        )
    }

    /// The session's own, at most the maximum of the terms; None: the game may run for ever.
    pub fn active_deadline_seconds(&self, c: Option<&Container>) -> Option<i32> {
        let most = self.terms(c).and_then(|t| t.max_active_deadline_seconds);
        let own = self.o.session.active_deadline_seconds;
        match (own, most) {
            (Some(own), Some(most)) => Some(own.min(most)),
            (own, most) => own.or(most),
        }
    }

    /// When this run is over; None before its first Ready.
    pub fn active_deadline(&self, c: Option<&Container>) -> Option<Timestamp> {
        let start = self.o.facts.start_time?;
        Some(after(start, seconds(self.active_deadline_seconds(c)?)))
    }

    /// A deadline acts only on a clock that can be trusted.
    pub fn is_due(&self, deadline: Timestamp) -> bool {
        self.o.limits.clock_trusted && self.o.now >= deadline
    }

    /// The soonest of these instants that is still to come, at most 10 minutes away.
    pub fn soonest(&self, instants: impl IntoIterator<Item = Timestamp>) -> Next {
        let held = after(self.o.now, HELD_DEADLINE);
        let latest = after(self.o.now, LONGEST_WAIT);
        let next = instants
            .into_iter()
            .map(|t| if t > self.o.now { t } else { held })
            .fold(latest, Timestamp::min);
        Next::At(next)
    }

    pub fn in_seconds(&self, wait: i64) -> Next {
        Next::At(after(self.o.now, SignedDuration::from_secs(wait)))
    }

    pub fn in_ten_minutes(&self) -> Next {
        Next::At(after(self.o.now, LONGEST_WAIT))
    }

    /// The message as it stands under this reason, so that details which change at every look
    /// do not make a write each time.
    pub fn standing_message(&self, reason: Reason) -> Option<String> {
        self.o
            .status
            .condition("Ready")
            .filter(|ready| ready.reason == reason.as_str())
            .map(|ready| ready.message.clone())
            .filter(|message| !message.is_empty())
    }

    /// A warning for a person, once for as long as the reason stands.
    pub fn warn_once(&self, reason: Reason, message: &str) -> Vec<Event> {
        let told = self
            .o
            .status
            .condition("Ready")
            .is_some_and(|ready| ready.reason == reason.as_str());
        if told {
            Vec::new()
        } else {
            vec![warning(reason, message)]
        }
    }

    /// The warning that goes with a write which gives up what a lost engine held.
    pub fn abandoned(&self) -> Vec<Event> {
        let Some(engine) = self.o.facts.engine.as_ref().filter(|_| self.decreed) else {
            return Vec::new();
        };
        vec![warning(
            Reason::Abandoned,
            &format!(
                "engine {} was declared lost: the container and the storage that it held are given up",
                engine.id.0
            ),
        )]
    }
}

pub(super) fn warning(reason: Reason, message: &str) -> Event {
    Event {
        warning: true,
        reason,
        message: message.to_owned(),
    }
}

pub(super) fn seconds(count: i32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(count))
}

/// An instant that lies past the end of time is the end of time: it never comes.
pub(super) fn after(time: Timestamp, wait: SignedDuration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

pub(super) fn says(phase: Phase, ready: Reason, message: impl Into<String>) -> Report {
    Report::Says(Says {
        phase,
        ready,
        message: message.into(),
        not_before: None,
    })
}

/// Why it is being stopped, for the user: the same words as long as the stop lasts.
pub(super) fn stop_message(case: &Case<'_>, reason: StopReason, c: Option<&Container>) -> String {
    match reason {
        StopReason::Requested | StopReason::Deleted => String::new(),
        StopReason::DeadlineExceeded => match case.active_deadline_seconds(c) {
            Some(limit) => format!("the game ran for its activeDeadlineSeconds ({limit} s)"),
            None => "the game ran for its activeDeadlineSeconds".to_owned(),
        },
        StopReason::StartDeadlineExceeded => match c {
            Some(c) => format!(
                "the game was not ready within startDeadlineSeconds ({} s): look at its log and its \
                 readiness probe, or raise the deadline",
                case.start_deadline_seconds(c)
            ),
            None => "the game was not ready within startDeadlineSeconds: look at its log and its \
                     readiness probe, or raise the deadline"
                .to_owned(),
        },
    }
}

impl Plan {
    fn new(row: Row, act: Act, report: Report, next: Next) -> Self {
        Plan {
            row,
            act,
            report,
            next,
            events: Vec::new(),
        }
    }

    /// Nothing to write: wait.
    pub(super) fn wait(row: Row, report: Report, next: Next) -> Self {
        Plan::new(row, Act::Nothing, report, next)
    }

    /// One status patch, then look again at once.
    pub(super) fn record(row: Row, facts: Facts, report: Report) -> Self {
        Plan::new(row, Act::Record(Box::new(facts)), report, Next::Now)
    }

    /// One write to the runtime.
    pub(super) fn effect(row: Row, effect: Effect, report: Report, next: Next) -> Self {
        Plan::new(row, Act::Effect(effect), report, next)
    }

    /// The finalizer, the session itself, or a live GET.
    pub(super) fn object(row: Row, act: Act, next: Next) -> Self {
        Plan::new(row, act, Report::Unchanged, next)
    }

    pub(super) fn with_events(mut self, events: Vec<Event>) -> Self {
        self.events = events;
        self
    }
}
