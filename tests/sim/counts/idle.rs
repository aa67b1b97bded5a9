//! What the controller asks and writes, in virtual time: one session's life, and an hour in which nothing happens.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Calls, calls};
use crate::engine::Play;
use crate::faults::FaultScript;
use crate::world::World;

/// Longest virtual time for anything to come true.
const WITHIN: Duration = Duration::from_secs(60);
/// Longer than anything that still moves.
const SETTLES: Duration = Duration::from_secs(30);
const SLOW_CLOCK: u32 = 600;
const HOUR: u32 = 3600;
/// Lists of what is on the engine in an hour that begins two minutes after the controller did: one a little more
/// than each ten minutes, and the sessions of all that they find are in the cache.
const SWEEPS: u32 = 6;

/// Calls that are about no session: Leases, lists and watches, and which engine it is, asked to keep the Lease.
const BACKGROUND: [&str; 4] = ["leases", "list:game", "watch:", "look:engine"];

fn game() -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": "wesnoth"},
        "spec": {
            "image": "example:1", "ports": [{"name": "game", "containerPort": 15000, "protocol": "TCP"}],
            "readiness": {"tcpSocket": {"port": "game"}},
        },
    })
}

fn session(name: &str) -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession", "metadata": {"name": name},
        "spec": {"gameRef": {"name": "wesnoth"}, "user": "alice"},
    })
}

impl World {
    /// A controller that leads and has nothing to do.
    async fn warm() -> World {
        let world = World::begin(&FaultScript::default(), vec![Play::well()]);
        world.create(&game()).await;
        // The first sweep of what is on the engine is over, the next ten minutes away.
        tokio::time::sleep(Duration::from_secs(90)).await;
        world
    }

    async fn phase(&self, name: &str, phase: &str) {
        let shows = |w: &World| {
            w.session(name)
                .is_some_and(|s| s["status"]["phase"] == phase)
        };
        assert!(self.until(WITHIN, shows).await, "{name} is {phase}");
    }

    /// What was called since, background aside.
    fn since(&self, before: &Calls) -> Calls {
        let mut calls = self.striking.calls();
        for (class, times) in before {
            *calls.get_mut(class).expect("counts only grow") -= times;
        }
        calls.retain(|class, times| {
            *times > 0 && !BACKGROUND.iter().any(|known| class.contains(known))
        });
        calls
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_from_its_create_to_its_end_costs_exactly_these_calls_without_a_get_or_an_event()
{
    let world = World::warm().await;
    let start = world.striking.calls();
    world.create(&session("friday")).await;
    world.phase("friday", "Running").await;
    tokio::time::sleep(SETTLES).await;
    let cold = world.since(&start);

    let running = world.striking.calls();
    let wish = json!({"spec": {"desiredState": "Stopped"}});
    assert!(world.patch("gamesessions", "friday", &wish).await);
    world.phase("friday", "Stopped").await;
    tokio::time::sleep(SETTLES).await;
    let stop = world.since(&running);

    let stopped = world.striking.calls();
    world.delete("gamesessions", "friday").await;
    let gone = |w: &World| w.session("friday").is_none();
    assert!(world.until(WITHIN, gone).await, "it goes");
    tokio::time::sleep(SETTLES).await;
    let deletion = world.since(&stopped);
    let wanted = [
        // P3, P4 and R3.
        calls([
            ("patch:gamesessions", 1),
            ("patch:gamesessions/status", 2),
            ("look:container", 7),
            ("look:storage", 1),
            ("look:image", 1),
            ("effect:create", 1),
            ("effect:start", 1),
        ]),
        calls([
            ("patch:gamesessions/status", 2),
            ("look:container", 5),
            ("effect:stop", 1),
            ("effect:remove", 1),
        ]),
        calls([
            ("patch:gamesessions", 1),
            ("look:container", 1),
            ("look:storage", 1),
        ]),
    ];
    assert_eq!([cold, stop, deletion], wanted);
    world.end();
}

#[tokio::test(start_paused = true)]
async fn an_idle_hour_of_fifty_sessions_writes_nothing_and_looks_as_often_as_the_slow_clock_says() {
    let sessions = 50;
    let world = World::warm().await;
    for n in 0..sessions {
        world.create(&session(&format!("s{n}"))).await;
    }
    for n in 0..sessions {
        world.phase(&format!("s{n}"), "Running").await;
    }
    tokio::time::sleep(SETTLES).await;
    let before = world.striking.calls();
    tokio::time::sleep(Duration::from_secs(HOUR.into())).await;
    let looks = sessions * HOUR / SLOW_CLOCK;
    assert_eq!(
        world.since(&before),
        calls([("look:container", looks), ("look:list", SWEEPS)])
    );
    world.end();
}
