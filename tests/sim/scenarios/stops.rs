//! Stops that a user asks for, and what follows from them.

use serde_json::json;

use super::hands::{daemon_dies, daemon_returns, freeze, kill_process, mend, no_images, thaw};
use super::{Scenario, scenario};
use crate::engine::{Call, Play};

pub fn all() -> Vec<Scenario> {
    let short_grace = json!({"terminationGracePeriodSeconds": 5});
    vec![
        scenario("stop and resume with storage")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 1),
        scenario("stop and resume without storage")
            .bare_game()
            .phase("Running")
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 1),
        scenario("ignores the signal")
            .session(&short_grace)
            .plays(&[Play::well().stubborn()])
            .phase("Running")
            .stop()
            .phase("Stopped"),
        scenario("ignores the signal, and the daemon forgets to kill it")
            .session(&short_grace)
            .plays(&[Play::well().stubborn()])
            .phase("Running")
            .stop()
            .called("effect:stop", 1)
            .wait(1)
            .world("the daemon dies", daemon_dies)
            .wait(1)
            .world("it returns", daemon_returns)
            .phase("Stopped"),
        scenario("stop during a pull")
            .first("the engine has no image", no_images)
            .says("Starting", "PullingImage")
            .stop()
            .phase("Stopped")
            .wait(25)
            .resume()
            .attempt("Running", 1),
        // Whether it had been started when the wish came, and so ended, depends on who was first.
        scenario("stop during create")
            .called("effect:create", 1)
            .stop()
            .phase("Stopped")
            .open(),
        scenario("stop of what was made and cannot be started")
            .first("the daemon starts nothing", |s| {
                s.world
                    .engine
                    .answer(Call::Start, 500, "out of file descriptors", None);
            })
            .containers(&["created"])
            .wait(3)
            .stop()
            .phase("Stopped")
            .world("somebody mends it", mend)
            .resume()
            .attempt("Running", 1),
        scenario("stop while starting")
            .plays(&[Play::ready_after(30)])
            .says("Starting", "WaitingForReady")
            .stop()
            .phase("Stopped"),
        scenario("stop just before it is ready")
            .containers(&["running"])
            .stop()
            .phase("Stopped")
            .races(),
        scenario("stop right after ready")
            .phase("Running")
            .stop()
            .phase("Stopped"),
        scenario("stop in a back-off")
            .session(&json!({"restartPolicy": "OnFailure"}))
            .plays(&[Play::ends(3, 1), Play::well()])
            .says("Starting", "BackOff")
            .stop()
            .phase("Stopped")
            .resume()
            .phase("Running"),
        scenario("ended unseen, and the wish is to stop by then")
            .phase("Running")
            .world("the daemon hangs", freeze)
            .stop()
            .wait(1)
            .world("the kernel kills the game", kill_process)
            .wait(1)
            .world("the daemon goes on", thaw)
            .phase("Stopped"),
        scenario("stop of a game that failed as it was told")
            .plays(&[Play {
                on_term: (std::time::Duration::from_secs(2), 17),
                ..Play::well()
            }])
            .phase("Running")
            .stop()
            .phase("Stopped")
            .shows("/status/lastExit/exitCode", &json!(17)),
        scenario("stop and resume five times")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 1)
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 2)
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 3)
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 4)
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 5),
    ]
}
