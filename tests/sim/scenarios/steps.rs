//! The steps of a scenario: what is waited for, and what people do.

use std::time::Duration;

use dillinger_runner::api::ABANDON_ENGINE;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Scenario;
use crate::apiserver::Mode;
use crate::engine::Refusal;
use crate::history::{Entry, Life, What};
use crate::world::{World, next_look};

/// Begins the note of what could not be done.
pub const NOT_DONE: &str = "somebody could not do it";
/// What is noted where a step was over before it could be taken.
const TOO_LATE: &str = "what he waited for was over before he could see it";
const IN_ITS_PLACE: &str = "another container had taken its place";
/// How soon somebody acts who waits for one call of a controller.
const GLANCE: Duration = Duration::from_millis(1);
/// For how long, and how soon after that.
const ATTENTION: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_millis(50);

/// Whether this note says so.
pub fn is_too_late(note: &str) -> bool {
    [TOO_LATE, IN_ITS_PLACE]
        .iter()
        .any(|why| note.ends_with(why))
}

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    /// The session shows this phase.
    Phase(&'static str),
    /// This phase, and this reason on the condition Ready.
    Says(&'static str, &'static str),
    /// This phase with this attempt, or a later one where a fault cost one.
    Attempt(&'static str, i64),
    /// This stands in the session at this JSON pointer; null: nothing does.
    Shows(&'static str, Value),
    /// The session is gone from the API server.
    Gone,
    /// Controllers have made so many calls of this class since the world began.
    Called(&'static str, u32),
    /// The session's containers are in these states, as `inspect` calls them.
    Containers(&'static [&'static str]),
    /// The session's container was told to end, by whomever.
    Told,
    Wait(Duration),
    /// The user makes the session, anew where it was there before.
    Create,
    Edit(Value),
    /// Somebody writes over the status.
    Overwrite(Value),
    Delete,
    /// The administrator makes the Game of this scenario.
    CreateGame,
    EditGame(Value),
    DeleteGame,
    /// The administrator gives up the engine that the session has on record.
    Abandon,
    /// The API server.
    Server(Mode),
    /// The controller is killed and begun anew.
    Crash,
    /// Something happens to the engine, by these words.
    World(&'static str, fn(&Scene<'_>)),
}

/// Where a step is taken, and for which session.
pub struct Scene<'a> {
    pub world: &'a World,
    scenario: &'a Scenario,
    pub name: &'static str,
}

impl<'a> Scene<'a> {
    pub fn new(world: &'a World, scenario: &'a Scenario, name: &'static str) -> Scene<'a> {
        Scene {
            world,
            scenario,
            name,
        }
    }

    /// A value of the session.
    fn value(&self, pointer: &str) -> Option<Value> {
        self.world
            .session(self.name)
            .and_then(|session| session.pointer(pointer).cloned())
    }

    fn text(&self, pointer: &str) -> String {
        let value = self.value(pointer);
        value
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    pub fn uid(&self) -> String {
        self.text("/metadata/uid")
    }

    /// The name that the session's containers get.
    pub fn container_name(&self) -> String {
        dillinger_runner::session::container::name(self.name, &self.uid())
    }

    /// Each container of the session, which must have one.
    pub fn containers(&self) -> Vec<String> {
        self.world.engine.ids_of(&self.uid())
    }

    /// What somebody did; that it could not be done is noted.
    pub fn done(&self, what: Result<(), Refusal>) {
        if let Err(Refusal { status, words }) = what {
            let what = What::Note(format!("{NOT_DONE}: {status} {words}"));
            let at = self.world.clock.elapsed();
            self.world.history.add(at, "world", what);
        }
    }

    fn is_not_done(&self, why: &str) {
        let words = why.to_owned();
        self.done(Err(Refusal { status: 404, words }));
    }

    /// What somebody waits for was over before he could see it, or never came since the controller did not see in time what
    /// would have brought it. It is so only where the session has got further than this phase.
    fn comes_too_late(&self, phase: &str) -> bool {
        let now = self.phase();
        let further = match phase {
            "Starting" => now == "Running" || self.is_finished(),
            "Stopping" => now == "Stopped" || self.is_finished() || now.is_empty(),
            // Made anew by who had forgotten it: on no node yet, or on one that is well.
            "Unknown" if self.world.forgets => {
                now == "Starting" || (now == "Running" && self.was_replaced())
            }
            "Unknown" => now == "Running" || self.is_finished() || now.is_empty(),
            // Its engine ended the game, and the Game that the next attempt needs was taken away; or it ended by itself, and
            // well; or what was done to it was done to one that the engine ended.
            "Running" => {
                let ended_well = ["GameNotFound", "Completed"].contains(&&*self.ready_reason());
                (self.is_finished() && ended_well) || (now == "Running" && self.was_interrupted())
            }
            // Games are played in the order of their starts: one that was forgotten played the one that ends.
            "Succeeded" if self.world.forgets => now == "Running",
            "Succeeded" | "Failed" => {
                now == "Running" && (self.was_interrupted() || self.was_replaced())
            }
            _ => false,
        };
        // What a restore took away, and nobody writes again.
        let lost = self.world.forgets && now.is_empty();
        let too_late = lost || (self.world.hides && further);
        if too_late {
            self.is_not_done(TOO_LATE);
        }
        too_late
    }

    /// A container that somebody made late took the place of one that was taken away, in the same attempt, or played what the
    /// next attempt was to play; or a restored API server knows nothing of an attempt that was: it counts as that one.
    fn is_in_its_place(&self, phase: &str, attempt: i64) -> bool {
        let now = self.value("/status/attempt").and_then(|n| n.as_i64());
        let replaced = self.world.hides && self.was_replaced();
        let played = (self.world.hides || self.world.shares) && self.were_more_than(attempt + 1);
        let late = now == Some(attempt) && (replaced || played);
        let forgotten = self.world.forgets && now.is_some_and(|now| now <= attempt);
        // With it went what its next attempt hung on.
        let ended = self.world.forgets && self.is_finished();
        let in_its_place = (self.phase() == phase && (late || forgotten)) || ended;
        if in_its_place {
            self.is_not_done(IN_ITS_PLACE);
        }
        in_its_place
    }

    /// Not the first container of its attempt is on record.
    fn was_replaced(&self) -> bool {
        let (uid, id) = (self.uid(), self.text("/status/container/id"));
        let attempt = self.value("/status/attempt").and_then(|n| n.as_i64());
        let first = |entry: &Entry| match &entry.what {
            What::Container {
                id,
                uid: of,
                attempt: n,
                ..
            } if *of == uid && Some(i64::from(*n)) == attempt => Some(id.clone()),
            What::Container { .. }
            | What::Stored { .. }
            | What::Volume { .. }
            | What::Engine(_)
            | What::Died(_)
            | What::Note(_) => None,
        };
        let first = self.world.history.first(first);
        first.is_some_and(|first| first != id)
    }

    /// More were started for it than so many: one more container, or one that had ended once more.
    fn were_more_than(&self, attempts: i64) -> bool {
        let uid = self.uid();
        let entries = self.world.history.entries();
        let started = entries.iter().filter(|entry| match &entry.what {
            What::Container { uid: of, state, .. } => *of == uid && *state == Life::Running,
            What::Stored { .. }
            | What::Volume { .. }
            | What::Engine(_)
            | What::Died(_)
            | What::Note(_) => false,
        });
        i64::try_from(started.count()).is_ok_and(|started| started > attempts)
    }

    /// It was counted on from what went before, since when its game was ready was not recorded in time, or forgotten.
    fn is_counted_on(&self, pointer: &str, wanted: &Value) -> bool {
        let now = self.value(pointer).and_then(|n| n.as_i64());
        let counted_on =
            (self.world.hides || self.world.forgets) && now.is_some() && now > wanted.as_i64();
        if counted_on {
            self.is_not_done(TOO_LATE);
        }
        counted_on
    }

    fn was_interrupted(&self) -> bool {
        let times = self.value("/status/interruptions");
        times.and_then(|times| times.as_i64()) > Some(0)
    }

    /// A restore took the wish to delete it, or to do so some time after its end, and nobody wishes that again.
    fn is_forgotten_wish(&self) -> bool {
        let stays = self.value("/metadata").is_some()
            && self.value("/metadata/deletionTimestamp").is_none();
        let forgotten = self.world.forgets && stays;
        if forgotten {
            self.is_not_done(TOO_LATE);
        }
        forgotten
    }

    fn is_finished(&self) -> bool {
        self.value("/status/finishTime").is_some()
    }

    fn phase(&self) -> String {
        self.text("/status/phase")
    }

    fn ready_reason(&self) -> String {
        let conditions = self.value("/status/conditions");
        conditions
            .as_ref()
            .and_then(Value::as_array)
            .and_then(|all| all.iter().find(|c| c["type"] == "Ready"))
            .and_then(|ready| ready["reason"].as_str())
            .unwrap_or_default()
            .to_owned()
    }
}

/// Takes one step; false: what it waits for did not come true within this time.
pub async fn take(scene: &Scene<'_>, step: &Step, within: Duration) -> bool {
    let (world, name) = (scene.world, scene.name);
    match step {
        Step::Phase(wanted) => {
            world.until(within, |_| scene.phase() == *wanted).await || scene.comes_too_late(wanted)
        }
        Step::Says(wanted, reason) => {
            let holds = |_: &World| scene.phase() == *wanted && scene.ready_reason() == *reason;
            world.until(within, holds).await || scene.comes_too_late(wanted)
        }
        Step::Attempt(wanted, attempt) => {
            let holds = |_: &World| {
                scene.phase() == *wanted
                    && scene.value("/status/attempt").and_then(|n| n.as_i64()) >= Some(*attempt)
            };
            world.until(within, holds).await || scene.is_in_its_place(wanted, *attempt - 1)
        }
        Step::Shows(pointer, wanted) => {
            world
                .until(within, |_| {
                    scene.value(pointer).unwrap_or_default() == *wanted
                })
                .await
                || scene.comes_too_late("Stopping")
                || scene.is_counted_on(pointer, wanted)
        }
        Step::Gone => {
            world
                .until(within, |w| {
                    w.session(scene.name).is_none() && !w.server.is_written_again()
                })
                .await
                || scene.is_forgotten_wish()
        }
        Step::Called(class, times) => {
            let holds = |w: &World| w.striking.called(class) >= *times;
            glance(world, within, holds).await || scene.comes_too_late("Stopping")
        }
        Step::Containers(states) => {
            let holds = |w: &World| w.engine.states_of(&scene.uid()) == *states;
            glance(world, within, holds).await
        }
        Step::Told => {
            let holds = |w: &World| w.engine.was_told(&scene.uid());
            glance(world, within, holds).await || scene.comes_too_late("Stopping")
        }
        step => {
            act(scene, step, world, name).await;
            true
        }
    }
}

/// What somebody does.
async fn act(scene: &Scene<'_>, step: &Step, world: &World, name: &str) {
    const SESSIONS: &str = "gamesessions";
    const GAMES: &str = "games";
    let game = || scene.scenario.game_name();
    match step {
        Step::Wait(time) => tokio::time::sleep(*time).await,
        Step::Create => world.create(scene.scenario.session_of(name)).await,
        Step::Edit(patch) => edit(scene, SESSIONS, name, patch).await,
        Step::Overwrite(status) => {
            let patch = json!({"status": status});
            edit(scene, SESSIONS, &format!("{name}/status"), &patch).await;
        }
        Step::Delete => world.delete(SESSIONS, name).await,
        Step::CreateGame => world.create(&scene.scenario.game).await,
        Step::EditGame(spec) => edit(scene, GAMES, game(), &json!({"spec": spec})).await,
        Step::DeleteGame => world.delete(GAMES, game()).await,
        Step::Abandon => {
            let engine = scene.text("/status/engine/id");
            let patch = json!({"metadata": {"annotations": {ABANDON_ENGINE: engine}}});
            edit(scene, SESSIONS, name, &patch).await;
        }
        Step::Server(mode) => world.server.set_mode(*mode),
        Step::Crash => world.striking.die_after(Duration::ZERO),
        Step::World(_, hand) => hand(scene),
        Step::Phase(_)
        | Step::Says(..)
        | Step::Attempt(..)
        | Step::Shows(..)
        | Step::Gone
        | Step::Called(..)
        | Step::Containers(_)
        | Step::Told => unreachable!("it is waited for"),
    }
}

/// Somebody who finds that it is gone leaves it.
async fn edit(scene: &Scene<'_>, plural: &str, name: &str, patch: &Value) {
    if !scene.world.patch(plural, name, patch).await {
        scene.is_not_done(TOO_LATE);
    }
}

/// Waits as closely as somebody can who acts between two writes of a controller.
async fn glance(world: &World, within: Duration, holds: impl Fn(&World) -> bool) -> bool {
    let began = Instant::now();
    let (mut happens, mut calls) = (world.history.grows(), world.striking.meets());
    let wait = async {
        loop {
            happens.mark_unchanged();
            calls.mark_unchanged();
            if holds(world) {
                return;
            }
            tokio::select! {
                biased;
                _ = happens.changed() => {}
                _ = calls.changed() => {}
            }
            let tired = began.elapsed() > ATTENTION;
            let pace = if tired { PATIENCE } else { GLANCE };
            tokio::time::sleep_until(next_look(began, pace)).await;
        }
    };
    tokio::time::timeout(within, wait).await.is_ok()
}
