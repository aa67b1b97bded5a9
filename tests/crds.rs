//! The definitions that the types print: equal to `crds/`, of the agreed shape, described throughout.
//!
//! `DILLINGER_WRITE_GENERATED=1 cargo test --test crds` writes `crds/` and `docs/api.md` anew.

use std::fs;
use std::path::{Path, PathBuf};

use dillinger_runner::api;
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a generated file with what stands in the repository, or writes it when asked to.
fn holds(path: &Path, want: &str) {
    if std::env::var_os("DILLINGER_WRITE_GENERATED").is_some_and(|set| set == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, want).unwrap();
        return;
    }
    let have = fs::read_to_string(path).unwrap_or_default();
    assert!(
        have == want,
        "{} differs from what the types print; write it anew with DILLINGER_WRITE_GENERATED=1 cargo test --test crds",
        path.display()
    );
}

#[test]
fn the_crds_folder_holds_what_the_types_print() {
    for (name, content) in api::files() {
        holds(&root().join("crds").join(name), &content);
    }
    let mut names: Vec<String> = fs::read_dir(root().join("crds"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["games.yaml", "gamesessions.yaml"]);
}

#[test]
fn the_reference_is_what_the_definitions_say() {
    holds(&root().join("docs/api.md"), &api::reference::markdown());
}

#[test]
fn printed_definitions_are_read_back_as_the_same_definitions() {
    let printed = api::print_crds();
    let read: Vec<Value> = printed
        .split("---\n")
        .filter(|document| !document.is_empty())
        .map(|document| serde_yaml::from_str(document).unwrap())
        .collect();
    let want: Vec<Value> = api::crds()
        .iter()
        .map(|crd| serde_json::to_value(crd).unwrap())
        .map(numbers_as_floats)
        .collect();
    assert_eq!(
        read.into_iter().map(numbers_as_floats).collect::<Vec<_>>(),
        want
    );
}

/// Bounds are floats in the typed definition and whole numbers in print.
fn numbers_as_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(items) => items.into_iter().map(numbers_as_floats).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, numbers_as_floats(value)))
            .collect(),
        other => other,
    }
}

/// Without descriptions, and without what is equal by definition: names of empty lists that are left out,
/// the order of lists that are sets.
fn shape(value: &Value, inside_properties: bool) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, value)| {
                inside_properties || !(*name == "description" && value.is_string())
            })
            .map(|(name, value)| {
                let below = name == "properties" && !inside_properties;
                let mut value = shape(value, below);
                if matches!(name.as_str(), "required" | "x-kubernetes-list-map-keys")
                    && let Value::Array(names) = &mut value
                {
                    names.sort_by_key(ToString::to_string);
                }
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| shape(item, false)).collect(),
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        other => other.clone(),
    }
}

fn difference(path: &str, have: &Value, want: &Value, found: &mut Vec<String>) {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => {
            for (name, value) in have {
                match want.get(name) {
                    None => found.push(format!("{path}.{name}: only ours: {value}")),
                    Some(other) => difference(&format!("{path}.{name}"), value, other, found),
                }
            }
            for (name, value) in want {
                if !have.contains_key(name) {
                    found.push(format!("{path}.{name}: missing: {value}"));
                }
            }
        }
        (Value::Array(have), Value::Array(want)) if have.len() == want.len() => {
            for (index, (have, want)) in have.iter().zip(want).enumerate() {
                difference(&format!("{path}[{index}]"), have, want, found);
            }
        }
        (have, want) if have != want => found.push(format!("{path}: {have}, not {want}")),
        _ => {}
    }
}

#[test]
fn the_definitions_have_the_agreed_shape() {
    let mut found = Vec::new();
    for (name, content) in api::files() {
        let have: Value = serde_yaml::from_str(&content).unwrap();
        let text = fs::read_to_string(root().join(format!("tests/data/shape-{name}"))).unwrap();
        let want: Value = serde_yaml::from_str(&text).unwrap();
        difference(
            &name,
            &shape(&have, false),
            &shape(&want, false),
            &mut found,
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Calls back for every schema below `schema`, with the path of its field.
fn every_schema<'v>(path: &str, schema: &'v Value, visit: &mut impl FnMut(&str, &'v Value)) {
    visit(path, schema);
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            every_schema(&format!("{path}.{name}"), property, visit);
        }
    }
    if schema["items"].is_object() {
        every_schema(&format!("{path}[]"), &schema["items"], visit);
    }
}

fn schemas() -> Vec<(String, Value)> {
    api::files()
        .into_iter()
        .map(|(name, content)| {
            let crd: Value = serde_yaml::from_str(&content).unwrap();
            let schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
            (name, schema)
        })
        .collect()
}

#[test]
fn every_field_is_described_for_its_reader() {
    let mut found = Vec::new();
    for (name, schema) in schemas() {
        every_schema(&name, &schema, &mut |path, schema| {
            let text = schema["description"].as_str().unwrap_or_default();
            let scalar_item = path.ends_with("[]") && !schema["properties"].is_object();
            // The API server describes metadata itself and takes no other words for it.
            let metadata = path.ends_with(".yaml.metadata");
            if text.len() < 15 && !scalar_item && !metadata {
                found.push(format!("{path}: no description: {text:?}"));
            }
            if !text.is_empty() && !text.ends_with(['.', '"']) {
                found.push(format!("{path}: ends without a full stop: {text:?}"));
            }
        });
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_wish_that_can_be_left_out_says_its_default() {
    let mut found = Vec::new();
    for (name, schema) in schemas() {
        let spec = &schema["properties"]["spec"];
        every_schema(&name, spec, &mut |path, schema| {
            let required: Vec<&str> = schema["required"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            for (field, property) in schema["properties"].as_object().into_iter().flatten() {
                let text = property["description"].as_str().unwrap_or_default();
                let default = match &property["default"] {
                    Value::Null | Value::Object(_) => None,
                    Value::String(text) => Some(text.clone()),
                    Value::Array(items) => Some(
                        items
                            .iter()
                            .filter_map(Value::as_str)
                            .collect::<Vec<_>>()
                            .join(", "),
                    ),
                    other => Some(other.to_string()),
                };
                let one_of_several =
                    path.contains("readiness") || path.ends_with("limits") || path.ends_with("max");
                match default {
                    _ if one_of_several && default_is_said_above(field) => {}
                    Some(default) if !text.contains(&format!("Default: {default}")) => {
                        found.push(format!(
                            "{path}.{field}: does not say its default {default}"
                        ));
                    }
                    None if !required.contains(&field.as_str())
                        && !text.contains("Default: ")
                        && !text.contains("Required with")
                        && !text.contains("Required, except") =>
                    {
                        found.push(format!(
                            "{path}.{field}: does not say what stands without it"
                        ));
                    }
                    _ => {}
                }
            }
        });
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Alternatives of one field, whose parent says the default or that exactly one is set.
fn default_is_said_above(field: &str) -> bool {
    [
        "cpu",
        "memory",
        "log",
        "tcpSocket",
        "httpGet",
        "exec",
        "exchange",
        "send",
        "sendHex",
    ]
    .contains(&field)
}

#[test]
fn nothing_is_printed_that_kubernetes_does_not_know() {
    for (name, schema) in schemas() {
        every_schema(&name, &schema, &mut |path, schema| {
            assert!(schema.get("nullable").is_none(), "{path}");
            assert!(schema.get("oneOf").is_none(), "{path}");
            if let Some(format) = schema["format"].as_str() {
                assert!(
                    ["int32", "int64", "date-time"].contains(&format),
                    "{path}: {format}"
                );
            }
        });
    }
}
