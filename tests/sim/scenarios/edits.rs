//! The session edited at each stage, there and back again.

use std::time::Duration;

use serde_json::json;

use super::hands::no_images;
use super::{Scenario, scenario};
use crate::engine::Play;

pub fn all() -> Vec<Scenario> {
    let slow_to_end = Play {
        on_term: (Duration::from_secs(10), 0),
        ..Play::well()
    };
    vec![
        scenario("stop and resume before anything")
            .without_game()
            .says("Pending", "GameNotFound")
            .stop()
            .phase("Stopped")
            .resume()
            .says("Pending", "GameNotFound")
            .create_game()
            .phase("Running"),
        scenario("stop and resume in one breath during a pull")
            .first("the engine has no image", no_images)
            .says("Starting", "PullingImage")
            .stop()
            .resume()
            .phase("Running")
            .open(),
        scenario("stop and resume in one breath during create")
            .called("effect:create", 1)
            .stop()
            .resume()
            .phase("Running")
            .open(),
        scenario("stop and resume in one breath while starting")
            .plays(&[Play::ready_after(10)])
            .says("Starting", "WaitingForReady")
            .stop()
            .resume()
            .phase("Running")
            .open(),
        scenario("stop and resume in one breath while running")
            .phase("Running")
            .stop()
            .resume()
            .wait(20)
            .phase("Running")
            .open(),
        scenario("resume while it still stops")
            .plays(&[slow_to_end, Play::well()])
            .phase("Running")
            .stop()
            .phase("Stopping")
            .wait(2)
            .resume()
            .attempt("Running", 1),
        scenario("resume and stop again while it still stops")
            .plays(&[slow_to_end])
            .phase("Running")
            .stop()
            .phase("Stopping")
            .wait(2)
            .resume()
            .wait(2)
            .stop()
            .phase("Stopped"),
        scenario("stop and resume in one breath in a back-off")
            .session(&json!({"restartPolicy": "OnFailure"}))
            .plays(&[Play::ends(3, 1), Play::well()])
            .says("Starting", "BackOff")
            .stop()
            .resume()
            .phase("Running")
            .open(),
        scenario("grace edited while it stops")
            .plays(&[Play::well().stubborn()])
            .session(&json!({"terminationGracePeriodSeconds": 600}))
            .phase("Running")
            .stop()
            .phase("Stopping")
            .wait(2)
            .edit(&json!({"terminationGracePeriodSeconds": 10}))
            .phase("Stopped"),
        scenario("budget edited in a back-off")
            .session(&json!({"restartPolicy": "OnFailure", "backoffLimit": 1}))
            .plays(&[Play::ends(2, 1), Play::ends(2, 1), Play::well()])
            .says("Starting", "BackOff")
            .edit(&json!({"backoffLimit": 3}))
            .attempt("Running", 2),
        scenario("stopped by its user after the end")
            .plays(&[Play::ends(5, 0)])
            .phase("Succeeded")
            .stop()
            .wait(5)
            .phase("Succeeded"),
        scenario("labels and annotations edited while running")
            .phase("Running")
            .edit_metadata(&json!({"labels": {"team": "red"}, "annotations": {"note": "x"}}))
            .wait(5)
            .phase("Running"),
    ]
}
