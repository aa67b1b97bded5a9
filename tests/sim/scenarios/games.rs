//! Games that come late, are wrong, are changed, or go.

use std::time::Duration;

use serde_json::json;

use super::hands::no_images;
use super::{Scenario, scenario};
use crate::engine::Play;

pub fn all() -> Vec<Scenario> {
    let broken = json!({"readiness": {"log": {"pattern": "("}}});
    let mended = json!({"readiness": {"log": {"pattern": "ready"}}});
    let on_failure = json!({"restartPolicy": "OnFailure"});
    vec![
        scenario("Game created late")
            .without_game()
            .says("Pending", "GameNotFound")
            .wait(30)
            .create_game()
            .phase("Running"),
        scenario("Game invalid, then mended")
            .game(&broken)
            .says("Pending", "GameInvalid")
            .edit_game(&mended)
            .phase("Running"),
        scenario("parameters invalid, then mended")
            .game(&json!({"parameters": [{"name": "MAP", "enum": ["small"]}]}))
            .session(&json!({"parameters": [{"name": "MAP", "value": "large"}]}))
            .says("Pending", "ParametersInvalid")
            .edit_game(&json!({"parameters": [{"name": "MAP", "enum": ["small", "large"]}]}))
            .phase("Running"),
        scenario("parameter unknown, then declared")
            .session(&json!({"parameters": [{"name": "MAP", "value": "large"}]}))
            .says("Pending", "ParametersInvalid")
            .edit_game(&json!({"parameters": [{"name": "MAP"}]}))
            .phase("Running"),
        scenario("resources too large, then allowed")
            .session(&json!({"resources": {"limits": {"memory": "6Gi"}}}))
            .says("Pending", "ResourcesTooLarge")
            .edit_game(&json!({"resources": {"max": {"memory": "8Gi", "cpu": "4"}}}))
            .phase("Running"),
        scenario("runtime not allowed, then allowed")
            .game(&json!({"runtimes": ["Pod"]}))
            .says("Pending", "RuntimeNotAllowed")
            .edit_game(&json!({"runtimes": ["Docker"]}))
            .phase("Running"),
        scenario("deadline too long, then shorter")
            .game(&json!({"maxActiveDeadlineSeconds": 3600}))
            .session(&json!({"activeDeadlineSeconds": 7200}))
            .says("Pending", "DeadlineTooLong")
            .edit(&json!({"activeDeadlineSeconds": 3000}))
            .phase("Running"),
        scenario("Game edited while its image is pulled")
            .first("the engine has no image", no_images)
            .says("Starting", "PullingImage")
            .edit_game(&json!({"env": [{"name": "MODE", "value": "2"}]}))
            .phase("Running"),
        scenario("Game edited while starting")
            .plays(&[Play::ready_after(10)])
            .says("Starting", "WaitingForReady")
            .edit_game(&json!({"env": [{"name": "MODE", "value": "2"}]}))
            .phase("Running"),
        scenario("Game edited while running, then resumed")
            .phase("Running")
            .edit_game(&json!({"env": [{"name": "MODE", "value": "2"}]}))
            .wait(5)
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 1)
            .shows("/status/game/generation", &json!(2)),
        scenario("Game broken while its image is pulled, then mended")
            .first("the engine has no image", no_images)
            .says("Starting", "PullingImage")
            .edit_game(&broken)
            .says("Starting", "GameInvalid")
            .wait(30)
            .edit_game(&mended)
            .phase("Running"),
        scenario("Game broken while running")
            .phase("Running")
            .edit_game(&broken)
            // The slow clock: what was started is not touched, whatever its Game becomes.
            .shows("/status/conditions/0/reason", &json!("GameInvalid"))
            .wait(10)
            .edit_game(&mended)
            .shows("/status/conditions/0/reason", &json!("Accepted"))
            .within(1400),
        scenario("Game broken while stopped, mended after the resume")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .edit_game(&broken)
            .resume()
            .says("Starting", "GameInvalid")
            .edit_game(&mended)
            .attempt("Running", 1),
        scenario("Game deleted while its image is pulled, then made again")
            .first("the engine has no image", no_images)
            .says("Starting", "PullingImage")
            .delete_game()
            .says("Starting", "GameNotFound")
            .wait(30)
            .create_game()
            .phase("Running"),
        scenario("Game deleted while starting")
            .plays(&[Play::ready_after(10)])
            .says("Starting", "WaitingForReady")
            .delete_game()
            .phase("Running"),
        scenario("Game deleted while running, then stopped")
            .phase("Running")
            .delete_game()
            .wait(10)
            .stop()
            .phase("Stopped"),
        scenario("Game deleted while stopping")
            .plays(&[Play {
                on_term: (Duration::from_secs(10), 0),
                ..Play::well()
            }])
            .phase("Running")
            .stop()
            .phase("Stopping")
            .wait(2)
            .delete_game()
            .phase("Stopped"),
        scenario("Game deleted in a back-off, then made again")
            .session(&on_failure)
            .plays(&[Play::ends(3, 1), Play::well()])
            .says("Starting", "BackOff")
            .delete_game()
            .says("Starting", "GameNotFound")
            .wait(30)
            .create_game()
            .attempt("Running", 1),
        scenario("Game deleted while stopped, made again after the resume")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .delete_game()
            .resume()
            .says("Starting", "GameNotFound")
            .create_game()
            .attempt("Running", 1),
        scenario("Game deleted after the end")
            .plays(&[Play::ends(5, 0)])
            .phase("Succeeded")
            .delete_game()
            .wait(5)
            .delete()
            .gone(),
        scenario("Game and session deleted together")
            .phase("Running")
            .delete_game()
            .delete()
            .gone(),
    ]
}
