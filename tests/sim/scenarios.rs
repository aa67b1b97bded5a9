//! What users and games do in a run, whatever goes wrong beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::Play;
use crate::faults::FaultScript;
use crate::history::Entry;
use crate::striking::Met;
use crate::world::World;

/// Longest virtual time for any step to come true.
const WITHIN: Duration = Duration::from_secs(1800);

#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub game: Value,
    pub session: Value,
    pub plays: Vec<Play>,
    pub steps: Vec<Step>,
    /// The user acts while the controller is still at work: which containers lived depends on who was first.
    pub races: bool,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// The session shows this phase.
    Phase(&'static str),
    /// The session shows this phase with this attempt, or a later one where a fault cost one.
    Attempt(&'static str, i64),
    /// The user edits the session.
    Edit(Value),
    Delete,
    /// The session is gone from the API server.
    Gone,
    Wait(Duration),
    /// The engine has no image, so that it pulls.
    NoImages,
    /// Somebody removes the container by hand.
    RemoveByHand,
}

/// What a run left behind.
pub struct Run {
    pub history: Vec<Entry>,
    /// The session at the end.
    pub session: Option<Value>,
    pub containers: Vec<(String, String, bool)>,
    pub volumes: Vec<(String, String)>,
    /// Classes of the writes that the crash sweep counts.
    pub writes: Vec<String>,
    /// How often each call was made, and how many events of each resource came.
    pub calls: BTreeMap<String, u32>,
    pub events: BTreeMap<String, u32>,
    /// What controllers met, with times.
    pub met: Met,
    /// Rows of the state table that the controllers planned.
    pub rows: BTreeSet<String>,
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

const SESSION: &str = "friday";

/// Plays one scenario under one script.
pub async fn run(scenario: &Scenario, script: &FaultScript) -> Run {
    let world = World::begin(script, scenario.plays.clone());
    world.create(&scenario.game).await;
    if matches!(scenario.steps.first(), Some(Step::NoImages)) {
        world.engine.forget_images();
    }
    world.create(&scenario.session).await;
    let mut stuck = None;
    for step in &scenario.steps {
        if !take(&world, step).await {
            let shown = world.session(SESSION).map(|s| s["status"].to_string());
            stuck = Some(format!("{step:?}; the session says {shown:?}"));
            break;
        }
    }
    let converged = world.clock.elapsed().as_secs_f64();
    let settled = world.settle(script).await;
    world.end();
    Run {
        history: world.history.entries(),
        session: world.session(SESSION).map(|session| Value::clone(&session)),
        containers: world.engine.containers(),
        volumes: world.engine.volumes(),
        writes: world.striking.writes(),
        calls: world.striking.calls(),
        events: world.striking.events(),
        met: world.striking.met(),
        rows: BTreeSet::new(),
        left: world.striking.left(),
        stuck,
        settled,
        converged,
        took: world.clock.elapsed().as_secs_f64(),
    }
}

async fn take(world: &World, step: &Step) -> bool {
    let phase = |world: &World| {
        let session = world.session(SESSION);
        session.map(|s| s["status"]["phase"].as_str().unwrap_or_default().to_owned())
    };
    match step {
        Step::Phase(wanted) => {
            world
                .until(WITHIN, |w| phase(w).as_deref() == Some(wanted))
                .await
        }
        Step::Attempt(wanted, attempt) => {
            let holds = |w: &World| {
                phase(w).as_deref() == Some(wanted)
                    && w.session(SESSION)
                        .is_some_and(|s| s["status"]["attempt"].as_i64() >= Some(*attempt))
            };
            world.until(WITHIN, holds).await
        }
        Step::Edit(patch) => {
            world.patch("gamesessions", SESSION, patch).await;
            true
        }
        Step::Delete => {
            world.delete("gamesessions", SESSION).await;
            true
        }
        Step::Gone => world.until(WITHIN, |w| w.session(SESSION).is_none()).await,
        Step::Wait(time) => {
            tokio::time::sleep(*time).await;
            true
        }
        Step::NoImages => true,
        Step::RemoveByHand => {
            let uid = world
                .session(SESSION)
                .map(|s| s["metadata"]["uid"].as_str().unwrap_or_default().to_owned());
            world.engine.remove_by_hand(&uid.unwrap_or_default());
            true
        }
    }
}

fn game(more: &Value) -> Value {
    let mut game = json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": "wesnoth"},
        "spec": {
            "image": "example:1", "ports": [{"name": "game", "containerPort": 15000, "protocol": "TCP"}],
            // In its log also a game that ended unseen has left that it was ready.
            "readiness": {"log": {"pattern": "ready"}},
            "storage": [{"name": "world", "mountPath": "/data"}],
        },
    });
    for (key, value) in more.as_object().expect("a map") {
        game["spec"][key] = value.clone();
    }
    game
}

fn session(more: &Value) -> Value {
    let mut session = json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession", "metadata": {"name": SESSION},
        "spec": {"gameRef": {"name": "wesnoth"}, "user": "alice"},
    });
    for (key, value) in more.as_object().expect("a map") {
        session["spec"][key] = value.clone();
    }
    session
}

pub fn all() -> Vec<Scenario> {
    let plain = |name, steps| Scenario {
        name,
        game: game(&json!({})),
        session: session(&json!({})),
        plays: vec![Play::well()],
        steps,
        races: false,
    };
    let stop = || Step::Edit(json!({"spec": {"desiredState": "Stopped"}}));
    let resume = || Step::Edit(json!({"spec": {"desiredState": "Running"}}));
    let crashes = |code| Play {
        ends: Some((Duration::from_secs(5), code)),
        ..Play::well()
    };
    vec![
        plain("cold start", vec![Step::Phase("Running")]),
        plain("slow pull", vec![Step::NoImages, Step::Phase("Running")]),
        plain(
            "stop and resume with storage",
            vec![
                Step::Phase("Running"),
                stop(),
                Step::Phase("Stopped"),
                resume(),
                Step::Attempt("Running", 1),
            ],
        ),
        plain(
            "delete while running",
            vec![Step::Phase("Running"), Step::Delete, Step::Gone],
        ),
        plain(
            "delete while stopped",
            vec![
                Step::Phase("Running"),
                stop(),
                Step::Phase("Stopped"),
                Step::Delete,
                Step::Gone,
            ],
        ),
        Scenario {
            races: true,
            ..plain(
                "delete while starting",
                vec![Step::Phase("Starting"), Step::Delete, Step::Gone],
            )
        },
        Scenario {
            session: session(&json!({"restartPolicy": "OnFailure", "backoffLimit": 2})),
            plays: vec![crashes(1), crashes(3), crashes(4)],
            ..plain(
                "crashes until the budget is spent",
                vec![Step::Phase("Failed")],
            )
        },
        Scenario {
            session: session(&json!({"restartPolicy": "OnFailure", "backoffLimit": 2})),
            plays: vec![crashes(1), Play::well()],
            ..plain("one crash, then well", vec![Step::Attempt("Running", 1)])
        },
        Scenario {
            session: session(&json!({"ttlSecondsAfterFinished": 60})),
            plays: vec![crashes(0)],
            ..plain("natural end, then its time to live", vec![Step::Gone])
        },
        Scenario {
            session: session(&json!({"activeDeadlineSeconds": 60})),
            ..plain("active deadline", vec![Step::Phase("TimedOut")])
        },
        Scenario {
            session: session(&json!({"startDeadlineSeconds": 30})),
            plays: vec![Play {
                ready_after: None,
                ..Play::well()
            }],
            ..plain("never ready", vec![Step::Phase("Failed")])
        },
        Scenario {
            session: session(&json!({"terminationGracePeriodSeconds": 5})),
            plays: vec![Play {
                on_term: (Duration::from_secs(60), 0),
                ..Play::well()
            }],
            ..plain(
                "ignores the signal",
                vec![Step::Phase("Running"), stop(), Step::Phase("Stopped")],
            )
        },
        Scenario {
            plays: vec![crashes(143), Play::well()],
            ..plain("interrupted", vec![Step::Attempt("Running", 1)])
        },
        Scenario {
            session: session(&json!({"restartPolicy": "OnFailure"})),
            ..plain(
                "container removed by hand",
                vec![
                    Step::Phase("Running"),
                    Step::RemoveByHand,
                    Step::Attempt("Running", 1),
                ],
            )
        },
    ]
}
