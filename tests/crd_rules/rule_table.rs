//! The CEL rules that look at one object, each with what it accepts and what it refuses.

use serde_json::{Value, json};

use crate::server::Kind;

/// One rule, by the schema that holds it and its message, and objects made from a valid one by putting values
/// at JSON pointers.
pub struct Rule {
    pub kind: Kind,
    /// Path of the schema; "" is the root.
    pub path: &'static str,
    pub message: &'static str,
    pub accepted: Vec<Vec<(&'static str, Value)>>,
    pub refused: Vec<Vec<(&'static str, Value)>>,
}

pub const ABOVE_ZERO: &str = "must be a quantity above zero";

pub fn rules() -> Vec<Rule> {
    let label = |length: usize| Value::from("a".repeat(length));
    let odd_names = || {
        ["A", "-a", "a-", "a.b", "a_b"]
            .map(|name| vec![("/metadata/name", json!(name))])
            .to_vec()
    };
    let ports = |ports: Value, readiness: Value| {
        vec![("/spec/ports", ports), ("/spec/readiness", readiness)]
    };
    let tcp = |protocol: &str| json!([{"name": "p", "containerPort": 1, "protocol": protocol}]);
    let mount = |at: &'static str, paths: &[&str]| -> Vec<Vec<(&'static str, Value)>> {
        paths.iter().map(|path| vec![(at, json!(path))]).collect()
    };
    let one = |at: &'static str, value: Value| vec![(at, value)];
    let mut rules = vec![
        Rule {
            kind: Kind::Game,
            path: "",
            message: "metadata.name must be a DNS label: at most 63 lower-case letters, digits and '-'",
            accepted: vec![
                one("/metadata/name", label(63)),
                one("/metadata/name", json!("0")),
            ],
            refused: vec![
                one("/metadata/name", label(64)),
                one("/metadata/name", json!("a.b")),
            ],
        },
        Rule {
            kind: Kind::Session,
            path: "",
            message: "metadata.name must be a DNS label of at most 52 characters",
            accepted: vec![
                one("/metadata/name", label(52)),
                one("/metadata/name", json!("0-a")),
            ],
            refused: vec![
                one("/metadata/name", label(53)),
                one("/metadata/name", json!("a.b")),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec",
            message: "readiness.tcpSocket.port must name a TCP port of this game",
            accepted: ["TCP", "TCPUDP"]
                .map(|p| ports(tcp(p), json!({"tcpSocket": {"port": "p"}})))
                .to_vec(),
            refused: vec![
                ports(tcp("UDP"), json!({"tcpSocket": {"port": "p"}})),
                ports(tcp("TCP"), json!({"tcpSocket": {"port": "q"}})),
                ports(Value::Null, json!({"tcpSocket": {"port": "p"}})),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec",
            message: "readiness.httpGet.port must name a TCP port of this game",
            accepted: ["TCP", "TCPUDP"]
                .map(|p| ports(tcp(p), json!({"httpGet": {"port": "p"}})))
                .to_vec(),
            refused: vec![
                ports(tcp("UDP"), json!({"httpGet": {"port": "p"}})),
                ports(tcp("TCP"), json!({"httpGet": {"port": "q"}})),
                ports(Value::Null, json!({"httpGet": {"port": "p"}})),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec",
            message: "readiness.exchange.port must name a port of this game",
            accepted: ["TCP", "UDP", "TCPUDP"]
                .map(|p| {
                    ports(
                        tcp(p),
                        json!({"exchange": {"port": "p", "send": "a", "expect": "."}}),
                    )
                })
                .to_vec(),
            refused: vec![
                ports(
                    tcp("UDP"),
                    json!({"exchange": {"port": "q", "send": "a", "expect": "."}}),
                ),
                ports(
                    Value::Null,
                    json!({"exchange": {"port": "p", "send": "a", "expect": "."}}),
                ),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec",
            message: "a mountPath is either scratch or storage",
            accepted: vec![one("/spec/scratch/0/mountPath", json!("/data2"))],
            refused: vec![one("/spec/scratch/0/mountPath", json!("/data"))],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.env[]",
            message: "name is reserved",
            accepted: ["GAME", "PORT", "port_x"]
                .map(|name| one("/spec/env/0/name", json!(name)))
                .to_vec(),
            refused: ["SESSION_ID", "USER_ID", "GAME_ID", "PORT_", "PORT_GAME"]
                .map(|name| one("/spec/env/0/name", json!(name)))
                .to_vec(),
        },
        Rule {
            kind: Kind::Game,
            path: "spec.parameters[]",
            message: "name is reserved",
            accepted: ["GAME_ID", "PORT"]
                .map(|name| one("/spec/parameters/0/name", json!(name)))
                .to_vec(),
            refused: ["SESSION_ID", "USER_ID", "PORT_", "PORT_GAME"]
                .map(|name| one("/spec/parameters/0/name", json!(name)))
                .to_vec(),
        },
        Rule {
            kind: Kind::Game,
            path: "spec.parameters[]",
            message: "pattern and enum exclude each other",
            accepted: vec![one(
                "/spec/parameters/0",
                json!({"name": "A", "pattern": "a"}),
            )],
            refused: vec![one(
                "/spec/parameters/0",
                json!({"name": "A", "pattern": "a", "enum": ["a"]}),
            )],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.parameters[]",
            message: "a required parameter has no default",
            accepted: vec![one(
                "/spec/parameters/0",
                json!({"name": "A", "required": true}),
            )],
            refused: vec![one(
                "/spec/parameters/0",
                json!({"name": "A", "required": true, "default": ""}),
            )],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.parameters[]",
            message: "default must be one of enum",
            accepted: vec![one(
                "/spec/parameters/0",
                json!({"name": "A", "enum": ["a", "b"], "default": "b"}),
            )],
            refused: vec![one(
                "/spec/parameters/0",
                json!({"name": "A", "enum": ["a", "b"], "default": "c"}),
            )],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.ports",
            message: "containerPort must be unique; use TCPUDP for one number on both protocols",
            accepted: vec![one("/spec/ports/0/containerPort", json!(1))],
            refused: vec![
                one("/spec/ports/0/containerPort", json!(8305)),
                one("/spec/ports/0/containerPort", json!(8304)),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.ports",
            message: "hostPort must be unique; use TCPUDP for one number on both protocols",
            accepted: vec![one(
                "/spec/ports/2",
                json!({"name": "b", "containerPort": 2, "portPolicy": "Static", "hostPort": 27016}),
            )],
            refused: vec![one(
                "/spec/ports/2",
                json!({"name": "b", "containerPort": 2, "portPolicy": "Static", "hostPort": 27015}),
            )],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.ports[]",
            message: "containerPort is required, except with portPolicy Passthrough, which chooses it",
            accepted: vec![one(
                "/spec/ports/0",
                json!({"name": "a", "portPolicy": "Passthrough"}),
            )],
            refused: vec![
                one("/spec/ports/0", json!({"name": "a"})),
                one(
                    "/spec/ports/0",
                    json!({"name": "a", "portPolicy": "Static", "hostPort": 1}),
                ),
                one(
                    "/spec/ports/0",
                    json!({"name": "a", "portPolicy": "Passthrough", "containerPort": 1}),
                ),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.ports[]",
            message: "hostPort goes with portPolicy Static, and only with it",
            accepted: vec![one(
                "/spec/ports/0",
                json!({"name": "a", "containerPort": 1, "portPolicy": "Static", "hostPort": 1}),
            )],
            refused: vec![
                one(
                    "/spec/ports/0",
                    json!({"name": "a", "containerPort": 1, "portPolicy": "Static"}),
                ),
                one(
                    "/spec/ports/0",
                    json!({"name": "a", "containerPort": 1, "hostPort": 1}),
                ),
                one(
                    "/spec/ports/0",
                    json!({"name": "a", "portPolicy": "Passthrough", "hostPort": 1}),
                ),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.readiness",
            message: "set exactly one of log, tcpSocket, httpGet, exec, exchange",
            accepted: vec![one("/spec/readiness", json!({"exec": {"command": ["a"]}}))],
            refused: vec![
                one("/spec/readiness", json!({})),
                one(
                    "/spec/readiness",
                    json!({"log": {"pattern": "a"}, "exec": {"command": ["a"]}}),
                ),
                one(
                    "/spec/readiness",
                    json!({"tcpSocket": {"port": "last"}, "httpGet": {"port": "last"}}),
                ),
                one(
                    "/spec/readiness",
                    json!({"tcpSocket": {"port": "last"}, "exchange": {"port": "last", "send": "a", "expect": "a"}}),
                ),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.readiness.exchange",
            message: "set exactly one of send, sendHex",
            accepted: vec![one(
                "/spec/readiness",
                json!({"exchange": {"port": "last", "send": "", "expect": "a"}}),
            )],
            refused: vec![
                one(
                    "/spec/readiness",
                    json!({"exchange": {"port": "last", "expect": "a"}}),
                ),
                one(
                    "/spec/readiness",
                    json!({"exchange": {"port": "last", "send": "a", "sendHex": "00", "expect": "a"}}),
                ),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.resources",
            message: "resources.limits.memory must not exceed resources.max.memory",
            accepted: vec![
                one(
                    "/spec/resources",
                    json!({"limits": {"memory": "1024Mi"}, "max": {"memory": "1Gi"}}),
                ),
                one(
                    "/spec/resources",
                    json!({"limits": {"memory": 4_294_967_296_i64}}),
                ),
            ],
            refused: vec![
                one(
                    "/spec/resources",
                    json!({"limits": {"memory": "1025Mi"}, "max": {"memory": "1Gi"}}),
                ),
                one(
                    "/spec/resources",
                    json!({"limits": {"memory": 4_294_967_297_i64}}),
                ),
                one("/spec/resources", json!({"max": {"memory": "511Mi"}})),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.resources",
            message: "resources.limits.cpu must not exceed resources.max.cpu",
            accepted: vec![one(
                "/spec/resources",
                json!({"limits": {"cpu": "2000m"}, "max": {"cpu": 2}}),
            )],
            refused: vec![
                one(
                    "/spec/resources",
                    json!({"limits": {"cpu": "2001m"}, "max": {"cpu": 2}}),
                ),
                one("/spec/resources", json!({"limits": {"cpu": 5}})),
                one("/spec/resources", json!({"max": {"cpu": "999m"}})),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.scratch[]",
            message: "mountPath must not contain '..', ':' or ','",
            accepted: mount("/spec/scratch/0/mountPath", &["/a.b", "/a/.b", "/a;b"]),
            refused: mount(
                "/spec/scratch/0/mountPath",
                &["/a/../b", "/a..b", "/a:b", "/a,b"],
            ),
        },
        Rule {
            kind: Kind::Game,
            path: "spec.storage[]",
            message: "mountPath must not contain '..', ':' or ','",
            accepted: mount("/spec/storage/0/mountPath", &["/a.b", "/a/.b", "/a;b"]),
            refused: mount(
                "/spec/storage/0/mountPath",
                &["/a/../b", "/a..b", "/a:b", "/a,b"],
            ),
        },
    ];
    rules.extend(crate::cluster_rules::rules());
    rules[0].refused.extend(odd_names());
    rules[1].refused.extend(odd_names());
    rules
}
