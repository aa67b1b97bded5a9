//! What users, games, engines and administrators do in a run, whatever goes wrong beside it.
//!
//! A scenario is a value: the Game, the sessions, what each start of a container plays, and steps that are taken one
//! after the other. Each group of them has a file; [`all`] is the list.

mod by_hand;
mod crowds;
mod deadlines;
mod deletions;
mod edits;
mod endings;
mod engines;
mod games;
mod hands;
mod images;
mod pods;
mod ports;
mod refusals;
mod starts;
mod steps;
mod stops;
mod strays;
mod telling;
pub mod undisturbed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dillinger_runner::api::RuntimeKind;
use dillinger_runner::session::plan::Row;
use serde_json::Value;

use crate::engine::Play;
use crate::faults::FaultScript;
use crate::history::Entry;
use crate::rows;
use crate::striking::Met;
use crate::world::{SESSIONS, World};

pub use steps::{NOT_DONE, Scene, Step, is_too_late};
pub use telling::{FRIDAY, scenario};

/// What a fault may cost a step at most, on top of what the scenario takes undisturbed: a provision deadline of an hour
/// that begins anew.
const PATIENCE: Duration = Duration::from_secs(8000);

/// One story; made by [`scenario`].
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub game: Value,
    /// It is there before the sessions.
    pub game_at_once: bool,
    /// By name; `friday` is one of them.
    pub sessions: BTreeMap<&'static str, Value>,
    /// Of these the ones that a step makes.
    pub late: BTreeSet<&'static str>,
    pub plays: Vec<Play>,
    /// Where its games run.
    pub runtime: RuntimeKind,
    /// Taken before any session is there.
    pub before: Vec<Step>,
    /// Each is about one session.
    pub steps: Vec<(&'static str, Step)>,
    /// Somebody acts while the controller is still at work: which containers lived depends on who was first.
    pub races: bool,
    /// Somebody takes a Pod away by force, whatever runs of it: two may live.
    pub forced: bool,
    /// Where it ends depends on who was first, so that under a fault it may rightly end elsewhere.
    pub open: bool,
    /// Virtual seconds in which the last step comes true when nothing goes wrong.
    pub within: f64,
    /// Whom the next words are about.
    who: &'static str,
}

/// What a run left behind.
pub struct Run {
    pub history: Vec<Entry>,
    /// The session `friday` at the end.
    pub session: Option<Value>,
    /// All sessions at the end.
    pub sessions: Vec<Value>,
    pub containers: Vec<(String, String, bool)>,
    pub volumes: Vec<(String, String)>,
    /// What controllers met: writes, calls, events.
    pub met: Met,
    /// Rows of the state table that the controllers planned.
    pub rows: BTreeSet<Row>,
    /// Faults that never struck.
    pub left: FaultScript,
    /// The step that did not come true.
    pub stuck: Option<String>,
    /// Length of the history when everything had settled.
    pub settled: usize,
    /// Virtual seconds until the last step came true.
    pub converged: f64,
    /// Virtual seconds of the whole run.
    pub took: f64,
}

/// Plays one scenario under one script.
pub async fn run(scenario: &Scenario, script: &FaultScript) -> Run {
    rows::begin();
    let world = World::with(script, scenario.plays.clone(), scenario.runtime);
    let stuck = play(&world, scenario).await;
    let converged = world.clock.elapsed().as_secs_f64();
    let settled = world.settle(script).await;
    world.end();
    Run {
        history: world.history.take(),
        session: world.session(FRIDAY).map(|session| Value::clone(&session)),
        sessions: world
            .server
            .objects(SESSIONS)
            .iter()
            .map(|session| Value::clone(session))
            .collect(),
        containers: world.containers(),
        volumes: world.volumes(),
        met: world.striking.met(),
        rows: rows::end(),
        left: world.striking.left(),
        stuck,
        settled,
        converged,
        took: world.clock.elapsed().as_secs_f64(),
    }
}

/// The step that did not come true.
async fn play(world: &World, scenario: &Scenario) -> Option<String> {
    let within = Duration::from_secs_f64(scenario.within) + PATIENCE;
    for step in &scenario.before {
        let scene = Scene::new(world, scenario, FRIDAY);
        if !steps::take(&scene, step, within).await {
            return Some(format!("{step:?}, before any session"));
        }
    }
    if scenario.game_at_once {
        world.create(&scenario.game).await;
    }
    for (name, session) in &scenario.sessions {
        if !scenario.late.contains(name) {
            world.create(session).await;
        }
    }
    for (who, step) in &scenario.steps {
        let scene = Scene::new(world, scenario, who);
        if !steps::take(&scene, step, within).await {
            let shown = world.session(who).map(|s| s["status"].to_string());
            return Some(format!("{who}: {step:?}; it says {shown:?}"));
        }
    }
    None
}

/// Every scenario.
pub fn all() -> Vec<Scenario> {
    let groups = [
        starts::all(),
        images::all(),
        ports::all(),
        deadlines::all(),
        stops::all(),
        deletions::all(),
        endings::all(),
        by_hand::all(),
        strays::all(),
        engines::all(),
        games::all(),
        edits::all(),
        refusals::all(),
        crowds::all(),
        pods::all(),
    ];
    groups.into_iter().flatten().collect()
}

#[test]
fn every_scenario_has_a_name_of_its_own_and_there_are_enough_of_them() {
    let all = all();
    let names: BTreeSet<&str> = all.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.len() >= 60, "{}", all.len());
}
