//! Everything that ends because time is up.

use serde_json::json;

use super::hands::{no_images, remove_by_hand};
use super::{Scenario, scenario};
use crate::engine::Play;

pub fn all() -> Vec<Scenario> {
    let minute = json!({"activeDeadlineSeconds": 60});
    vec![
        scenario("never ready")
            .session(&json!({"startDeadlineSeconds": 30}))
            .plays(&[Play::never_ready()])
            .phase("Failed"),
        scenario("never ready, and removed by hand while it is stopped")
            .session(&json!({"startDeadlineSeconds": 30}))
            .plays(&[Play::never_ready().stubborn()])
            .phase("Stopping")
            .told()
            .wait(2)
            .world("somebody removes it", remove_by_hand)
            .says("Failed", "StartDeadlineExceeded"),
        scenario("start deadline moved out while it is not ready")
            .session(&json!({"startDeadlineSeconds": 20}))
            .plays(&[Play::ready_after(40)])
            .says("Starting", "WaitingForReady")
            .edit(&json!({"startDeadlineSeconds": 60}))
            .phase("Running"),
        scenario("provision deadline without an image")
            .game(&json!({"imagePullPolicy": "Never"}))
            .first("the engine has no image", no_images)
            .says("Failed", "ImagePullFailed")
            .within(3920),
        // Its game outlives whatever hangs: who deletes the Game once it runs does so in its first attempt.
        scenario("provision deadline after the Game went")
            .plays(&[Play::ends(150, 1)])
            .session(&json!({"restartPolicy": "OnFailure"}))
            .phase("Running")
            .delete_game()
            .says("Failed", "GameNotFound")
            .within(4100),
        scenario("active deadline")
            .session(&minute)
            .phase("TimedOut"),
        scenario("active deadline in a back-off")
            .session(&json!({
                "activeDeadlineSeconds": 8, "restartPolicy": "OnFailure",
            }))
            .plays(&[Play::ends(5, 1)])
            .phase("TimedOut"),
        scenario("active deadline edited up")
            .session(&minute)
            .phase("Running")
            .edit(&json!({"activeDeadlineSeconds": 100}))
            .phase("TimedOut")
            .within(130),
        scenario("active deadline edited down, below what has run")
            .session(&json!({"activeDeadlineSeconds": 600}))
            .phase("Running")
            .wait(20)
            .edit(&json!({"activeDeadlineSeconds": 10}))
            .phase("TimedOut"),
        scenario("active deadline edited above the maximum")
            .game(&json!({"maxActiveDeadlineSeconds": 90}))
            .session(&minute)
            .phase("Running")
            .edit(&json!({"activeDeadlineSeconds": 500}))
            .shows("/status/conditions/5/reason", &json!("DeadlineTooLong"))
            .phase("TimedOut")
            .within(120),
        scenario("active deadline taken away")
            .session(&minute)
            .phase("Running")
            .edit(&json!({"activeDeadlineSeconds": null}))
            .wait(70)
            .phase("Running")
            .within(90),
        scenario("active deadline counts over a restart")
            .session(&json!({
                // Longer than what was missed takes until it is found.
                "activeDeadlineSeconds": 900, "restartPolicy": "OnFailure",
            }))
            .plays(&[Play::ends(5, 1), Play::well()])
            .attempt("Running", 1)
            .phase("TimedOut")
            .within(920),
        scenario("active deadline of a game that takes its whole grace")
            .session(&json!({
                "activeDeadlineSeconds": 20, "terminationGracePeriodSeconds": 8,
            }))
            .plays(&[Play::well().stubborn()])
            .phase("TimedOut"),
        scenario("natural end, then its time to live")
            .session(&json!({"ttlSecondsAfterFinished": 60}))
            .plays(&[Play::ends(5, 0)])
            .gone(),
        scenario("time to live given after the end")
            .plays(&[Play::ends(5, 0)])
            .phase("Succeeded")
            .wait(20)
            .edit(&json!({"ttlSecondsAfterFinished": 30}))
            .gone(),
        scenario("time to live of nothing")
            .bare_game()
            .session(&json!({"ttlSecondsAfterFinished": 0}))
            .plays(&[Play::ends(5, 1)])
            .gone(),
    ]
}
