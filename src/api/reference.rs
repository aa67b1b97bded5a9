//! The reference of the API as Markdown, made from the definitions: one source for `kubectl explain` and
//! `docs/api.md`.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema;

/// Every field of both kinds: name, type, bounds, default, meaning, rules.
pub fn markdown() -> String {
    let mut page = String::from(
        "# API reference\n\nMade from the definitions in `crds/`; `kubectl explain gamesession.spec --recursive` shows the same.\n",
    );
    for crd in schema::values() {
        kind(&mut page, &crd);
    }
    page
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a String never fails");
}

fn kind(page: &mut String, crd: &Value) {
    let names = &crd["spec"]["names"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = &crd["spec"]["versions"][0];
    let root = &version["schema"]["openAPIV3Schema"];
    line(page, &format!("\n## {}\n", text(&names["kind"])));
    line(page, &text(&root["description"]));
    line(
        page,
        &format!(
            "\n`apiVersion: {}/{}`, plural `{}`{}.",
            text(&crd["spec"]["group"]),
            text(&version["name"]),
            text(&names["plural"]),
            match names["shortNames"][0].as_str() {
                Some(short) => format!(", short `{short}`"),
                None => String::new(),
            }
        ),
    );
    rules(page, root);
    for part in ["spec", "status"] {
        let schema = &root["properties"][part];
        if schema.is_object() {
            line(page, &format!("\n### {} {part}\n", text(&names["kind"])));
            line(page, &text(&schema["description"]));
            rules(page, schema);
            line(page, "");
            fields(page, part, schema);
        }
    }
}

/// Rules that the API server checks, by the message that it gives.
fn rules(page: &mut String, schema: &Value) {
    let messages: Vec<&str> = schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|rule| rule["message"].as_str())
        .collect();
    if messages.is_empty() {
        return;
    }
    line(page, "\nRefused with these words:\n");
    for message in messages {
        line(page, &format!("- {message}"));
    }
}

fn fields(page: &mut String, path: &str, schema: &Value) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let here = format!("{path}.{name}");
        let mut facts = facts(field);
        if required.contains(&name.as_str()) {
            facts.push("required".to_owned());
        }
        line(page, &format!("- **`{here}`** ({})  ", facts.join(", ")));
        let description = field["description"].as_str().unwrap_or_default();
        line(
            page,
            &format!(
                "  {}",
                description.replace("\n\n", "  \n  ").replace('<', "&lt;")
            ),
        );
        let item = &field["items"];
        for rule in [field, item]
            .into_iter()
            .filter_map(|schema| schema["x-kubernetes-validations"].as_array())
            .flatten()
        {
            if let Some(message) = rule["message"].as_str() {
                line(page, &format!("  - Rule: {message}"));
            }
        }
        if field["properties"].is_object() {
            fields(page, &here, field);
        } else if item["properties"].is_object() {
            fields(page, &format!("{here}[]"), item);
        }
    }
}

/// Type, bounds and default of one field, in words.
fn facts(field: &Value) -> Vec<String> {
    let mut facts = vec![type_of(field)];
    let item = &field["items"];
    let mut bound = |schema: &Value, word: &str, least: &str, most: &str| match (
        schema[least].as_i64(),
        schema[most].as_i64(),
    ) {
        (Some(least), Some(most)) => facts.push(format!("{least} to {most}{word}")),
        (None, Some(most)) => facts.push(format!("at most {most}{word}")),
        (Some(least), None) => facts.push(format!("at least {least}{word}")),
        (None, None) => {}
    };
    bound(field, "", "minimum", "maximum");
    bound(field, " characters", "minLength", "maxLength");
    bound(field, " items", "minItems", "maxItems");
    bound(field, " fields", "minProperties", "maxProperties");
    bound(item, " characters each", "minLength", "maxLength");
    for schema in [field, item] {
        if let Some(words) = schema["enum"].as_array() {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            facts.push(format!("one of {}", words.join(", ")));
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            facts.push(format!("matches `{pattern}`"));
        }
    }
    if let Some(keys) = field["x-kubernetes-list-map-keys"].as_array() {
        let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
        facts.push(format!("unique by {}", keys.join(" and ")));
    }
    if let Some(default) = field.get("default")
        && !default.is_object()
    {
        facts.push(format!("default `{default}`"));
    }
    facts
}

fn type_of(field: &Value) -> String {
    if field["x-kubernetes-int-or-string"] == Value::Bool(true) {
        return "quantity".to_owned();
    }
    let own = field["type"].as_str().unwrap_or("any");
    match (own, field["format"].as_str()) {
        ("array", _) => format!("list of {}", type_of(&field["items"])),
        (_, Some("date-time")) => "time, RFC 3339".to_owned(),
        _ => own.to_owned(),
    }
}
