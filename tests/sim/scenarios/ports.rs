//! Ports that somebody else has.

use serde_json::{Value, json};

use super::{Scenario, Scene, scenario};
use crate::engine::Call;

const STATIC: u16 = 7500;

fn one_static_port() -> Value {
    json!({"ports": [{
        "name": "game", "containerPort": 15000, "protocol": "TCP", "portPolicy": "Static", "hostPort": STATIC,
    }]})
}

fn hold(scene: &Scene<'_>, ports: &[u16], held: bool) {
    for port in ports {
        scene.done(scene.world.engine.hold_port(*port, held));
    }
}

const TAKEN: &str = "driver failed programming external connectivity on endpoint game: Bind for 0.0.0.0:7000 failed: \
                     port is already allocated";

pub fn all() -> Vec<Scenario> {
    vec![
        scenario("a stranger listens on the static port")
            .game(&one_static_port())
            .first("a program takes the port", |s| hold(s, &[STATIC], true))
            .says("Starting", "PortsExhausted")
            .world("it ends", |s| hold(s, &[STATIC], false))
            .phase("Running")
            .within(330),
        scenario("strangers listen on all but one port of the range")
            .first("programs take the ports", |s| {
                s.world.engine.set_port_range(7000..=7003);
                hold(s, &[7000, 7001, 7003], true);
            })
            .phase("Running"),
        scenario("strangers listen on all but the last of many ports that is tried")
            .first("programs take the ports", |s| {
                s.world.engine.set_port_range(7000..=7013);
                let others: Vec<u16> = (7000..=7013).filter(|port| *port != 7002).collect();
                hold(s, &others, true);
            })
            .phase("Running"),
        scenario("create says that the port is taken")
            .first("another one was faster", |s| {
                s.world.engine.answer(Call::Create, 500, TAKEN, Some(2));
            })
            .phase("Running"),
        scenario("start says that the port is taken")
            .first("another one was faster", |s| {
                s.world.engine.answer(Call::Start, 500, TAKEN, Some(2));
            })
            .phase("Running"),
        scenario("two sessions want one static port")
            .game(&one_static_port())
            .phase("Running")
            .of("saturday")
            .later()
            .create()
            .says("Starting", "PortsExhausted")
            .of("friday")
            .stop()
            .phase("Stopped")
            .of("saturday")
            .phase("Running"),
        scenario("no free port, then one")
            .first("the range has one port", |s| {
                s.world.engine.set_port_range(7000..=7000);
            })
            .phase("Running")
            .of("saturday")
            .later()
            .create()
            .says("Starting", "PortsExhausted")
            .of("friday")
            .delete()
            .gone()
            .of("saturday")
            .phase("Running"),
        scenario("the static port is another one after a stop")
            .game(&one_static_port())
            .phase("Running")
            .stop()
            .phase("Stopped")
            .edit_game(&json!({"ports": [{
                "name": "game", "containerPort": 15000, "protocol": "TCP", "portPolicy": "Static", "hostPort": 7600,
            }]}))
            .resume()
            .attempt("Running", 1)
            .shows("/status/address", &json!("127.0.0.1:7600")),
    ]
}
