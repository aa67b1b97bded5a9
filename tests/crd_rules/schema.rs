//! Walks a definition's schema, and finds in an object the place that a schema speaks of.

use dillinger_runner::api;
use serde_json::Value;

use crate::server::Kind;

/// One schema below the root: its path ("spec.ports[].name") and what it says.
pub struct Field {
    pub path: String,
    pub schema: Value,
}

/// Every schema of a kind, root first.
pub fn fields(kind: Kind) -> Vec<Field> {
    let crd = api::crds()
        .into_iter()
        .map(|crd| serde_json::to_value(crd).unwrap())
        .find(|crd| crd["spec"]["names"]["plural"] == kind.plural())
        .unwrap();
    let mut found = Vec::new();
    walk(
        String::new(),
        &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
        &mut found,
    );
    found
}

fn walk(path: String, schema: &Value, found: &mut Vec<Field>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        walk(below, property, found);
    }
    if schema["items"].is_object() {
        walk(format!("{path}[]"), &schema["items"], found);
    }
    found.push(Field {
        path,
        schema: schema.clone(),
    });
}

/// Places in an object that a path of a schema names, as JSON pointers and as the API server writes them.
pub fn places(object: &Value, path: &str) -> Vec<(String, String)> {
    let mut places = vec![(String::new(), String::new())];
    for step in path
        .replace("[]", ".[]")
        .split('.')
        .filter(|step| !step.is_empty())
    {
        places = places
            .into_iter()
            .flat_map(|(pointer, shown)| below(object, &pointer, &shown, step))
            .collect();
    }
    places
}

fn below(object: &Value, pointer: &str, shown: &str, step: &str) -> Vec<(String, String)> {
    let here = object.pointer(pointer).unwrap();
    if step == "[]" {
        return (0..here.as_array().map_or(0, Vec::len))
            .map(|index| (format!("{pointer}/{index}"), format!("{shown}[{index}]")))
            .collect();
    }
    if here.get(step).is_none() {
        return Vec::new();
    }
    let shown = if shown.is_empty() {
        step.to_owned()
    } else {
        format!("{shown}.{step}")
    };
    vec![(format!("{pointer}/{step}"), shown)]
}
