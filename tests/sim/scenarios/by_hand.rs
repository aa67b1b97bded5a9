//! What people do to containers and volumes beside the controller.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::hands::{each, remove_by_hand};
use super::{Scenario, Scene, scenario};
use crate::engine::Play;

const WORLD: &str = "world";

fn pause(scene: &Scene<'_>) {
    each(scene, |engine, id| engine.pause(id));
}

fn unpause(scene: &Scene<'_>) {
    each(scene, |engine, id| engine.unpause(id));
}

fn removes_slowly(scene: &Scene<'_>) {
    each(scene, |engine, id| {
        engine.remove_slowly(id, Duration::from_secs(7))
    });
}

fn takes_the_name(scene: &Scene<'_>) {
    let name = scene.container_name();
    let made = scene
        .world
        .engine
        .create_container(&name, "example:1", BTreeMap::new(), None);
    scene.done(made);
}

fn gives_the_name_back(scene: &Scene<'_>) {
    let engine = &scene.world.engine;
    for id in engine.ids_of("") {
        scene.done(engine.remove(&id, true, WORLD));
    }
}

fn volume(scene: &Scene<'_>) -> String {
    format!("{}-world", scene.container_name())
}

pub fn all() -> Vec<Scenario> {
    let on_failure = json!({"restartPolicy": "OnFailure"});
    let stopped = json!({"desiredState": "Stopped"});
    vec![
        scenario("paused by hand, and unpaused")
            .phase("Running")
            .world("somebody pauses it", pause)
            .says("Running", "PausedOutside")
            .wait(20)
            .world("somebody unpauses it", unpause)
            .says("Running", "Ready"),
        scenario("paused by hand before it is ready")
            .session(&json!({"startDeadlineSeconds": 30}))
            .plays(&[Play::ready_after(20)])
            .says("Starting", "WaitingForReady")
            .world("somebody pauses it", pause)
            .says("Running", "PausedOutside")
            .wait(60)
            .world("somebody unpauses it", unpause)
            .says("Running", "Ready"),
        scenario("paused by hand, and never ready")
            .session(&json!({"startDeadlineSeconds": 30}))
            .plays(&[Play::never_ready()])
            .says("Starting", "WaitingForReady")
            .world("somebody pauses it", pause)
            .says("Running", "PausedOutside")
            .wait(60)
            .world("somebody unpauses it", unpause)
            .says("Failed", "StartDeadlineExceeded"),
        scenario("stopped by its user while paused by hand")
            .phase("Running")
            .world("somebody pauses it", pause)
            .says("Running", "PausedOutside")
            .stop()
            .phase("Stopped"),
        scenario("container removed by hand")
            .session(&on_failure)
            .phase("Running")
            .world("somebody removes it", remove_by_hand)
            .attempt("Running", 1),
        scenario("container removed by hand, without a budget")
            .phase("Running")
            .world("somebody removes it", remove_by_hand)
            .phase("Failed"),
        scenario("container removed by hand before it is ready")
            .session(&on_failure)
            .plays(&[Play::ready_after(10), Play::well()])
            .says("Starting", "WaitingForReady")
            .world("somebody removes it", remove_by_hand)
            .phase("Running"),
        scenario("container removed by hand, which takes long")
            .session(&on_failure)
            .phase("Running")
            .world("somebody removes it", removes_slowly)
            .attempt("Running", 1),
        scenario("container removed by hand while it stops, which takes long")
            .plays(&[Play::well().stubborn()])
            .phase("Running")
            .stop()
            .phase("Stopping")
            .told()
            .world("somebody removes it", removes_slowly)
            .phase("Stopped"),
        scenario("container renamed by hand")
            .phase("Running")
            .world("somebody renames it", |s| {
                each(s, |engine, id| engine.rename(id, "mine"));
            })
            .wait(10)
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 1),
        scenario("container stopped by hand")
            .phase("Running")
            .world("docker stop", |s| {
                each(s, |engine, id| {
                    engine.stop(id, Duration::from_secs(10), WORLD)
                });
            })
            .says("Succeeded", "Completed"),
        scenario("container killed and started by hand while the controller is dead")
            .phase("Running")
            .crash()
            .wait(0)
            .world("docker kill, docker start", |s| {
                each(s, |engine, id| {
                    engine.kill(id, WORLD)?;
                    engine.start(id, WORLD)
                });
            })
            .wait(20)
            .attempt("Running", 0)
            .open(),
        scenario("a stranger's container has our name")
            .session(&stopped)
            .phase("Stopped")
            .world("somebody takes the name", takes_the_name)
            .resume()
            .says("Starting", "NameConflict")
            .world("somebody removes it", gives_the_name_back)
            .phase("Running")
            .within(330),
        scenario("a stranger's container has our name, and the session goes")
            .session(&stopped)
            .phase("Stopped")
            .world("somebody takes the name", takes_the_name)
            .resume()
            .says("Starting", "NameConflict")
            .delete()
            .gone(),
        scenario("a stranger's volume has our name")
            .session(&stopped)
            .phase("Stopped")
            .world("somebody takes the name", |s| {
                s.world.engine.create_strangers_volume(&volume(s));
            })
            .resume()
            .called("effect:create_storage", 3)
            .world("somebody removes it", |s| {
                s.done(s.world.engine.remove_volume(&volume(s), WORLD));
            })
            .phase("Running"),
        scenario("volume pruned while stopped")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .wait(1)
            .world("docker volume prune", |s| {
                s.done(s.world.engine.remove_volume(&volume(s), WORLD));
            })
            .resume()
            .attempt("Running", 1),
    ]
}
