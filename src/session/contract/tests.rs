//! Sessions and Games as an API server hands them over, resolved.

use serde_json::{Value, json};

use super::*;

const DOCKER: &[RuntimeKind] = &[RuntimeKind::Docker];

fn session(change: Value) -> GameSession {
    let mut raw = json!({
        "apiVersion": "dillinger.dev/v1alpha1",
        "kind": "GameSession",
        "metadata": {"name": "friday", "namespace": "arcade", "uid": "u-1", "generation": 1},
        "spec": {"gameRef": {"name": "wesnoth"}, "user": "alice"},
    });
    merge(&mut raw["spec"], change);
    serde_json::from_value(raw).unwrap()
}

fn game(change: Value) -> Game {
    let mut raw = json!({
        "apiVersion": "dillinger.dev/v1alpha1",
        "kind": "Game",
        "metadata": {"name": "wesnoth", "namespace": "arcade", "uid": "g-1", "generation": 7},
        "spec": {
            "image": "example/wesnothd:1",
            "ports": [{"name": "game", "containerPort": 15000, "protocol": "TCP"}],
        },
    });
    merge(&mut raw["spec"], change);
    serde_json::from_value(raw).unwrap()
}

/// Sets the top-level fields of `change`; null removes one.
fn merge(into: &mut Value, change: Value) {
    let Value::Object(change) = change else {
        panic!("a change is an object")
    };
    let fields = into.as_object_mut().unwrap();
    for (name, value) in change {
        if value.is_null() {
            fields.remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
}

fn resolved(session_change: Value, game_change: Value) -> Result<Contract, Refusal> {
    resolve(
        &session(session_change),
        Some(&game(game_change)),
        None,
        DOCKER,
    )
}

#[test]
fn a_bare_session_of_a_bare_game_gets_the_defaults() {
    let contract = resolved(json!({}), json!({})).unwrap();
    assert_eq!(contract.runtime, RuntimeKind::Docker);
    assert_eq!(contract.cpu_millis, 1000);
    assert_eq!(contract.memory_bytes, 512 << 20);
    assert_eq!(contract.terms.start_deadline_seconds, 300);
    assert_eq!(contract.terms.termination_grace_period_seconds, 30);
    assert_eq!(contract.terms.game_uid, "g-1");
    assert_eq!(contract.terms.game_generation, 7);
    assert_eq!(contract.terms.ports[0].container_port, Some(15000));
    assert_eq!(
        (
            contract.game_id.as_str(),
            contract.session_id.as_str(),
            contract.user_id.as_str()
        ),
        ("wesnoth", "friday", "alice")
    );
}
