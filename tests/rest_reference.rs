//! The description of the REST service: equal to `docs/openapi.json` and `docs/rest-reference.md`, and true to the routes.
//!
//! `DILLINGER_WRITE_GENERATED=1 cargo test --test rest_reference` writes them anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dillinger_runner::gateway::doc;
use serde_json::Value;

/// Compares a generated file with what stands in the repository, or writes it when asked to.
fn holds(name: &str, want: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("DILLINGER_WRITE_GENERATED").is_some_and(|set| set == "1") {
        fs::write(&path, want).unwrap();
        return;
    }
    let have = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        have == want,
        "{name} differs from what the calls say; write it anew with DILLINGER_WRITE_GENERATED=1 cargo test --test rest_reference"
    );
}

#[test]
fn the_description_in_the_docs_is_what_the_calls_say() {
    holds("docs/openapi.json", &doc::json());
}

#[test]
fn the_reference_in_the_docs_is_what_the_calls_say() {
    holds("docs/rest-reference.md", &doc::markdown());
}

/// Every reference in a description.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            if let Some(name) = members.get("$ref").and_then(Value::as_str) {
                found.insert(name);
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn whatever_the_description_refers_to_is_in_it() {
    let description: Value = serde_json::from_str(&doc::json()).unwrap();
    let mut found = BTreeSet::new();
    references(&description, &mut found);
    assert!(found.len() >= 5, "{found:?}");
    for name in found {
        let pointer = name.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{name}");
    }
}

#[test]
fn every_shape_is_described() {
    let description: Value = serde_json::from_str(&doc::json()).unwrap();
    for (name, schema) in description["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}");
    }
}

#[test]
fn no_two_calls_have_one_name() {
    let description: Value = serde_json::from_str(&doc::json()).unwrap();
    let mut names = BTreeSet::new();
    for methods in description["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{name} twice");
        }
    }
    assert!(names.len() >= 17, "{names:?}");
}
