//! Shapes recorded from Engine 20.10.24, cut down to what is read.

use serde_json::{Value, json};

use super::*;
use crate::api::{PortPolicy, PortProtocol};
use crate::session::contract::Terms;

const ID: &str = "06be36ba38be15a416cc3e81ffd3667a8f018591bf72eb6bf25dc2edb0e3f156";
const PLACE: Place<'static> = Place {
    advertise: "play.example",
    node_name: Some("host-1"),
};
const NEVER: &str = "0001-01-01T00:00:00Z";

fn port(name: &str, container: Option<u16>, protocol: PortProtocol) -> PortTerms {
    PortTerms {
        name: name.into(),
        container_port: container,
        protocol,
        policy: PortPolicy::Dynamic,
        host_port: None,
    }
}

fn terms(ports: Vec<PortTerms>) -> Terms {
    Terms {
        ports,
        readiness: None,
        start_deadline_seconds: 300,
        max_active_deadline_seconds: None,
        termination_grace_period_seconds: 30,
        game_uid: "g-1".into(),
        game_generation: 4,
        digest: "00".into(),
    }
}

fn state(status: &str, code: i64, error: &str) -> Value {
    json!({"Status": status, "Running": status == "running", "Paused": status == "paused", "Restarting": false,
        "OOMKilled": false, "Dead": false, "Pid": 0, "ExitCode": code, "Error": error,
        "StartedAt": NEVER, "FinishedAt": NEVER})
}

fn container_with(state: Value) -> Value {
    let terms = terms(vec![port("game", Some(7777), PortProtocol::TCPUDP)]);
    json!({"Id": ID, "Created": "2026-11-23T17:31:58.307551024Z", "State": state,
        "Image": "sha256:30fcce39b89d1d02887294eaa6c21d9e50d3360daf0b2ca77992cf2623fe2043",
        "Name": "/friday-0123456789",
        "HostConfig": {"PortBindings": {
            "7777/tcp": [{"HostIp": "127.0.0.1", "HostPort": "7001"}],
            "7777/udp": [{"HostIp": "127.0.0.1", "HostPort": "7001"}]}},
        "Config": {"Image": "dillinger/testgame:1", "Labels": {
            "dillinger.dev/attempt": "3", "dillinger.dev/uid": "u-1", "dillinger.dev/ports": "game=7001",
            "dillinger.dev/contract": serde_json::to_string(&terms).expect("terms")}}})
}

fn parsed(inspect: Value) -> Result<Inspected, String> {
    inspected(&serde_json::from_value(inspect).expect("an inspect"), PLACE)
}

fn seen(status: &str, code: i64, error: &str) -> Inspected {
    parsed(container_with(state(status, code, error))).expect("understood")
}

#[test]
fn a_running_container_is_read_whole() {
    let mut inspect = container_with(state("running", 0, ""));
    inspect["State"]["StartedAt"] = json!("2026-11-23T17:31:58.569556746Z");
    let Ok(Inspected::Running(container)) = parsed(inspect) else {
        panic!("it runs");
    };
    assert_eq!(container.id.0, ID);
    assert_eq!(container.name, "friday-0123456789");
    assert_eq!(container.attempt, 3);
    assert_eq!(
        container.created.to_string(),
        "2026-11-23T17:31:58.307551024Z"
    );
    assert_eq!(
        container.started.map(|t| t.to_string()).as_deref(),
        Some("2026-11-23T17:31:58.569556746Z")
    );
    assert_eq!(container.image, "dillinger/testgame:1");
    assert!(
        container
            .image_id
            .expect("an id")
            .starts_with("sha256:30fc")
    );
    assert_eq!(container.node_name.as_deref(), Some("host-1"));
    let endpoints: Vec<_> = container
        .endpoints
        .iter()
        .map(|e| {
            (
                e.name.as_str(),
                e.protocol.as_str(),
                e.host.as_str(),
                e.port,
            )
        })
        .collect();
    assert_eq!(
        endpoints,
        [
            ("game", "TCP", "play.example", 7001),
            ("game", "UDP", "play.example", 7001)
        ]
    );
}

#[test]
fn a_container_that_was_made_and_never_started_is_fresh() {
    let Inspected::Created(container, made) = seen("created", 0, "") else {
        panic!("it was made");
    };
    assert_eq!(made, Made::Fresh);
    assert_eq!(container.started, None);
}

#[test]
fn a_bad_entrypoint_is_a_failed_start_in_the_engines_words() {
    let error = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start \
        container process: exec: \"/nope\": stat /nope: no such file or directory: unknown";
    let Inspected::Created(_, Made::Failed(words)) = seen("created", 127, error) else {
        panic!("it failed");
    };
    assert_eq!(words, error);
}

#[test]
fn a_failed_start_without_words_still_says_what_is_known() {
    let Inspected::Created(_, Made::Failed(words)) = seen("created", 128, "") else {
        panic!("it failed");
    };
    assert!(words.contains("128"), "{words}");
}

#[test]
fn a_taken_port_is_a_clash_in_the_words_of_every_engine() {
    for error in [
        "driver failed programming external connectivity on endpoint clash (5571f70): Bind for 127.0.0.1:7001 failed: \
         port is already allocated",
        "driver failed programming external connectivity on endpoint x (ef61): Error starting userland proxy: listen \
         tcp4 127.0.0.1:7001: bind: address already in use",
        "failed to set up container networking: driver failed programming external connectivity on endpoint x: failed \
         to bind host port for 0.0.0.0:7001:172.17.0.2:7777/udp: address already in use",
        "Ports are not available: exposing port TCP 0.0.0.0:7001 -> 0.0.0.0:0: listen tcp 0.0.0.0:7001: bind: Only one \
         usage of each socket address is permitted",
    ] {
        let Inspected::Created(_, Made::PortClash(ports, words)) = seen("created", 128, error)
        else {
            panic!("a clash: {error}");
        };
        assert_eq!(ports, [7001], "{error}");
        assert_eq!(words, error);
    }
}

#[test]
fn a_clash_names_no_port_that_is_not_the_containers_own() {
    let error = "Bind for 127.0.0.1:70011 failed: port is already allocated";
    let Inspected::Created(_, Made::PortClash(ports, _)) = seen("created", 128, error) else {
        panic!("a clash");
    };
    assert_eq!(ports, Vec::<u16>::new());
}

#[test]
fn an_exit_is_read_with_code_time_and_oom() {
    let mut inspect = container_with(state("exited", 137, ""));
    inspect["State"]["OOMKilled"] = json!(true);
    inspect["State"]["FinishedAt"] = json!("2026-11-23T17:31:59.644719094Z");
    let Ok(Inspected::Exited(_, exit)) = parsed(inspect) else {
        panic!("it ended");
    };
    assert_eq!(exit.code, Some(137));
    assert!(exit.oom_killed);
    assert_eq!(
        exit.finished.map(|t| t.to_string()).as_deref(),
        Some("2026-11-23T17:31:59.644719094Z")
    );
}

#[test]
fn every_other_state_has_its_word() {
    assert!(matches!(seen("paused", 0, ""), Inspected::Paused(_)));
    assert!(matches!(seen("stopping", 0, ""), Inspected::Running(_)));
    assert_eq!(seen("dead", 0, ""), Inspected::Going);
    assert_eq!(seen("removing", 0, ""), Inspected::Going);
}

#[test]
fn what_is_being_removed_is_going_even_without_labels() {
    let mut inspect = container_with(state("removing", 0, ""));
    inspect["Config"]["Labels"] = json!({});
    assert_eq!(parsed(inspect), Ok(Inspected::Going));
}

#[test]
fn what_this_program_never_makes_is_not_understood() {
    assert!(parsed(container_with(state("restarting", 1, ""))).is_err());
    assert!(parsed(container_with(state("", 1, ""))).is_err());
    for attempt in [json!("x"), Value::Null] {
        let mut inspect = container_with(state("running", 0, ""));
        let labels = &mut inspect["Config"]["Labels"];
        match &attempt {
            Value::Null => {
                labels
                    .as_object_mut()
                    .expect("labels")
                    .remove("dillinger.dev/attempt");
            }
            text => labels["dillinger.dev/attempt"] = text.clone(),
        }
        let why = parsed(inspect).expect_err("no attempt");
        assert!(why.contains("dillinger.dev/attempt"), "{why}");
    }
}

#[test]
fn terms_that_cannot_be_read_leave_the_container_seen() {
    let mut inspect = container_with(state("running", 0, ""));
    inspect["Config"]["Labels"]["dillinger.dev/contract"] = json!("{");
    let Ok(Inspected::Running(container)) = parsed(inspect) else {
        panic!("it runs");
    };
    assert_eq!(container.terms, None);
    assert!(container.endpoints.is_empty());
}

#[test]
fn passthrough_ports_are_told_apart_by_name() {
    let mut inspect = container_with(state("running", 0, ""));
    inspect["HostConfig"]["PortBindings"] = json!({
        "7005/udp": [{"HostIp": "", "HostPort": "7005"}], "7002/udp": [{"HostIp": "", "HostPort": "7002"}]});
    inspect["Config"]["Labels"]["dillinger.dev/ports"] = json!("game=7005,query=7002");
    let inspect = serde_json::from_value(inspect).expect("an inspect");
    let ports = [
        port("game", None, PortProtocol::UDP),
        port("query", None, PortProtocol::UDP),
    ];
    let found: Vec<_> = bindings(&inspect, &ports)
        .into_iter()
        .map(|b| (b.name, b.port, b.address.is_unspecified()))
        .collect();
    assert_eq!(
        found,
        [
            ("game".to_owned(), 7005, true),
            ("query".to_owned(), 7002, true)
        ]
    );
}

#[test]
fn a_list_shows_the_same_container_as_an_inspect() {
    let inspect = container_with(state("running", 0, ""));
    let summary = json!({"Id": ID, "Names": ["/friday-0123456789"], "Image": "dillinger/testgame:1",
        "ImageID": inspect["Image"], "Created": 1_795_455_118, "State": "running", "Status": "Up 2 seconds",
        "Labels": inspect["Config"]["Labels"], "Ports": [
            {"IP": "127.0.0.1", "PrivatePort": 7777, "PublicPort": 7001, "Type": "udp"},
            {"IP": "127.0.0.1", "PrivatePort": 7777, "PublicPort": 7001, "Type": "tcp"},
            {"PrivatePort": 9, "Type": "tcp"}]});
    let from_list =
        listed(&serde_json::from_value(summary).expect("a summary"), PLACE).expect("understood");
    let Ok(Inspected::Running(from_inspect)) = parsed(inspect) else {
        panic!("it runs");
    };
    assert_eq!(
        from_list.created.as_second(),
        from_inspect.created.as_second()
    );
    assert_eq!(
        Container {
            created: from_inspect.created,
            ..from_list
        },
        from_inspect
    );
}
