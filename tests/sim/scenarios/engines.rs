//! Engines and API servers that are away, hang, or are others than before.

use serde_json::json;

use super::hands::{daemon_dies, daemon_returns, freeze, thaw};
use super::{Scenario, Scene, scenario};
use crate::apiserver::Mode;
use crate::engine::Play;

fn replaced(scene: &Scene<'_>) {
    scene.world.engine.replace(&["example:1"]);
}

pub fn all() -> Vec<Scenario> {
    let engines = vec![
        scenario("engine away at first")
            .first("there is no daemon", daemon_dies)
            .wait(20)
            .world("it starts", daemon_returns)
            .phase("Running"),
        scenario("engine away for a minute")
            .phase("Running")
            .world("the daemon dies", daemon_dies)
            .phase("Unknown")
            .wait(40)
            .world("it returns", daemon_returns)
            .phase("Running")
            .within(120),
        scenario("engine away for a second")
            .phase("Running")
            .world("the daemon dies", daemon_dies)
            .wait(1)
            .world("it returns", daemon_returns)
            .wait(5)
            .phase("Running"),
        scenario("engine hangs for a minute")
            .phase("Running")
            .world("the daemon hangs", freeze)
            .phase("Unknown")
            .wait(20)
            .world("it goes on", thaw)
            .phase("Running")
            .within(120),
        scenario("engine hangs as the container is started")
            .called("effect:create", 1)
            .world("the daemon hangs", freeze)
            .wait(50)
            .world("it goes on", thaw)
            .phase("Running")
            .within(120)
            .races(),
        scenario("engine hangs while the game stops")
            .session(&json!({"terminationGracePeriodSeconds": 5}))
            .plays(&[Play::well().stubborn()])
            .phase("Running")
            .stop()
            .called("effect:stop", 1)
            .wait(1)
            .world("the daemon hangs", freeze)
            .wait(30)
            .world("it goes on", thaw)
            .phase("Stopped")
            .within(120),
        scenario("engine replaced by an empty one, and given up")
            .phase("Running")
            .world("the daemon's folder is lost", replaced)
            .says("Unknown", "EngineMismatch")
            .wait(5)
            .abandon()
            .attempt("Running", 1),
        scenario("engine replaced while stopped, given up, and resumed")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .wait(1)
            .world("the daemon's folder is lost", replaced)
            .abandon()
            .wait(2)
            .resume()
            .attempt("Running", 1),
        scenario("engine replaced, and the session deleted and given up")
            .phase("Running")
            .world("the daemon's folder is lost", replaced)
            .says("Unknown", "EngineMismatch")
            .delete()
            .wait(5)
            .abandon()
            .gone(),
        scenario("engine replaced after the end")
            .plays(&[Play::ends(5, 0)])
            .phase("Succeeded")
            .wait(1)
            .world("the daemon's folder is lost", replaced)
            .wait(5)
            .abandon()
            .shows("/metadata/finalizers", &json!(null))
            .open(),
        scenario("the volume that names the engine is pruned")
            .phase("Running")
            .world("docker volume prune", |s| s.world.engine.lose_marker())
            .wait(5)
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 1),
    ];
    let servers = vec![
        scenario("API server away as the game becomes ready")
            .plays(&[Play::ready_after(6)])
            .says("Starting", "WaitingForReady")
            .server(Mode::Down)
            .wait(20)
            .server(Mode::Up)
            .phase("Running"),
        scenario("API server away while the game crashes")
            .session(&json!({"restartPolicy": "OnFailure"}))
            .plays(&[Play::ends(8, 1), Play::well()])
            .phase("Running")
            .server(Mode::Down)
            .wait(30)
            .server(Mode::Up)
            .attempt("Running", 1)
            .within(120),
        scenario("API server hangs while the game runs")
            .phase("Running")
            .server(Mode::Frozen)
            .wait(60)
            .server(Mode::Up)
            .stop()
            .phase("Stopped")
            .within(150),
        scenario("API server away for ten minutes")
            .phase("Running")
            .server(Mode::Down)
            .wait(600)
            .server(Mode::Up)
            .stop()
            .phase("Stopped")
            .within(700),
        scenario("API server and engine away together")
            .phase("Running")
            .world("the daemon dies", daemon_dies)
            .server(Mode::Down)
            .wait(30)
            .world("it returns", daemon_returns)
            .wait(5)
            .server(Mode::Up)
            .stop()
            .phase("Stopped")
            .within(120),
        scenario("controller killed while the game runs")
            .phase("Running")
            .crash()
            .wait(10)
            .attempt("Running", 0),
        scenario("controller killed, and the game ends meanwhile")
            .plays(&[Play::ends(5, 0)])
            .phase("Running")
            .wait(4)
            .crash()
            .phase("Succeeded")
            .races(),
    ];
    [engines, servers].concat()
}
