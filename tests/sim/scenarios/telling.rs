//! The words in which a scenario is told.
//!
//! ```ignore
//! scenario("stop while running").phase("Running").stop().phase("Stopped")
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dillinger_runner::api::RuntimeKind;
use serde_json::{Value, json};

use super::{Scenario, Scene, Step};
use crate::apiserver::Mode;
use crate::engine::Play;

/// The session that a scenario is about unless it says otherwise.
pub const FRIDAY: &str = "friday";

/// Two back-offs, or a deadline of a minute, are the longest waits of most.
const WITHIN: f64 = 75.0;

/// One session `friday` of a well-behaved game with storage, which has its readiness in its log.
pub fn scenario(name: &'static str) -> Scenario {
    Scenario {
        name,
        game: json!({
            "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": "wesnoth"},
            "spec": {
                "image": "example:1", "ports": [{"name": "game", "containerPort": 15000, "protocol": "TCP"}],
                // In its log also a game that ended unseen has left that it was ready.
                "readiness": {"log": {"pattern": "ready"}},
                "storage": [{"name": "world", "mountPath": "/data"}],
            },
        }),
        game_at_once: true,
        sessions: BTreeMap::from([(FRIDAY, session(FRIDAY))]),
        late: BTreeSet::new(),
        plays: vec![Play::well()],
        runtime: RuntimeKind::Docker,
        before: Vec::new(),
        steps: Vec::new(),
        races: false,
        forced: false,
        open: false,
        within: WITHIN,
        who: FRIDAY,
    }
}

fn session(name: &str) -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession", "metadata": {"name": name},
        "spec": {"gameRef": {"name": "wesnoth"}, "user": "alice"},
    })
}

/// Fields of this map over those of that one; null takes one away.
fn lay_over(fields: &mut Value, over: &Value) {
    let fields = fields.as_object_mut().expect("a map");
    for (key, value) in over.as_object().expect("a map") {
        if value.is_null() {
            fields.remove(key);
        } else {
            fields.insert(key.clone(), value.clone());
        }
    }
}

/// Who and what there is.
impl Scenario {
    /// Fields of the Game's spec that differ.
    pub fn game(mut self, spec: &Value) -> Scenario {
        lay_over(&mut self.game["spec"], spec);
        self
    }

    /// A Game that keeps nothing, shows no port, and counts as ready once it runs.
    pub fn bare_game(self) -> Scenario {
        self.game(&json!({"readiness": null, "storage": null, "ports": null}))
    }

    /// The Game comes later, if ever.
    pub fn without_game(mut self) -> Scenario {
        self.game_at_once = false;
        self
    }

    /// Fields of the session's spec that differ.
    pub fn session(mut self, spec: &Value) -> Scenario {
        let session = self.sessions.get_mut(self.who).expect("it was named");
        lay_over(&mut session["spec"], spec);
        self
    }

    pub fn metadata(mut self, metadata: &Value) -> Scenario {
        let session = self.sessions.get_mut(self.who).expect("it was named");
        lay_over(&mut session["metadata"], metadata);
        self
    }

    /// What follows is about this session, one more where nobody named it yet.
    pub fn of(mut self, who: &'static str) -> Scenario {
        self.sessions.entry(who).or_insert_with(|| session(who));
        self.who = who;
        self
    }

    /// A step makes it.
    pub fn later(mut self) -> Scenario {
        self.late.insert(self.who);
        self
    }

    /// Its games run as Pods, and their kubelets ask whether they are ready.
    pub fn on_a_cluster(mut self) -> Scenario {
        self.runtime = RuntimeKind::Pod;
        self.game(&json!({"readiness": {"tcpSocket": {"port": "game"}}}))
    }

    pub fn plays(mut self, plays: &[Play]) -> Scenario {
        self.plays = plays.to_vec();
        self
    }

    /// Happens before the Game and the sessions are made.
    pub fn first(mut self, what: &'static str, hand: fn(&Scene<'_>)) -> Scenario {
        self.before.push(Step::World(what, hand));
        self
    }

    /// Somebody takes a Pod away by force, whatever runs of it.
    pub fn forced(mut self) -> Scenario {
        self.forced = true;
        self
    }

    pub fn races(mut self) -> Scenario {
        self.races = true;
        self
    }

    pub fn open(mut self) -> Scenario {
        (self.races, self.open) = (true, true);
        self
    }

    /// It takes this many virtual seconds.
    pub fn within(mut self, seconds: u32) -> Scenario {
        self.within = f64::from(seconds);
        self
    }

    pub(super) fn game_name(&self) -> &str {
        self.game["metadata"]["name"].as_str().expect("a name")
    }

    pub(super) fn session_of(&self, who: &str) -> &Value {
        &self.sessions[who]
    }
}

/// What is waited for.
impl Scenario {
    pub fn then(mut self, step: Step) -> Scenario {
        self.steps.push((self.who, step));
        self
    }

    pub fn phase(self, phase: &'static str) -> Scenario {
        self.then(Step::Phase(phase))
    }

    pub fn says(self, phase: &'static str, ready: &'static str) -> Scenario {
        self.then(Step::Says(phase, ready))
    }

    pub fn attempt(self, phase: &'static str, attempt: i64) -> Scenario {
        self.then(Step::Attempt(phase, attempt))
    }

    pub fn shows(self, pointer: &'static str, value: &Value) -> Scenario {
        self.then(Step::Shows(pointer, value.clone()))
    }

    pub fn gone(self) -> Scenario {
        self.then(Step::Gone)
    }

    pub fn called(self, class: &'static str, times: u32) -> Scenario {
        self.then(Step::Called(class, times))
    }

    pub fn containers(self, states: &'static [&'static str]) -> Scenario {
        self.then(Step::Containers(states))
    }

    pub fn told(self) -> Scenario {
        self.then(Step::Told)
    }

    pub fn wait(self, seconds: u64) -> Scenario {
        self.then(Step::Wait(Duration::from_secs(seconds)))
    }
}

/// What people do, and what happens.
impl Scenario {
    pub fn create(self) -> Scenario {
        self.then(Step::Create)
    }

    /// Fields of the spec.
    pub fn edit(self, spec: &Value) -> Scenario {
        self.then(Step::Edit(json!({"spec": spec})))
    }

    pub fn stop(self) -> Scenario {
        self.edit(&json!({"desiredState": "Stopped"}))
    }

    pub fn resume(self) -> Scenario {
        self.edit(&json!({"desiredState": "Running"}))
    }

    pub fn edit_metadata(self, metadata: &Value) -> Scenario {
        self.then(Step::Edit(json!({"metadata": metadata})))
    }

    pub fn overwrite(self, status: &Value) -> Scenario {
        self.then(Step::Overwrite(status.clone()))
    }

    pub fn delete(self) -> Scenario {
        self.then(Step::Delete)
    }

    pub fn create_game(self) -> Scenario {
        self.then(Step::CreateGame)
    }

    pub fn edit_game(self, spec: &Value) -> Scenario {
        self.then(Step::EditGame(spec.clone()))
    }

    pub fn delete_game(self) -> Scenario {
        self.then(Step::DeleteGame)
    }

    pub fn abandon(self) -> Scenario {
        self.then(Step::Abandon)
    }

    pub fn server(self, mode: Mode) -> Scenario {
        self.then(Step::Server(mode))
    }

    pub fn crash(self) -> Scenario {
        self.then(Step::Crash)
    }

    pub fn world(self, what: &'static str, hand: fn(&Scene<'_>)) -> Scenario {
        self.then(Step::World(what, hand))
    }
}
