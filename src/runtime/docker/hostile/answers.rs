//! What an engine may answer, through to the decision over it: odd shapes, forged labels, words without end.

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::keys;
use crate::hostile::{any_json, cases, edited, edits, text};
use crate::runtime::docker::parse::{self, Inspected, Place};
use crate::runtime::parse_terms;
use crate::session::contract::Terms;
use crate::session::fixtures;
use crate::session::plan::{Next, plan};
use crate::session::report;
use crate::session::seen::{Answer, Container, Seen};

const PLACE: Place<'static> = Place {
    advertise: "play.example",
    node_name: Some("host-1"),
};

fn terms() -> Value {
    json!({
        "ports": [
            {"name": "game", "containerPort": 7777, "protocol": "TCPUDP", "policy": "Dynamic"},
            {"name": "own", "protocol": "UDP", "policy": "Passthrough"},
        ],
        "readiness": {"periodSeconds": 1, "timeoutSeconds": 1, "exchange": {"port": "game", "send": "x", "expect": "."}},
        "startDeadlineSeconds": 300, "maxActiveDeadlineSeconds": 600, "terminationGracePeriodSeconds": 30,
        "gameUid": "g-1", "gameGeneration": 4, "digest": "00",
    })
}

fn labels() -> Value {
    json!({
        keys::ATTEMPT: "0", keys::UID: "session-uid", keys::NAMESPACE: "games", keys::SESSION: "friday",
        "dillinger.dev/ports": "game=7001,own=7002", keys::CONTRACT: terms().to_string(),
    })
}

fn inspect(status: &str) -> Value {
    json!({
        "Id": "06be36ba38be", "Created": "2029-12-31T17:31:58.307551024Z", "Name": "/friday-0123456789",
        "State": {
            "Status": status, "ExitCode": 0, "OOMKilled": false, "Error": "",
            "StartedAt": "2029-12-31T17:31:59Z", "FinishedAt": "2029-12-31T18:31:59Z",
        },
        "Image": "sha256:30fcce39", "Config": {"Image": "example/chess:1", "Labels": labels()},
        "HostConfig": {"PortBindings": {
            "7777/tcp": [{"HostIp": "127.0.0.1", "HostPort": "7001"}],
            "7777/udp": [{"HostIp": "127.0.0.1", "HostPort": "7001"}],
            "7002/udp": [{"HostIp": "", "HostPort": "7002"}],
        }},
    })
}

fn summary() -> Value {
    json!({
        "Id": "06be36ba38be", "Names": ["/friday-0123456789"], "Image": "example/chess:1", "ImageID": "sha256:30fcce39",
        "Created": 1_893_000_000, "State": "running", "Status": "Up", "Labels": labels(),
        "Ports": [
            {"IP": "127.0.0.1", "PrivatePort": 7777, "PublicPort": 7001, "Type": "tcp"},
            {"IP": "::", "PrivatePort": 7002, "PublicPort": 7002, "Type": "udp"},
        ],
    })
}

/// A container says no more endpoints than its terms have ports, each a number of its own.
fn check_container(container: &Container) -> Result<(), TestCaseError> {
    let ports = container
        .terms
        .as_ref()
        .map_or(0, |terms| terms.ports.len());
    prop_assert!(container.endpoints.len() <= 2 * ports);
    for endpoint in &container.endpoints {
        prop_assert_eq!(&endpoint.host, PLACE.advertise);
        prop_assert!((0..=65_535).contains(&endpoint.port));
        prop_assert!(endpoint.protocol == "TCP" || endpoint.protocol == "UDP");
    }
    Ok(())
}

/// Longest message that the schema of a condition takes.
const LONGEST_MESSAGE: usize = 32_768;

/// The decision over what was seen, for every wish: no panic, a status that the API server takes, a next look.
fn check_decision(seen: &Seen) -> Result<(), TestCaseError> {
    let base = fixtures::recorded().seeing(seen.clone());
    for o in [
        base.clone(),
        base.clone().on_failure(3),
        base.clone().to_be_stopped(),
        base.clone()
            .stopping(crate::session::facts::StopReason::DeadlineExceeded, 5),
        base.clone().ready_since(20),
        base.clone().deleted(),
        base.finished(crate::session::reason::Reason::Error, 20),
    ] {
        let plan = plan(&o);
        let facts = fixtures::facts_after(&o, &plan);
        let status = report::status(&o, &facts, &plan);
        for condition in status.conditions.iter().flatten() {
            let length = condition.message.chars().count();
            prop_assert!(length <= LONGEST_MESSAGE, "{:?}: {length}", plan.row);
            let shown = condition
                .message
                .chars()
                .all(|c| c == '\n' || !c.is_control());
            prop_assert!(shown, "{:?}: {:?}", plan.row, condition.message);
        }
        if let Next::At(then) = plan.next {
            prop_assert!(then > o.now, "{:?}", plan.row);
        }
    }
    Ok(())
}

fn check_inspect(value: &Value) -> Result<(), TestCaseError> {
    let Ok(inspect) = serde_json::from_value::<ContainerInspectResponse>(value.clone()) else {
        return Ok(());
    };
    let Ok(inspected) = parse::inspected(&inspect, PLACE) else {
        return Ok(());
    };
    let seen = match inspected {
        Inspected::Created(container, made) => Seen::Created(container, made),
        Inspected::Running(container) => Seen::Running(container, Answer::NotAsked),
        Inspected::Paused(container) => Seen::Paused(container),
        Inspected::Going => Seen::Going,
        Inspected::Exited(container, exit) => Seen::Exited(container, exit),
    };
    if let Some(container) = seen.container() {
        check_container(container)?;
    }
    check_decision(&seen)
}

fn statuses() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(
        &[
            "created",
            "running",
            "paused",
            "exited",
            "dead",
            "removing",
            "restarting",
            "stopping",
            "",
        ][..],
    )
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn whatever_an_inspect_holds_it_is_understood_or_told_apart(status in statuses(), edits in edits(3)) {
        check_inspect(&edited(inspect(status), "", &edits))?;
    }

    #[test]
    fn whatever_words_an_engine_has_for_a_failed_start_they_can_be_shown(
        words in text(),
        code in crate::hostile::integer(),
        status in proptest::sample::select(&["created", "exited"][..]),
    ) {
        let mut made = inspect(status);
        made["State"]["Error"] = json!(words);
        made["State"]["ExitCode"] = json!(code);
        check_inspect(&made)?;
        made["State"]["Error"] = json!(format!("{words}: port is already allocated :7001"));
        check_inspect(&made)?;
    }

    #[test]
    fn whatever_labels_and_times_a_container_has_the_decision_is_sound(
        attempt in prop_oneof![crate::hostile::integer().prop_map(|n| n.to_string()), text()],
        [created, started, finished] in proptest::array::uniform3(prop_oneof![
            text(),
            "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|[+-][0-9]{2}:[0-9]{2})",
        ]),
        status in statuses(),
    ) {
        let mut made = inspect(status);
        made["Config"]["Labels"][keys::ATTEMPT] = json!(attempt);
        made["Created"] = json!(created);
        made["State"]["StartedAt"] = json!(started);
        made["State"]["FinishedAt"] = json!(finished);
        check_inspect(&made)?;
        made["Created"] = json!("2029-12-31T17:31:58Z");
        check_inspect(&made)?;
    }

    #[test]
    fn whatever_a_label_says_of_the_terms_they_are_read_or_left_and_the_container_is_seen(
        edits in edits(3),
        garbage in proptest::option::weighted(0.2, text()),
    ) {
        let label = garbage.unwrap_or_else(|| edited(terms(), "", &edits).to_string());
        let terms: Option<Terms> = parse_terms(Some(&label));
        if let Some(terms) = &terms {
            let again = serde_json::to_string(terms).expect("terms are plain data");
            let same = parse_terms(Some(&again));
            prop_assert_eq!(same.as_ref(), Some(terms));
        }
        let mut made = inspect("running");
        made["Config"]["Labels"][keys::CONTRACT] = json!(label);
        let read: ContainerInspectResponse = serde_json::from_value(made.clone()).expect("an inspect");
        let seen = parse::inspected(&read, PLACE);
        let is_seen = matches!(&seen, Ok(Inspected::Running(container)) if container.terms == terms);
        prop_assert!(is_seen, "{:?}", seen);
        check_inspect(&made)?;
    }

    #[test]
    fn whatever_a_list_holds_each_container_is_understood_or_left_out(edits in edits(3)) {
        let changed = edited(summary(), "", &edits);
        if let Ok(summary) = serde_json::from_value::<ContainerSummary>(changed)
            && let Some(container) = parse::listed(&summary, PLACE)
        {
            check_container(&container)?;
            check_decision(&Seen::Running(container, Answer::NotAsked))?;
        }
    }

    #[test]
    fn whatever_json_an_engine_sends_it_is_no_container_or_a_sound_one(value in any_json()) {
        check_inspect(&value)?;
        if let Ok(summary) = serde_json::from_value::<ContainerSummary>(value) {
            parse::listed(&summary, PLACE);
        }
    }
}
