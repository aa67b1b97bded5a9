//! The CustomResourceDefinitions, from the types: what the derives cannot express is set here, in one place.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use super::{Game, GameSession};

/// Both definitions, Game first.
pub fn crds() -> Vec<CustomResourceDefinition> {
    values()
        .into_iter()
        .map(|value| serde_json::from_value(value).expect("a finished definition is a definition"))
        .collect()
}

/// Both definitions as YAML documents, as `crds/` holds them.
pub fn print_crds() -> String {
    values()
        .iter()
        .map(|value| format!("---\n{}", yaml(value)))
        .collect()
}

/// File name below `crds/` and content of each definition.
pub fn files() -> Vec<(String, String)> {
    values()
        .iter()
        .map(|value| {
            let plural = value["spec"]["names"]["plural"].as_str();
            let plural = plural.expect("a definition has a plural name");
            (format!("{plural}.yaml"), yaml(value))
        })
        .collect()
}

fn yaml(value: &Value) -> String {
    serde_yaml::to_string(value).expect("JSON is YAML")
}

/// The finished definitions. Whole numbers stand without a point.
pub(super) fn values() -> Vec<Value> {
    [Game::crd(), GameSession::crd()]
        .iter()
        .map(|crd| {
            let mut value = serde_json::to_value(crd).expect("a definition is JSON");
            let list = format!(
                "{}List",
                value["spec"]["names"]["kind"].as_str().unwrap_or_default()
            );
            value["spec"]["names"]["listKind"] = list.into();
            for version in value["spec"]["versions"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                finish_version(version);
            }
            value
        })
        .collect()
}

fn finish_version(version: &mut Value) {
    let schema = &mut version["schema"]["openAPIV3Schema"];
    every_schema(schema, &mut finish);
    let root = schema["properties"]
        .as_object_mut()
        .expect("the root has properties");
    root.insert(
        "apiVersion".into(),
        described("string", "Version of the API: dillinger.dev/v1alpha1."),
    );
    root.insert("kind".into(), described("string", "Kind of the resource."));
    // The API server describes metadata itself and takes no other words for it.
    root.insert("metadata".into(), json!({"type": "object"}));
    if let Some(resources) = root["spec"]["properties"].get_mut("resources") {
        for (list, cpu, memory) in [("limits", "1", "512Mi"), ("max", "4", "4Gi")] {
            if resources["properties"][list].get("default").is_some() {
                let fields = &mut resources["properties"][list]["properties"];
                fields["cpu"]["default"] = cpu.into();
                fields["memory"]["default"] = memory.into();
            }
        }
    }
}

fn described(kind: &str, description: &str) -> Value {
    json!({"type": kind, "description": description})
}

/// Visits a schema and every schema below it.
fn every_schema(schema: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        for property in properties.values_mut() {
            every_schema(property, visit);
        }
    }
    if let Some(items) = fields.get_mut("items") {
        every_schema(items, visit);
    }
    visit(fields);
}

fn finish(schema: &mut Map<String, Value>) {
    // Optional is absent, never null.
    schema.remove("nullable");
    if let Some(Value::Array(allowed)) = schema.get_mut("enum") {
        allowed.retain(|value| !value.is_null());
    }
    // A keyword of schemars, not the field of that name.
    schema.remove("title");
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        // kube's rewriter empties these alternatives.
        schema.insert(
            "anyOf".into(),
            json!([{"type": "integer"}, {"type": "string"}]),
        );
    }
    for number in ["minimum", "maximum"] {
        if let Some(whole) = schema.get(number).and_then(Value::as_f64)
            && whole.fract() == 0.0
        {
            // Bounds of ours are far below 2^53.
            schema.insert(number.into(), Value::from(whole as i64));
        }
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = paragraphs(text);
    }
}

/// Doc comments are wrapped in the source; a description is one line a paragraph.
fn paragraphs(text: &str) -> String {
    text.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .collect::<Vec<_>>()
        .join("\n\n")
}
