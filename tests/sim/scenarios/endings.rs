//! Games that end by themselves, or from outside.

use serde_json::json;

use super::hands::{daemon_dies, daemon_returns, daemon_starts, kill_process};
use super::{Scenario, scenario};
use crate::engine::Play;

pub fn all() -> Vec<Scenario> {
    let budget = json!({"restartPolicy": "OnFailure", "backoffLimit": 2});
    let out_of_memory = Play {
        out_of_memory: true,
        ..Play::ends(5, 137)
    };
    let no_program = Play {
        refused: Some("exec: \"game\": executable file not found in $PATH"),
        ..Play::well()
    };
    let by_itself = vec![
        scenario("crashes until the budget is spent")
            .session(&budget)
            .plays(&[Play::ends(5, 1), Play::ends(5, 3), Play::ends(5, 4)])
            .phase("Failed"),
        scenario("one crash, then well")
            .session(&budget)
            .plays(&[Play::ends(5, 1), Play::well()])
            .attempt("Running", 1),
        scenario("crash without a budget")
            .plays(&[Play::ends(5, 1)])
            .says("Failed", "Error"),
        scenario("ends well")
            .plays(&[Play::ends(5, 0)])
            .says("Succeeded", "Completed"),
        scenario("ends well without readiness")
            .bare_game()
            .plays(&[Play::ends(5, 0)])
            .says("Succeeded", "Completed"),
        scenario("ends with 0 before it is ready")
            .plays(&[Play {
                ready_after: None,
                ..Play::ends(5, 0)
            }])
            .says("Failed", "ExitedBeforeReady"),
        scenario("crashes before it is ready, then well")
            .session(&budget)
            .plays(&[
                Play {
                    ready_after: None,
                    ..Play::ends(2, 1)
                },
                Play::well(),
            ])
            .attempt("Running", 1),
        scenario("out of memory")
            .plays(&[out_of_memory])
            .says("Failed", "OOMKilled"),
        scenario("out of memory, then well")
            .session(&budget)
            .plays(&[out_of_memory, Play::well()])
            .attempt("Running", 1),
        scenario("no such program")
            .plays(&[no_program])
            .says("Failed", "StartFailed"),
        scenario("no such program, then one")
            .session(&budget)
            .plays(&[no_program, Play::well()])
            .attempt("Running", 1),
    ];
    let from_outside = vec![
        scenario("interrupted")
            .plays(&[Play::ends(5, 143), Play::well()])
            .attempt("Running", 1),
        // It lives longer than a controller is away: one whose whole life nobody saw is on no record, the last one too.
        scenario("interrupted five times in a row")
            .plays(&[Play::ends(5, 137)])
            .says("Failed", "Error")
            .within(90),
        scenario("interrupted after ten quiet minutes each time")
            .plays(&[Play::ends(700, 137), Play::ends(700, 137), Play::well()])
            .attempt("Running", 2)
            .shows("/status/interruptions", &json!(1))
            .within(1500),
        scenario("killed from outside")
            .phase("Running")
            .world("somebody kills it", kill_process)
            .attempt("Running", 1),
        scenario("engine restarted in order")
            .phase("Running")
            .world("the daemon ends", |s| s.world.engine.shut_down())
            .wait(4)
            .world("it starts", daemon_starts)
            .attempt("Running", 1),
        scenario("engine restarted, games live on")
            .phase("Running")
            .world("the daemon dies", daemon_dies)
            .wait(4)
            .world("it starts", daemon_returns)
            .wait(10)
            .attempt("Running", 0),
        scenario("engine restarted while the game was not ready")
            .plays(&[Play::ready_after(12), Play::well()])
            .says("Starting", "WaitingForReady")
            .world("the daemon dies", daemon_dies)
            .wait(4)
            .world("it starts", daemon_returns)
            .attempt("Running", 0),
        scenario("host rebooted")
            .phase("Running")
            .world("the power goes", |s| s.world.engine.lose_power())
            .crash()
            .wait(30)
            .world("the daemon starts", daemon_starts)
            .attempt("Running", 1),
        scenario("host rebooted while the game was starting")
            .plays(&[Play::ready_after(30), Play::well()])
            .says("Starting", "WaitingForReady")
            .world("the power goes", |s| s.world.engine.lose_power())
            .crash()
            .wait(30)
            .world("the daemon starts", daemon_starts)
            .attempt("Running", 1),
        scenario("host rebooted while stopped")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .world("the power goes", |s| s.world.engine.lose_power())
            .crash()
            .wait(10)
            .world("the daemon starts", daemon_starts)
            .phase("Stopped")
            .resume()
            .attempt("Running", 1),
    ];
    [by_itself, from_outside].concat()
}
