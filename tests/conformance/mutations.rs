//! Values for the fields of both kinds, good and bad, found from their schemas.

use serde_json::{Value, json};

use super::operations::KindName;

/// A change to an object: a JSON pointer, and the value to stand there; None: the field goes.
#[derive(Clone, Debug)]
pub struct Mutation {
    pub at: String,
    pub value: Option<Value>,
}

/// An object with a value in every corner that the schema knows.
pub fn base(kind: KindName) -> Value {
    match kind {
        KindName::Game => json!({
            "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {},
            "spec": {
                "title": "A game", "image": "example:1", "command": ["/game"], "args": ["--port", "$(PORT_GAME)"],
                "env": [{"name": "MODE", "value": "free"}],
                "parameters": [{"name": "MAP", "default": "a", "enum": ["a", "b"]}],
                "ports": [{"name": "game", "containerPort": 15000, "protocol": "TCP"}],
                "readiness": {"tcpSocket": {"port": "game"}},
                "resources": {"limits": {"cpu": 1, "memory": "256Mi"}},
                "scratch": [{"mountPath": "/tmp", "sizeLimit": "64Mi"}],
                "storage": [{"name": "world", "mountPath": "/data"}],
            },
        }),
        KindName::Session => json!({
            "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession", "metadata": {},
            "spec": {
                "gameRef": {"name": "wesnoth"}, "user": "alice",
                "parameters": [{"name": "MAP", "value": "a"}],
                "resources": {"limits": {"cpu": "500m"}},
                "activeDeadlineSeconds": 3600,
            },
        }),
    }
}

/// A status with a value in every corner.
pub fn base_status() -> Value {
    let time = "2026-11-23T12:00:00Z";
    json!({
        "observedGeneration": 1, "phase": "Running", "address": "127.0.0.1:7000", "runtime": "Docker",
        "engine": {"id": "e", "name": "host"}, "attempt": 0, "attemptTime": time, "restarts": 0, "interruptions": 0,
        "startTime": time, "game": {"uid": "g", "generation": 1},
        "container": {"name": "c", "id": "i", "image": "example:1", "startTime": time},
        "stop": {"attempt": 0, "reason": "Requested", "time": time},
        "lastExit": {"attempt": 0, "reason": "Error", "exitCode": 1, "oomKilled": false, "finishTime": time},
        "endpoints": [{"name": "game", "protocol": "TCP", "host": "127.0.0.1", "port": 7000}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": time}],
    })
}

/// Every mutation of one part of a kind: each field, each value worth trying.
pub fn all(schema: &Value, at: &str) -> Vec<Mutation> {
    let mut found: Vec<Mutation> = values(schema)
        .into_iter()
        .map(|value| Mutation {
            at: at.to_owned(),
            value: Some(value),
        })
        .collect();
    found.push(Mutation {
        at: at.to_owned(),
        value: None,
    });
    if let Some(properties) = schema["properties"].as_object() {
        let unknown = format!("{at}/unknown");
        found.push(Mutation {
            at: unknown,
            value: Some(json!("x")),
        });
        for (key, schema) in properties {
            found.extend(all(schema, &format!("{at}/{key}")));
        }
    }
    if schema["items"].is_object() {
        found.extend(all(&schema["items"], &format!("{at}/0")));
    }
    found
}

/// Values for one field: fitting, at and beyond its bounds, and of other types.
fn values(schema: &Value) -> Vec<Value> {
    let mut values = vec![
        Value::Null,
        json!({}),
        json!([]),
        json!("x"),
        json!(1),
        json!(true),
    ];
    let bound = |key: &str| schema[key].as_i64();
    if schema["type"] == "integer" {
        values.extend([
            json!(0),
            json!(-1),
            json!(1.5),
            json!(2.0),
            json!(3_000_000_000_i64),
            json!(i64::MAX),
        ]);
        for key in ["minimum", "maximum"] {
            values.extend(
                bound(key)
                    .into_iter()
                    .flat_map(|b| [json!(b - 1), json!(b), json!(b + 1)]),
            );
        }
    }
    if schema["type"] == "string" || schema["x-kubernetes-int-or-string"] == true {
        let texts = [
            "",
            "a",
            "A",
            "ABC",
            "a-b",
            "a b",
            " a",
            "ä",
            "/a",
            "/a:b",
            "/..",
            "0",
            "1Gi",
            "-1",
            "1e3",
            "nope",
            "0.5",
            "00ff",
            "2026-11-23T12:00:00Z",
            "2026-11-23T12:00:00.123456Z",
            "2026-11-23t12:00:00+01:00",
            "2026-11-23",
            "SESSION_ID",
            "PORT_A",
        ];
        values.extend(texts.map(|text| json!(text)));
        for length in bound("maxLength")
            .into_iter()
            .flat_map(|most| [most, most + 1])
        {
            let length = usize::try_from(length).expect("lengths are small");
            values.push(json!("a".repeat(length)));
            values.push(json!("ä".repeat(length)));
        }
    }
    values.extend(schema["enum"].as_array().cloned().unwrap_or_default());
    if let Some(most) = schema["maxItems"].as_u64() {
        let item = sample(&schema["items"]);
        values.push(json!([item]));
        values.push(json!([item, item]));
        values.push(Value::Array(vec![item; most as usize + 1]));
    }
    values
}

/// Something that fits the schema's types.
fn sample(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let pairs = required.iter().filter_map(Value::as_str);
            pairs
                .map(|key| (key.to_owned(), sample(&schema["properties"][key])))
                .collect()
        }
        Some("array") => json!([]),
        Some("integer") => json!(1),
        Some("boolean") => json!(true),
        Some(_) | None => json!("/a"),
    }
}

/// Does the change, as far as there is a place for it.
pub fn mutate(object: &mut Value, mutation: &Mutation) {
    let (parent, last) = mutation
        .at
        .rsplit_once('/')
        .expect("a pointer begins with a slash");
    match object.pointer_mut(parent) {
        Some(Value::Object(parent)) => match &mutation.value {
            Some(value) => {
                parent.insert(last.to_owned(), value.clone());
            }
            None => {
                parent.remove(last);
            }
        },
        Some(Value::Array(items)) => match (&mutation.value, items.first_mut()) {
            (Some(value), Some(first)) => *first = value.clone(),
            (Some(value), None) => items.push(value.clone()),
            (None, _) => items.clear(),
        },
        Some(_) | None => {}
    }
}
