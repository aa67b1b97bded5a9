//! A manifest held against the definitions, as an API server would: fields that do not exist, values out of bounds. Pure.
//!
//! Rules between several fields, which the definitions write in CEL, are not tried here: `session::contract`, and for the
//! fields that only a cluster reads `session::explained`, hold the same.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value};

use super::schema;

/// Fields that a message lists.
const LISTED: usize = 12;
/// Characters of a value that a message shows.
const SHOWN: usize = 64;

/// All that is wrong with a manifest of this kind, each with its field, its value and the rule.
pub fn faults(kind: &str, manifest: &Value) -> Vec<String> {
    let definitions = schema::values();
    let of_kind = |crd: &&Value| crd["spec"]["names"]["kind"] == kind;
    let Some(crd) = definitions.iter().find(of_kind) else {
        return vec![format!("kind: {kind:?} is none of ours")];
    };
    if !manifest.is_object() {
        return vec![format!("{} is no manifest", shown(manifest))];
    }
    let version = &crd["spec"]["versions"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let expected = format!("{}/{}", text(&crd["spec"]["group"]), text(&version["name"]));
    let mut faults = Vec::new();
    if manifest["apiVersion"] != expected.as_str() {
        let found = shown(&manifest["apiVersion"]);
        faults.push(format!("apiVersion: {found} is not \"{expected}\""));
    }
    if !manifest["metadata"]["name"].is_string() {
        faults.push("metadata.name is missing".to_owned());
    }
    walk(
        &version["schema"]["openAPIV3Schema"],
        manifest,
        "",
        &mut faults,
    );
    faults
}

fn walk(schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    if schema["x-kubernetes-int-or-string"] == Value::Bool(true) {
        return quantity(schema, value, path, faults);
    }
    let kind = schema["type"].as_str().unwrap_or_default();
    match (kind, value) {
        // What has a default takes it.
        (_, Value::Null) if schema.get("default").is_some() => {}
        ("object", Value::Object(members)) => object(schema, members, path, faults),
        ("array", Value::Array(items)) => array(schema, items, path, faults),
        ("string", Value::String(text)) => string(schema, text, path, faults),
        ("integer", Value::Number(number)) => match number.as_i64() {
            Some(number) => integer(schema, number, path, faults),
            None => faults.push(format!("{path}: {number} is not a whole number")),
        },
        ("boolean", Value::Bool(_)) => {}
        ("string", Value::Number(_) | Value::Bool(_)) => faults.push(format!(
            "{path}: {} must be a text: put it into quotes",
            shown(value)
        )),
        ("object" | "array" | "string" | "integer" | "boolean", _) => faults.push(format!(
            "{path}: {} must be {}",
            shown(value),
            in_words(kind)
        )),
        _ => {}
    }
}

fn in_words(kind: &str) -> &'static str {
    match kind {
        "object" => "a group of fields",
        "array" => "a list",
        "integer" => "a whole number",
        "boolean" => "true or false",
        _ => "a text",
    }
}

/// A quantity: a text, or a whole number.
fn quantity(schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    match value {
        Value::String(text) => string(schema, text, path, faults),
        Value::Number(number) if number.is_i64() => {}
        Value::Number(number) => faults.push(format!(
            "{path}: {number} has a point: put it into quotes, \"{number}\""
        )),
        Value::Null if schema.get("default").is_some() => {}
        other => faults.push(format!("{path}: {} is not a quantity", shown(other))),
    }
}

fn object(schema: &Value, members: &Map<String, Value>, path: &str, faults: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    for name in texts(&schema["required"]) {
        if !members.contains_key(name) {
            faults.push(format!("{} is missing", below(path, name)));
        }
    }
    for (name, member) in members {
        match properties.get(name) {
            Some(schema) => walk(schema, member, &below(path, name), faults),
            None => faults.push(format!(
                "{} is no field: {}",
                below(path, &name.escape_debug().take(SHOWN).collect::<String>()),
                near(name, properties)
            )),
        }
    }
}

fn array(schema: &Value, items: &[Value], path: &str, faults: &mut Vec<String>) {
    let count = items.len() as u64;
    if let Some(most) = schema["maxItems"].as_u64()
        && count > most
    {
        faults.push(format!("{path}: {count} items are more than {most}"));
    }
    if let Some(least) = schema["minItems"].as_u64()
        && count < least
    {
        faults.push(format!("{path}: {count} items are fewer than {least}"));
    }
    let keys: Vec<&str> = texts(&schema["x-kubernetes-list-map-keys"]).collect();
    let is_set = schema["x-kubernetes-list-type"] == "set";
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let here = format!("{path}[{index}]");
        walk(&schema["items"], item, &here, faults);
        let identity = match keys.is_empty() {
            false => keys
                .iter()
                .map(|key| item[key].to_string())
                .collect::<Vec<_>>()
                .join(" "),
            true if is_set => item.to_string(),
            true => continue,
        };
        if !seen.insert(identity) {
            faults.push(format!("{here} is there twice"));
        }
    }
}

fn string(schema: &Value, text: &str, path: &str, faults: &mut Vec<String>) {
    let shown = shown(&Value::String(text.to_owned()));
    let count = text.chars().count() as u64;
    if let Some(most) = schema["maxLength"].as_u64()
        && count > most
    {
        faults.push(format!("{path}: {shown} is longer than {most} characters"));
    }
    if let Some(least) = schema["minLength"].as_u64()
        && count < least
    {
        faults.push(format!(
            "{path}: {shown} is shorter than {least} characters"
        ));
    }
    let words: Vec<&str> = texts(&schema["enum"]).collect();
    if !words.is_empty() && !words.contains(&text) {
        faults.push(format!(
            "{path}: {shown} is not one of {}",
            words.join(", ")
        ));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        faults.push(format!("{path}: {shown} does not match {pattern}"));
    }
}

fn integer(schema: &Value, number: i64, path: &str, faults: &mut Vec<String>) {
    let bound = |name: &str| schema[name].as_f64().map(|bound| bound as i64);
    if let Some(most) = bound("maximum")
        && number > most
    {
        faults.push(format!("{path}: {number} is more than {most}"));
    }
    if let Some(least) = bound("minimum")
        && number < least
    {
        faults.push(format!("{path}: {number} is less than {least}"));
    }
}

/// Fields that could be meant: the same letters in other case, or one within the other; else the fields there are.
fn near(name: &str, properties: &Map<String, Value>) -> String {
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    let wanted = plain(name);
    let alike = |field: &&String| {
        let field = plain(field);
        wanted.len() > 2 && (field.contains(&wanted) || wanted.contains(&field))
    };
    let likely: Vec<&str> = properties
        .keys()
        .filter(alike)
        .map(String::as_str)
        .collect();
    if !likely.is_empty() {
        return format!("did you mean {}?", likely.join(" or "));
    }
    let mut fields: Vec<&str> = properties.keys().map(String::as_str).collect();
    fields.sort_unstable();
    if fields.len() > LISTED {
        fields.truncate(LISTED);
        fields.push("…");
    }
    format!("there are {}", fields.join(", "))
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        return name.to_owned();
    }
    format!("{path}.{name}")
}

/// A value as a message shows it: cut, on one line, nothing hidden in it.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        Value::Array(_) => return "a list".to_owned(),
        Value::Object(_) => return "a group of fields".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn game(spec: Value) -> Value {
        json!({"apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": "chess"}, "spec": spec})
    }

    #[test]
    fn a_game_of_every_field_has_no_fault() {
        let spec = json!({
            "title": "Chess", "image": "example/chess:1", "imagePullPolicy": "Always", "args": ["-p", "$(PORT_GAME)"],
            "env": [{"name": "A", "value": "b"}],
            "parameters": [{"name": "MAP", "enum": ["a", "b"], "default": "a"}],
            "ports": [{"name": "game", "containerPort": 4000, "protocol": "TCP"}],
            "readiness": {"tcpSocket": {"port": "game"}},
            "resources": {"limits": {"cpu": "0.5", "memory": "64Mi"}, "max": {"cpu": 2}},
            "scratch": [{"mountPath": "/tmp", "sizeLimit": "16Mi"}],
            "storage": [{"name": "data", "mountPath": "/data"}],
        });
        assert_eq!(faults("Game", &game(spec)), Vec::<String>::new());
    }

    #[test]
    fn every_fault_is_named_with_its_field_its_value_and_the_rule() {
        let spec = json!({
            "imagePullPolicy": "Sometimes",
            "Args": ["x"],
            "colour": "red",
            "ports": [
                {"name": "Game", "containerPort": 70000, "hostport": 1},
                {"name": "a", "containerPort": 1.5}, {"name": "a", "containerPort": "80"},
            ],
            "resources": {"limits": {"cpu": 0.5}},
            "env": [{"name": "A", "value": 5}],
            "storage": "/data",
            "runtimes": [],
        });
        let mut found = faults("Game", &game(spec));
        found.sort();
        let expected = [
            "spec.Args is no field: did you mean args?",
            "spec.colour is no field: there are affinity, args, command, env, exposure, hostUsers, image, \
             imagePullPolicy, imagePullSecrets, initProcess, maxActiveDeadlineSeconds, nodeSelector, …",
            "spec.env[0].value: 5 must be a text: put it into quotes",
            "spec.image is missing",
            "spec.imagePullPolicy: \"Sometimes\" is not one of IfNotPresent, Always, Never",
            "spec.ports[0].containerPort: 70000 is more than 65535",
            "spec.ports[0].hostport is no field: did you mean hostPort?",
            "spec.ports[0].name: \"Game\" does not match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            "spec.ports[1].containerPort: 1.5 is not a whole number",
            "spec.ports[2] is there twice",
            "spec.ports[2].containerPort: \"80\" must be a whole number",
            "spec.resources.limits.cpu: 0.5 has a point: put it into quotes, \"0.5\"",
            "spec.runtimes: 0 items are fewer than 1",
            "spec.storage: \"/data\" must be a list",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_manifest_at_all_is_told_and_not_panicked_over() {
        for broken in [
            json!(null),
            json!([]),
            json!("x"),
            json!({"spec": null}),
            json!({"spec": []}),
        ] {
            assert!(!faults("Game", &broken).is_empty(), "{broken}");
        }
        assert_eq!(faults("Pod", &json!({})), ["kind: \"Pod\" is none of ours"]);
    }
}
