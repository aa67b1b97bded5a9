//! Every CEL rule that looks at one object: what it accepts and what it refuses, with its own words.

use std::collections::BTreeSet;

use dillinger_runner::api::Quantity;
use serde_json::{Value, json};

use crate::objects;
use crate::rule_table::{ABOVE_ZERO, Rule, rules};
use crate::schema::{fields, places};
use crate::server::{Kind, Server, assert_accepted, assert_refused};

fn base(kind: Kind) -> Value {
    match kind {
        Kind::Game => objects::game(),
        Kind::Session => objects::session("friday"),
    }
}

/// Puts values at pointers; null takes the field away.
fn changed(kind: Kind, changes: &[(&str, Value)]) -> Value {
    let mut object = base(kind);
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match object.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
            Value::Object(fields) if value.is_null() => {
                fields.remove(name);
            }
            Value::Object(fields) => {
                fields.insert(name.to_owned(), value.clone());
            }
            other => panic!("{parent} is {other}"),
        }
    }
    object
}

/// Rules of the schema as (plural, path, message), transition rules apart.
fn in_the_schema(transition: bool) -> BTreeSet<(String, String, String)> {
    let mut found = BTreeSet::new();
    for kind in [Kind::Game, Kind::Session] {
        for field in fields(kind) {
            for rule in field.schema["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
            {
                if rule["rule"].as_str().unwrap().contains("oldSelf") == transition {
                    found.insert((
                        kind.plural().to_owned(),
                        field.path.clone(),
                        rule["message"]
                            .as_str()
                            .expect("every rule has a message")
                            .to_owned(),
                    ));
                }
            }
        }
    }
    found
}

/// Rules that compare with the old object, for the table of transitions.
pub fn transition_rules() -> BTreeSet<(String, String, String)> {
    in_the_schema(true)
}

#[tokio::test]
async fn every_rule_accepts_and_refuses_what_it_says() {
    let server = Server::with_namespace("rules-cel").await;
    let mut tried = BTreeSet::new();
    for Rule {
        kind,
        path,
        message,
        accepted,
        refused,
    } in rules()
    {
        assert!(
            !accepted.is_empty() && !refused.is_empty(),
            "{path}: {message}"
        );
        for changes in accepted {
            let what = format!("{} {path}: {message}: {changes:?}", kind.plural());
            let answer = server.try_create(kind, &changed(kind, &changes)).await;
            assert_accepted(&what, &answer);
        }
        for changes in refused {
            let what = format!("{} {path}: {message}: {changes:?}", kind.plural());
            let answer = server.try_create(kind, &changed(kind, &changes)).await;
            assert_refused(&what, &answer, None, message);
            assert_at(&what, &answer, path, message);
        }
        tried.insert((
            kind.plural().to_owned(),
            path.to_owned(),
            message.to_owned(),
        ));
    }
    let quantities = in_the_schema(false)
        .into_iter()
        .filter(|(_, _, message)| message == ABOVE_ZERO);
    tried.extend(quantities);
    assert_eq!(
        tried,
        in_the_schema(false),
        "rules without a trial, or trials without a rule"
    );
    server.end().await;
}

/// The refusal stands at the schema's own place.
#[track_caller]
fn assert_at(
    what: &str,
    answer: &Result<Value, Vec<crate::server::Cause>>,
    path: &str,
    message: &str,
) {
    let causes = answer.as_ref().unwrap_err();
    let plain = |field: &str| -> String {
        let mut plain = String::new();
        let mut inside = false;
        for c in field.chars() {
            match c {
                '[' => inside = true,
                ']' => inside = false,
                _ if inside => {}
                c => plain.push(c),
            }
        }
        plain
    };
    assert!(
        causes.iter().any(|cause| {
            cause.message.contains(message)
                && (path.is_empty() || plain(&cause.field) == path.replace("[]", ""))
        }),
        "{what}: not at {path}: {causes:#?}"
    );
}

#[tokio::test]
async fn every_quantity_is_above_zero_as_an_integer_or_as_a_text() {
    let server = Server::with_namespace("rules-quantity").await;
    let mut tried = 0;
    for kind in [Kind::Game, Kind::Session] {
        for field in fields(kind) {
            if field.schema["x-kubernetes-int-or-string"] != true {
                continue;
            }
            let base = base(kind);
            let (pointer, shown) = places(&base, &field.path).swap_remove(0);
            let given = Quantity(base.pointer(&pointer).unwrap().as_str().unwrap().to_owned());
            for (value, refused) in [
                (json!(given.0), false),
                (json!(given.bytes().unwrap()), false),
                (json!(0), true),
                (json!(-1), true),
                (json!("0"), true),
                (json!("0Gi"), true),
                (json!("-1Mi"), true),
                (json!("many"), true),
                (json!(""), true),
            ] {
                let what = format!("{} {}: {value}", kind.plural(), field.path);
                let mut object = base.clone();
                *object.pointer_mut(&pointer).unwrap() = value;
                let answer = server.try_create(kind, &object).await;
                if refused {
                    assert_refused(&what, &answer, Some(&shown), ABOVE_ZERO);
                } else {
                    assert_accepted(&what, &answer);
                }
            }
            tried += 1;
        }
    }
    let rules = in_the_schema(false)
        .into_iter()
        .filter(|(_, _, message)| message == ABOVE_ZERO)
        .count();
    assert_eq!(tried, rules);
    server.end().await;
}
