//! The whole loop over a fake API server and a fake runtime, in virtual time.

mod api;
mod faults;
mod retries;
mod runtime;
#[cfg(feature = "simulate")]
mod simulated;
mod speed;
mod stages;
#[cfg(feature = "otlp")]
mod traces;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use api::FakeApi;
use runtime::{FakeRuntime, KIND};

use super::context::Context;
use super::jitter::Jitter;
use super::run::{Died, Setup};
use crate::clock::Clock;
use crate::runtime::Runtime;
use crate::session::observation::Owner;
use crate::telemetry::health::Health;

/// One controller, running.
struct Running {
    ctx: Arc<Context>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Died>>,
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// As kill -9 does: nothing is drained, nothing released.
    fn kill(self) {
        self.task.abort();
    }
}

struct World {
    api: FakeApi,
    runtime: FakeRuntime,
}

impl World {
    /// With the Game that all sessions name.
    fn new() -> Self {
        let world = World {
            api: FakeApi::default(),
            runtime: FakeRuntime::new("ours"),
        };
        world.game();
        world
    }

    fn game(&self) {
        self.api.put("games", "wesnoth", |game| {
            game["spec"] = json!({
                "image": "example/wesnothd:1",
                "ports": [{"name": "game", "containerPort": 15000, "protocol": "TCP"}],
                "readiness": {"tcpSocket": {"port": "game"}},
            });
        });
    }

    fn session(&self, name: &str) {
        self.api.put("gamesessions", name, |session| {
            session["spec"] = json!({"gameRef": {"name": "wesnoth"}, "user": "alice"});
        });
    }

    fn controller(&self, identity: &str) -> Running {
        self.controller_over(Arc::new(self.runtime.clone()), clock(), identity)
    }

    fn controller_over(&self, runtime: Arc<dyn Runtime>, clock: Clock, identity: &str) -> Running {
        let setup = Setup {
            client: self.api.client(),
            runtime,
            kind: KIND,
            owner: Owner {
                cluster: "cluster".to_owned(),
                controller: "test".to_owned(),
            },
            provision_deadline: Duration::from_secs(3600),
            namespaces: Vec::new(),
            lease_namespace: "default".to_owned(),
            elect: true,
            identity: identity.to_owned(),
            clock,
            jitter: Jitter::seeded(1),
            metrics: Arc::default(),
            health: Health::new(),
            ages: Default::default(),
            stops: None,
        };
        let (parts, stop) = (setup.parts(), CancellationToken::new());
        let ctx = parts.ctx.clone();
        let task = tokio::spawn(parts.run(stop.clone()));
        Running { ctx, stop, task }
    }

    fn status(&self, name: &str) -> Value {
        let session = self.api.session(name);
        session.map_or(Value::Null, |session| session["status"].clone())
    }

    async fn phase(&self, name: &str, phase: &str) {
        self.until(&format!("{name} is {phase}"), || {
            self.status(name)["phase"] == phase
        })
        .await;
    }

    /// Waits, in virtual time, for at most an hour of it.
    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..360_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "never: {what}; writes {:?}; acts {:?}",
            self.api.writes(),
            self.runtime.acts()
        );
    }

    /// Long enough for anything that is still to be done.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
}

/// The world's time, from now on.
fn clock() -> Clock {
    let began = tokio::time::Instant::now();
    Clock::new(move || {
        runtime::start()
            .checked_add(jiff::SignedDuration::try_from(began.elapsed()).unwrap())
            .unwrap()
    })
}

#[tokio::test(start_paused = true)]
async fn a_cold_session_is_ready_after_exactly_three_writes_and_nothing_follows() {
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world.settle().await;
    let three = ["PATCH status", "PATCH main", "PATCH status"];
    assert_eq!(world.api.writes(), three);
    assert_eq!(world.runtime.acts(), ["create", "start"]);
    assert_eq!(world.status("friday")["address"], "127.0.0.1:7000");
    assert_eq!(world.api.gets(), 0);
    running.stop().await;
    assert_eq!(
        world.api.writes(),
        three,
        "a shutdown writes nothing about a session"
    );
}

#[tokio::test(start_paused = true)]
async fn a_game_that_takes_longer_than_a_second_costs_one_report_more() {
    let world = World::new();
    let running = world.controller("a");
    world.runtime.set_ready(false);
    world.session("friday");
    world.phase("friday", "Starting").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.api.writes().len(), 3, "P3, P4 and WaitingForReady");
    world.runtime.set_ready(true);
    world.phase("friday", "Running").await;
    assert_eq!(world.api.writes().len(), 4);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_requested_stop_costs_two_writes_and_the_resume_two_more() {
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    let wish = |state: &'static str| {
        let set = move |session: &mut Value| session["spec"]["desiredState"] = json!(state);
        world.api.put("gamesessions", "friday", set);
    };
    wish("Stopped");
    world.phase("friday", "Stopped").await;
    world.settle().await;
    assert_eq!(world.api.writes().len(), 5);
    assert_eq!(world.runtime.acts(), ["create", "start", "stop", "remove"]);
    wish("Running");
    world.phase("friday", "Running").await;
    world.settle().await;
    assert_eq!(world.api.writes().len(), 7);
    assert_eq!(world.status("friday")["attempt"], 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_session_is_held_while_nobody_can_tell_which_storage_it_has() {
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world.runtime.hide_storage(true);
    world.api.delete("friday");
    world.phase("friday", "Unknown").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(world.api.session("friday").is_some());
    world.runtime.hide_storage(false);
    world
        .until("it is gone", || world.api.session("friday").is_none())
        .await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_while_running_costs_two_writes_and_leaves_nothing() {
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world.api.delete("friday");
    world
        .until("it is gone", || world.api.session("friday").is_none())
        .await;
    world.settle().await;
    assert_eq!(world.api.writes().len(), 5);
    assert_eq!(world.runtime.acts(), ["create", "start", "stop", "remove"]);
    assert_eq!(running.ctx.backoff.waiting(), 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_killed_and_started_again_writes_nothing_and_touches_nothing() {
    let world = World::new();
    let first = world.controller("a");
    for n in 0..20 {
        world.session(&format!("s{n}"));
    }
    world
        .until("all run", || world.runtime.running() == 20)
        .await;
    world.settle().await;
    let (writes, acts) = (world.api.writes(), world.runtime.acts());
    first.kill();
    let second = world.controller("b");
    world
        .until("all were looked at", || {
            second.ctx.metrics.reconciles.get() >= 20
        })
        .await;
    world.settle().await;
    assert_eq!(world.api.writes(), writes);
    assert_eq!(world.runtime.acts(), acts);
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_read_is_left_alone_with_one_warning() {
    let world = World::new();
    let running = world.controller("a");
    world.api.put("gamesessions", "newer", |session| {
        session["spec"] =
            json!({"gameRef": {"name": "wesnoth"}, "user": "alice", "runtime": "Wasm"});
    });
    world.session("friday");
    world.phase("friday", "Running").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.status("newer"), Value::Null);
    let events = world.api.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["reason"], "Unreadable");
    assert_eq!(running.ctx.memory.unreadable(), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_game_that_comes_late_wakes_the_sessions_that_wait_for_it() {
    let world = World {
        api: FakeApi::default(),
        runtime: FakeRuntime::new("ours"),
    };
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Pending").await;
    world.settle().await;
    let asked = tokio::time::Instant::now();
    world.game();
    world.phase("friday", "Running").await;
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_refused_for_its_content_finishes_the_session_with_the_engines_words() {
    let world = World::new();
    world
        .runtime
        .refuse_creates("Minimum memory limit allowed is 6MB");
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Failed").await;
    let text = world.status("friday").to_string();
    assert!(
        text.contains("Minimum memory limit allowed is 6MB"),
        "{text}"
    );
    world.settle().await;
    assert_eq!(world.runtime.made(), 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_create_that_keeps_failing_says_why_once_and_goes_on_when_it_can() {
    let world = World::new();
    let words = "no space left on device";
    world.runtime.fail_creates(Some(words));
    let running = world.controller("a");
    world.session("friday");
    tokio::time::sleep(Duration::from_secs(3600 / 2)).await;
    let text = world.status("friday").to_string();
    assert!(text.contains(words), "{text}");
    assert_eq!(world.status("friday")["phase"], "Starting");
    assert_eq!(world.api.writes().len(), 3, "P3, P4 and one report");
    world.runtime.fail_creates(None);
    world.phase("friday", "Running").await;
    let text = world.status("friday").to_string();
    assert!(!text.contains(words), "{text}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_orphan_goes_after_two_looks_and_too_many_of_them_stay() {
    let world = World::new();
    world.runtime.orphans(2);
    let running = world.controller("a");
    tokio::time::sleep(Duration::from_secs(9 * 60)).await;
    assert_eq!(world.runtime.acts(), [""; 0], "one look is not enough");
    tokio::time::sleep(Duration::from_secs(6 * 60)).await;
    assert_eq!(world.runtime.acts(), ["kill", "remove", "kill", "remove"]);
    world.runtime.orphans(60);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(
        world.runtime.acts().len(),
        4,
        "so many at once point to something else"
    );
    assert_eq!(running.ctx.metrics.sweep_stopped.get(), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_know_the_kind_makes_nobody_an_orphan() {
    let world = World::new();
    world.api.stop_serving();
    world.runtime.orphans(2);
    let running = world.controller("a");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.runtime.acts(), [""; 0]);
    running.stop().await;
}
