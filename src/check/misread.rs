//! Texts that kubectl does not read as texts: it follows YAML 1.1, where a bare `yes` is a truth value and `00000000` a number.
//! Pure.

use regex::Regex;
use serde_json::Value;

/// Each such text of a manifest that stands without quotes, with its place.
pub(super) fn misread(manifest: &Value, text: &str) -> Vec<String> {
    let truth = Regex::new("^(?i:y|yes|on|n|no|off)$").expect("a fixed pattern");
    let number =
        Regex::new(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?$").expect("a fixed pattern");
    let mut found = Vec::new();
    walk(manifest, "", &mut |path, value| {
        let kind = if truth.is_match(value) {
            "a truth value"
        } else if number.is_match(value) {
            "a number"
        } else {
            return;
        };
        let quoted = [format!("\"{value}\""), format!("'{value}'")];
        if !quoted.iter().any(|quoted| text.contains(quoted)) {
            found.push(format!(
                "{path}: kubectl reads {value} as {kind}: put it into quotes"
            ));
        }
    });
    found
}

fn walk(value: &Value, path: &str, see: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => see(path, text),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{at}]"), see);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                walk(field, &format!("{path}{dot}{name}"), see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
