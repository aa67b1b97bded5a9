//! From the wish to a game that is ready, when nothing is wrong.

use dillinger_runner::api::FINALIZER;
use serde_json::json;

use super::{Scenario, scenario};
use crate::engine::Play;

pub fn all() -> Vec<Scenario> {
    let two_volumes = json!({"storage": [
        {"name": "world", "mountPath": "/data"}, {"name": "mods", "mountPath": "/mods"},
    ]});
    let many_ports = json!({"ports": [
        {"name": "game", "containerPort": 15000, "protocol": "TCPUDP"},
        {"name": "query", "containerPort": 15001, "protocol": "UDP"},
        {"name": "voice", "portPolicy": "Passthrough", "protocol": "UDP"},
    ]});
    vec![
        scenario("cold start").phase("Running"),
        scenario("late readiness")
            .plays(&[Play::ready_after(25)])
            .says("Starting", "WaitingForReady")
            .phase("Running"),
        scenario("game without readiness, ports and storage")
            .bare_game()
            .phase("Running"),
        scenario("storage of two volumes")
            .game(&two_volumes)
            .phase("Running")
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 1),
        scenario("ports of every kind")
            .game(&many_ports)
            .phase("Running"),
        scenario("finalizer put in by the client")
            .metadata(&json!({"finalizers": [FINALIZER]}))
            .phase("Running"),
        scenario("made as stopped, started later")
            .session(&json!({"desiredState": "Stopped"}))
            .phase("Stopped")
            .wait(5)
            .resume()
            .phase("Running"),
    ]
}
