//! Containers that the record does not call for, and records that were lost.

use std::time::Duration;

use serde_json::json;

use super::{Scenario, Scene, scenario};
use crate::engine::Play;

const WORLD: &str = "world";

/// A create that was on its way for long arrives. What it made: another one of the session may still be there.
fn made_late(scene: &Scene<'_>, attempt: i32) -> Vec<String> {
    let (engine, before) = (&scene.world.engine, scene.containers());
    scene.done(engine.create_late(&scene.uid(), attempt, "late"));
    let mut made = scene.containers();
    made.retain(|id| !before.contains(id));
    made
}

/// And somebody starts what it made.
fn started_late(scene: &Scene<'_>, attempt: i32) {
    let engine = &scene.world.engine;
    for id in made_late(scene, attempt) {
        scene.done(engine.start(&id, WORLD));
    }
}

/// And somebody removes it, which takes long.
fn removed_late(scene: &Scene<'_>) {
    for id in made_late(scene, 0) {
        scene.done(
            scene
                .world
                .engine
                .remove_slowly(&id, Duration::from_secs(7)),
        );
    }
}

pub fn all() -> Vec<Scenario> {
    let stops_slowly = Play {
        on_term: (Duration::from_secs(10), 0),
        ..Play::well()
    };
    vec![
        scenario("status lost while running")
            .phase("Running")
            .overwrite(&json!(null))
            // The slow clock: status alone makes no look.
            .attempt("Running", 0)
            .within(700),
        scenario("status lost while running as the third attempt")
            .session(&json!({"restartPolicy": "OnFailure"}))
            .plays(&[Play::ends(2, 1), Play::ends(2, 1), Play::well()])
            .attempt("Running", 2)
            .overwrite(&json!(null))
            .edit(&json!({"backoffLimit": 5}))
            .attempt("Running", 2),
        // Nobody looks before its end, unless another controller begins: that one records the stop anew, and the end is
        // a stop then, where it is the game's own otherwise.
        scenario("status lost while stopping")
            .plays(&[stops_slowly])
            .phase("Running")
            .stop()
            .phase("Stopping")
            .wait(2)
            .overwrite(&json!(null))
            .phase("Stopped")
            .open(),
        scenario("status lost while stopping, and looked at")
            .plays(&[stops_slowly])
            .phase("Running")
            .stop()
            .phase("Stopping")
            .told()
            .wait(1)
            .overwrite(&json!(null))
            .edit(&json!({"ttlSecondsAfterFinished": 60}))
            .phase("Stopped")
            .shows("/status/lastExit/reason", &json!("Requested")),
        scenario("status lost, and then deleted")
            .phase("Running")
            .overwrite(&json!(null))
            .delete()
            .gone()
            .races(),
        scenario("a late create after a restart")
            .session(&json!({"restartPolicy": "OnFailure"}))
            .plays(&[Play::ends(3, 1), Play::well()])
            .attempt("Running", 1)
            .world("the create of the first attempt arrives", |s| {
                made_late(s, 0);
            })
            .edit(&json!({"ttlSecondsAfterFinished": 60}))
            .containers(&["running"]),
        scenario("a late create after a stop")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .wait(1)
            .world("a create arrives", |s| {
                made_late(s, 0);
            })
            .edit(&json!({"ttlSecondsAfterFinished": 60}))
            .containers(&[]),
        scenario("a stray started late after a stop")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .wait(1)
            .world("a create arrives, and somebody starts it", |s| {
                started_late(s, 0);
            })
            .containers(&[])
            .phase("Stopped"),
        scenario("a stray started late while the next attempt waits")
            .session(&json!({"restartPolicy": "OnFailure"}))
            .plays(&[Play::ends(3, 1), Play::well()])
            .says("Starting", "BackOff")
            .wait(1)
            .world("a create arrives, and somebody starts it", |s| {
                started_late(s, 0);
            })
            .attempt("Running", 1)
            // It is killed, or ends by itself where nobody heard of it.
            .races(),
        scenario("a stray started late after the end")
            .plays(&[Play::ends(5, 0), Play::well()])
            .phase("Succeeded")
            .wait(1)
            .world("a create arrives, and somebody starts it", |s| {
                started_late(s, 0);
            })
            .containers(&[])
            .phase("Succeeded")
            .races(),
        scenario("a stray that somebody removes slowly after the end")
            .plays(&[Play::ends(5, 0), Play::well()])
            .phase("Succeeded")
            .wait(1)
            .world("a create arrives, and somebody removes it", removed_late)
            .edit(&json!({"ttlSecondsAfterFinished": 60000}))
            .containers(&[]),
        scenario("a container of a later attempt than the record knows")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .wait(1)
            .world("one of attempt 3 is started", |s| started_late(s, 3))
            .shows("/status/attempt", &json!(3))
            .phase("Stopped")
            .open(),
    ]
}
