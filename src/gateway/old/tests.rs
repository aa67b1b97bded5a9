//! What clients of the old runner are shown of a resource.

use serde_json::json;

use super::*;

fn session(status: Value) -> GameSession {
    let session = json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession",
        "metadata": {
            "name": "0b6c", "uid": "u", "creationTimestamp": "2026-11-26T20:00:00Z",
            "annotations": {"dillinger.dev/rest-request":
                r#"{"gameId":"friday","gameConfig":{"type":"chess","x":1},"warnings":["gameConfig.x is ignored"]}"#},
        },
        "spec": {"gameRef": {"name": "chess"}, "user": "ann"},
        "status": status,
    });
    serde_json::from_value(session).unwrap()
}

fn shown(status: Value) -> Value {
    serde_json::to_value(Session::of(&session(status))).unwrap()
}

#[test]
fn every_phase_has_its_old_word() {
    let word = |phase: &str| Status::of(&session(json!({"phase": phase}))).as_str();
    let words = [
        ("Pending", "starting"),
        ("Starting", "starting"),
        ("Running", "running"),
        ("Stopping", "stopping"),
        ("Stopped", "stopped"),
        ("Succeeded", "stopped"),
        ("TimedOut", "stopped"),
        ("Failed", "error"),
        ("Unknown", "starting"),
        ("Hibernating", "starting"),
    ];
    for (phase, old) in words {
        assert_eq!(word(phase), old, "{phase}");
    }
    let ready = json!({"phase": "Unknown", "container": {"readyTime": "2026-11-26T20:00:01Z"}});
    assert_eq!(Status::of(&session(ready)), Status::Running);
}

#[test]
fn a_session_that_is_being_deleted_is_stopping_whatever_its_phase() {
    let mut session = session(json!({"phase": "Running"}));
    session.metadata.deletion_timestamp = session.metadata.creation_timestamp.clone();
    assert_eq!(Status::of(&session), Status::Stopping);
}

#[test]
fn a_session_that_nobody_has_looked_at_yet_is_starting() {
    let mut fresh = session(json!({}));
    fresh.status = None;
    let shown = serde_json::to_value(Session::of(&fresh)).unwrap();
    assert_eq!(
        shown,
        json!({
            "id": "0b6c", "gameId": "friday", "userId": "ann", "gameConfig": {"type": "chess", "x": 1},
            "status": "starting", "created": "2026-11-26T20:00:00.000Z",
            "game": "chess", "phase": "Pending", "ready": false, "desiredState": "Running", "restarts": 0,
            "warnings": ["gameConfig.x is ignored"],
        })
    );
}

#[test]
fn a_running_session_has_its_address_and_the_container_as_the_old_runner_showed_it() {
    let shown = shown(json!({
        "phase": "Running", "address": "127.0.0.1:7007", "attempt": 0, "attemptTime": "2026-11-26T20:00:00Z",
        "startTime": "2026-11-26T20:00:02Z",
        "container": {"id": "c0ffee", "name": "0b6c-0123456789", "image": "example/chess:1",
            "startTime": "2026-11-26T20:00:01.5Z", "readyTime": "2026-11-26T20:00:02Z"},
        "endpoints": [{"name": "game", "protocol": "TCP", "host": "127.0.0.1", "port": 7007}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "",
            "lastTransitionTime": "2026-11-26T20:00:02Z"}],
    }));
    assert_eq!(shown["status"], "running");
    assert_eq!(shown["started"], "2026-11-26T20:00:02.000Z");
    assert_eq!(shown["address"], "127.0.0.1:7007");
    assert_eq!(shown["ready"], true);
    assert_eq!(shown.get("stopped"), None);
    assert_eq!(
        shown["container"],
        json!({
            "id": "c0ffee", "name": "0b6c-0123456789", "image": "example/chess:1",
            "state": "running", "status": "Up", "created": 1_795_723_201_500_i64,
            "ports": [{"name": "game", "host": "127.0.0.1", "publicPort": 7007, "type": "tcp"}],
            "labels": {
                "dillinger.type": "game-session", "dillinger.game-id": "friday", "dillinger.session-id": "0b6c",
                "dillinger.user-id": "ann", "dillinger.created": "2026-11-26T20:00:01.500Z",
            },
        })
    );
}

#[test]
fn a_failed_session_says_when_and_why() {
    let shown = shown(json!({
        "phase": "Failed", "finishTime": "2026-11-26T20:05:00Z",
        "conditions": [{"type": "Ready", "status": "False", "reason": "OOMKilled",
            "message": "the game needed more than its 64Mi of memory", "lastTransitionTime": "2026-11-26T20:05:00Z"}],
    }));
    assert_eq!(shown["status"], "error");
    assert_eq!(
        shown["error"],
        "the game needed more than its 64Mi of memory"
    );
    assert_eq!(shown["reason"], "OOMKilled");
    assert_eq!(shown["stopped"], "2026-11-26T20:05:00.000Z");
}
