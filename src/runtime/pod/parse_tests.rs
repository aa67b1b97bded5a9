//! Pods as real clusters write them.

use serde_json::{Value, json};

use super::*;
use crate::session::seen::End;

const ADDRESS: &str = "10.201.0.2";

fn terms() -> String {
    json!({
        "ports": [{"name": "game", "containerPort": 7777, "protocol": "TCPUDP", "policy": "Dynamic"}],
        "startDeadlineSeconds": 300, "terminationGracePeriodSeconds": 30,
        "gameUid": "g-1", "gameGeneration": 1, "digest": "d",
    })
    .to_string()
}

/// A Pod of attempt 2 with this status.
fn pod(status: Value) -> Value {
    json!({
        "metadata": {
            "name": "friday-0123456789", "namespace": "games", "uid": "p-1", "resourceVersion": "41",
            "creationTimestamp": "2026-11-26T10:00:00Z",
            "labels": {"dillinger.dev/uid": "s-1", "dillinger.dev/attempt": "2"},
            "annotations": {"dillinger.dev/contract": terms(), "dillinger.dev/ports": "game=7001"},
        },
        "spec": {
            "nodeName": "node1",
            "containers": [{
                "name": "game", "image": "localhost/testgame:1",
                "ports": [
                    {"containerPort": 7777, "hostPort": 7001, "protocol": "TCP"},
                    {"containerPort": 7777, "hostPort": 7001, "protocol": "UDP"},
                ],
            }],
        },
        "status": status,
    })
}

fn kept(pod: Value) -> PodSeen {
    let pod: PodTold = serde_json::from_value(pod).expect("a Pod");
    PodSeen::of(&pod).expect("one of ours")
}

fn seen(status: Value) -> Seen {
    kept(pod(status)).seen(Node::Ready, Some(ADDRESS))
}

fn of_game(phase: &str, state: Value) -> Value {
    json!({
        "phase": phase,
        "containerStatuses": [{
            "name": "game", "image": "localhost/testgame:1", "imageID": "sha256:1", "ready": false,
            "restartCount": 0, "state": state,
        }],
    })
}

fn ended(end: Value) -> Exit {
    match seen(of_game("Failed", json!({"terminated": end}))) {
        Seen::Exited(_, exit) => exit,
        other => panic!("{other:?}"),
    }
}

fn awaited(status: Value) -> (Reason, String) {
    match seen(status) {
        Seen::Created(_, Made::Awaited(reason, words)) => (reason, words),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_game_that_runs_is_found_at_the_address_of_its_node() {
    let mut status = of_game(
        "Running",
        json!({"running": {"startedAt": "2026-11-26T10:00:01Z"}}),
    );
    status["containerStatuses"][0]["ready"] = json!(true);
    status["containerStatuses"][0]["started"] = json!(true);
    let Seen::Running(c, Answer::Ready) = seen(status) else {
        panic!("it runs and is ready")
    };
    assert_eq!((c.attempt, c.id.0.as_str()), (2, "p-1"));
    assert_eq!(c.node_name.as_deref(), Some("node1"));
    let ends: Vec<_> = c
        .endpoints
        .iter()
        .map(|e| (e.host.as_str(), e.port, e.protocol.as_str()))
        .collect();
    assert_eq!(ends, [(ADDRESS, 7001, "TCP"), (ADDRESS, 7001, "UDP")]);
    assert_eq!(
        c.started.map(|t| t.to_string()).as_deref(),
        Some("2026-11-26T10:00:01Z")
    );
}

#[test]
fn a_pod_that_has_ended_said_no_more_when_its_game_began() {
    let started = |time: &str| {
        let end = json!({"exitCode": 1, "startedAt": time, "finishedAt": "2026-11-26T10:05:00Z"});
        match seen(of_game("Failed", json!({"terminated": end}))) {
            Seen::Exited(c, _) => c.started.map(|t| t.to_string()),
            other => panic!("{other:?}"),
        }
    };
    let began = "2026-11-26T10:00:01Z";
    assert_eq!(started(began).as_deref(), Some(began));
    assert_eq!(started("1970-01-01T00:00:00Z"), None, "it never ran");
}

#[test]
fn a_game_that_its_kubelet_does_not_call_ready_is_not() {
    let status = of_game("Running", json!({"running": {}}));
    assert!(matches!(
        seen(status),
        Seen::Running(_, Answer::NotReady(_))
    ));
}

#[test]
fn a_pod_on_its_way_waits_for_nothing_in_particular() {
    assert_eq!(awaited(json!({"phase": "Pending"})).0, Reason::Creating);
    let creating = of_game(
        "Pending",
        json!({"waiting": {"reason": "ContainerCreating"}}),
    );
    assert_eq!(awaited(creating), (Reason::Creating, String::new()));
}

#[test]
fn a_pod_that_fits_nowhere_says_so_in_the_schedulers_words() {
    let words = "0/1 nodes are available: 1 Insufficient memory.";
    let status = json!({
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}],
    });
    assert_eq!(awaited(status), (Reason::Unschedulable, words.to_owned()));
}

#[test]
fn a_host_port_that_no_node_has_free_is_a_clash_that_names_it() {
    let words =
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    let status = json!({
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}],
    });
    let Seen::Created(_, Made::PortClash(ports, said)) = seen(status) else {
        panic!("a clash")
    };
    assert_eq!((ports, said.as_str()), (vec![7001], words));
}

#[test]
fn an_image_that_cannot_be_pulled_is_said_with_the_kubelets_words() {
    for word in [
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
    ] {
        let state = json!({"waiting": {"reason": word, "message": "no such host"}});
        assert_eq!(
            awaited(of_game("Pending", state)),
            (Reason::ImagePullFailed, format!("{word}: no such host"))
        );
    }
}

#[test]
fn a_container_that_cannot_be_made_is_a_failed_start_that_is_waited_for() {
    let state = json!({"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"a\" not found"}});
    assert_eq!(awaited(of_game("Pending", state)).0, Reason::StartFailed);
}

#[test]
fn an_exit_has_its_code_and_its_time() {
    let exit =
        ended(json!({"exitCode": 7, "reason": "Error", "finishedAt": "2026-11-26T10:05:00Z"}));
    assert_eq!(
        (exit.code, exit.oom_killed, exit.end()),
        (Some(7), false, End::Failed)
    );
    assert!(exit.finished.is_some());
    let clean = ended(json!({"exitCode": 0, "reason": "Completed"}));
    assert_eq!(clean.end(), End::Clean);
}

#[test]
fn memory_that_ran_out_is_the_games_own_failure() {
    let exit = ended(json!({"exitCode": 137, "reason": "OOMKilled"}));
    assert!(exit.oom_killed);
    assert_eq!(exit.end(), End::Failed);
}

#[test]
fn what_the_cluster_did_is_an_interruption_in_its_own_word() {
    for word in [
        "Evicted",
        "Preempting",
        "NodeAffinity",
        "OutOfcpu",
        "OutOfpods",
        "NodePorts",
        "Shutdown",
    ] {
        let status = json!({"phase": "Failed", "reason": word, "message": "Pod was rejected"});
        let Seen::Exited(_, exit) = seen(status) else {
            panic!("{word}")
        };
        assert_eq!(exit.end(), End::Interrupted);
        assert_eq!(
            exit.interrupted.as_deref(),
            Some(&*format!("{word}: Pod was rejected"))
        );
    }
    let mut status = of_game("Failed", json!({"terminated": {"exitCode": 0}}));
    status["conditions"] = json!([{
        "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }]);
    let Seen::Exited(_, exit) = seen(status) else {
        panic!("it ended")
    };
    assert_eq!(exit.end(), End::Interrupted);
}

/// Deleted at 10:04:30, with 30 s of grace.
fn deleted(status: Value) -> Value {
    let mut pod = pod(status);
    pod["metadata"]["deletionTimestamp"] = json!("2026-11-26T10:05:00Z");
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    pod
}

#[test]
fn a_game_that_somebody_deleted_was_interrupted_and_did_not_complete() {
    let end = |at: &str| {
        let state = json!({"terminated": {"exitCode": 0, "finishedAt": at}});
        match kept(deleted(of_game("Succeeded", state))).seen(Node::Ready, Some(ADDRESS)) {
            Seen::Exited(_, exit) => exit.end(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(end("2026-11-26T10:04:31Z"), End::Interrupted);
    assert_eq!(end("2026-11-26T10:04:29Z"), End::Clean);
}

#[test]
fn a_pod_that_is_being_deleted_is_going_until_its_game_has_ended() {
    let running = of_game("Running", json!({"running": {}}));
    assert_eq!(
        kept(deleted(running)).seen(Node::Ready, Some(ADDRESS)),
        Seen::Going
    );
    let pending = json!({"phase": "Pending"});
    assert_eq!(
        kept(deleted(pending)).seen(Node::Ready, Some(ADDRESS)),
        Seen::Going
    );
}

#[test]
fn on_a_node_that_does_not_report_nothing_is_known_but_an_end_that_was_told_before() {
    let lost = Seen::Unknown(Doubt::NodeLost("node1".to_owned()));
    let running = of_game("Running", json!({"running": {}}));
    assert_eq!(kept(pod(running.clone())).seen(Node::Away, None), lost);
    assert_eq!(kept(deleted(running)).seen(Node::Away, None), lost);
    let ended = of_game("Failed", json!({"terminated": {"exitCode": 1}}));
    assert!(matches!(
        kept(pod(ended)).seen(Node::Away, None),
        Seen::Exited(..)
    ));
    assert_eq!(seen(json!({"phase": "Unknown"})), lost);
}

#[test]
fn a_node_without_an_address_leaves_the_game_alone() {
    let running = of_game("Running", json!({"running": {}}));
    let Seen::Running(c, _) = kept(pod(running)).seen(Node::Ready, None) else {
        panic!("it runs")
    };
    assert!(c.endpoints.is_empty());
}

#[test]
fn what_carries_no_session_is_not_ours_and_what_carries_no_attempt_is_a_doubt() {
    let mut stranger = pod(json!({}));
    stranger["metadata"]["labels"] = json!({"app": "other"});
    let stranger: PodTold = serde_json::from_value(stranger).expect("a Pod");
    assert!(PodSeen::of(&stranger).is_none());
    let mut torn = pod(json!({}));
    torn["metadata"]["labels"] = json!({"dillinger.dev/uid": "s-1"});
    assert!(matches!(
        kept(torn).seen(Node::None, None),
        Seen::Unknown(_)
    ));
}
