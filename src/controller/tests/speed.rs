//! Time that the controller itself takes: none but what it states. The API server and the runtime of these tests answer
//! at once, so every virtual millisecond is a wait of ours.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use serde_json::json;
use tokio::time::Instant;

use super::World;
use super::api::Fault;
use crate::api::GameSession;
use crate::controller::guard::Guarded;
use crate::controller::own_writes::{self, Against};

/// The user of these tests asks once a millisecond; a look begins at once.
const ASKED: Duration = Duration::from_millis(1);

/// How long until this holds.
async fn took(world: &World, what: &str, holds: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    for _ in 0..60_000 {
        if holds() {
            return began.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never: {what}; writes {:?}", world.api.writes());
}

fn shows(world: &World, name: &str, phase: &str) -> bool {
    world.status(name)["phase"] == phase
}

#[tokio::test(start_paused = true)]
async fn a_cold_session_is_ready_as_soon_as_its_look_begins() {
    let world = World::new();
    let running = world.controller("a");
    world.settle().await;
    for name in ["friday", "monday"] {
        world.session(name);
        let took = took(&world, "ready", || shows(&world, name, "Running")).await;
        assert_eq!(took, ASKED, "{name}: {:?}", world.api.writes());
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_cold_sessions_at_once_take_no_longer_than_one() {
    let world = World::new();
    let running = world.controller("a");
    world.settle().await;
    let names: Vec<_> = (0..100).map(|n| format!("s{n}")).collect();
    for name in &names {
        world.session(name);
    }
    let all = || names.iter().all(|name| shows(&world, name, "Running"));
    let took = took(&world, "all are ready", all).await;
    assert_eq!(took, ASKED);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_and_a_deletion_wait_for_nothing_but_the_game() {
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world.settle().await;
    world.api.put("gamesessions", "friday", |session| {
        session["spec"]["desiredState"] = json!("Stopped");
    });
    let stopped = took(&world, "stopped", || shows(&world, "friday", "Stopped")).await;
    world.settle().await;
    world.api.delete("friday");
    let gone = took(&world, "gone", || world.api.session("friday").is_none()).await;
    assert_eq!((stopped, gone), (ASKED, ASKED));
    running.stop().await;
}

/// A reply that the watch had shown before the answer came stood until the next look, ten minutes with a session at
/// rest: several times the memory of what the cache keeps.
#[tokio::test(start_paused = true)]
async fn of_a_session_at_rest_no_reply_is_kept_whichever_came_first() {
    let world = World::new();
    // Committed and never answered: the GET after it comes when the watch has told already.
    world.api.fault(3, Fault::Unanswered);
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world.settle().await;
    let session = world.api.session("friday").unwrap();
    let session: GameSession = serde_json::from_value(session).unwrap();
    let (uid, version) = (session.uid().unwrap(), own_writes::version(&session));
    let against = running
        .ctx
        .own_writes
        .against(&uid, version, &Guarded::Read(Arc::new(session)));
    assert_eq!(against, Against::Nothing);
    running.stop().await;
}
