//! Deletions at each stage, and what comes after them under the same name.

use std::time::Duration;

use dillinger_runner::api::FINALIZER;
use serde_json::json;

use super::hands::{daemon_dies, daemon_returns, each, freeze, no_images, thaw};
use super::{Scenario, scenario};
use crate::engine::{Call, Play};

pub fn all() -> Vec<Scenario> {
    let stages = vec![
        scenario("delete before anything")
            .without_game()
            .says("Pending", "GameNotFound")
            .delete()
            .gone(),
        scenario("delete while no engine ever answered")
            .metadata(&json!({"finalizers": [FINALIZER]}))
            .first("there is no daemon", daemon_dies)
            .wait(5)
            .delete()
            .gone()
            .world("it starts", daemon_returns),
        scenario("delete during a pull")
            .first("the engine has no image", no_images)
            .says("Starting", "PullingImage")
            .delete()
            .gone(),
        scenario("delete during create")
            .called("effect:create", 1)
            .delete()
            .gone()
            .races(),
        scenario("delete of what was made and cannot be started")
            .first("the daemon starts nothing", |s| {
                s.world
                    .engine
                    .answer(Call::Start, 500, "out of file descriptors", None);
            })
            .containers(&["created"])
            .wait(3)
            .delete()
            .gone(),
        scenario("delete while starting")
            .phase("Starting")
            .delete()
            .gone()
            .races(),
        scenario("delete while not ready")
            .plays(&[Play::never_ready()])
            .says("Starting", "WaitingForReady")
            .delete()
            .gone(),
        scenario("delete while running")
            .phase("Running")
            .delete()
            .gone(),
        scenario("delete while running without storage")
            .bare_game()
            .phase("Running")
            .delete()
            .gone(),
        scenario("delete while paused")
            .phase("Running")
            .world("somebody pauses it", |s| {
                each(s, |engine, id| engine.pause(id));
            })
            .says("Running", "PausedOutside")
            .delete()
            .gone(),
        scenario("delete while stopping")
            .plays(&[Play {
                on_term: (Duration::from_secs(12), 0),
                ..Play::well()
            }])
            .phase("Running")
            .stop()
            .phase("Stopping")
            .wait(2)
            .delete()
            .gone(),
        scenario("delete while stopped")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .delete()
            .gone(),
        scenario("delete when finished")
            .plays(&[Play::ends(5, 0)])
            .phase("Succeeded")
            .delete()
            .gone(),
        scenario("delete in a back-off")
            .session(&json!({"restartPolicy": "OnFailure"}))
            .plays(&[Play::ends(3, 1), Play::well()])
            .says("Starting", "BackOff")
            .delete()
            .gone(),
    ];
    let troubles = vec![
        scenario("delete while the engine is away")
            .phase("Running")
            .world("the daemon hangs", freeze)
            .wait(2)
            .delete()
            .phase("Unknown")
            .world("it goes on", thaw)
            .gone(),
        scenario("delete of a game that ignores the signal")
            .session(&json!({"terminationGracePeriodSeconds": 5}))
            .plays(&[Play::well().stubborn()])
            .phase("Running")
            .delete()
            .gone(),
        scenario("delete of a game that ignores the signal, and the daemon forgets to kill it")
            .session(&json!({"terminationGracePeriodSeconds": 5}))
            .plays(&[Play::well().stubborn()])
            .phase("Running")
            .delete()
            .called("effect:stop", 1)
            .wait(1)
            .world("the daemon dies", daemon_dies)
            .wait(1)
            .world("it returns", daemon_returns)
            .gone(),
        scenario("delete while somebody removes it by hand")
            .phase("Running")
            .world("a removal that takes long", |s| {
                each(s, |engine, id| {
                    engine.remove_slowly(id, Duration::from_secs(7))
                });
            })
            .delete()
            .gone(),
        scenario("delete while another finalizer holds it")
            .metadata(&json!({"finalizers": ["example.com/hold"]}))
            .phase("Running")
            .delete()
            .shows("/metadata/finalizers", &json!(["example.com/hold"]))
            .edit(&json!({"ttlSecondsAfterFinished": 60}))
            .wait(20)
            .edit_metadata(&json!({"finalizers": null}))
            .gone(),
        scenario("delete while a volume cannot be removed")
            .phase("Running")
            .world("its volume is busy", |s| {
                s.world
                    .engine
                    .answer(Call::RemoveVolume, 409, "volume is in use", Some(3));
            })
            .delete()
            .gone(),
    ];
    let again = vec![
        scenario("deleted and made again")
            .phase("Running")
            .delete()
            .gone()
            .create()
            .phase("Running"),
        scenario("deleted and made again without storage")
            .bare_game()
            .phase("Running")
            .delete()
            .gone()
            .create()
            .phase("Running"),
        scenario("made again while the old one still stops")
            .plays(&[Play {
                on_term: (Duration::from_secs(15), 0),
                ..Play::well()
            }])
            .phase("Running")
            .delete()
            .phase("Stopping")
            .wait(1)
            .edit_metadata(&json!({"finalizers": null}))
            .gone()
            .create()
            .phase("Running")
            .wait(660)
            .within(750)
            .races(),
        scenario("finalizer stripped by force from a running session")
            .phase("Running")
            .edit_metadata(&json!({"finalizers": null}))
            .shows("/metadata/finalizers", &json!([FINALIZER])),
        scenario("finalizer stripped by force, then deleted")
            .phase("Running")
            .delete()
            .edit_metadata(&json!({"finalizers": null}))
            .gone()
            .wait(660)
            .within(700)
            .open(),
    ];
    [stages, troubles, again].concat()
}
