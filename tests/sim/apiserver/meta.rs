//! Rules of metadata: what the server sets, what nobody may change, what the status endpoint ignores.

use serde_json::{Map, Value, json};

use super::answer::Cause;

/// Every field of metadata; others are dropped.
const FIELDS: [&str; 14] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Text at a path of metadata; empty if there is none.
pub fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub fn finalizers(object: &Value) -> Vec<&str> {
    let list = object["metadata"]["finalizers"].as_array();
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

pub fn is_deleting(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

/// Unknown fields go, and so does what is empty.
pub fn prune(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, value| {
            let empty = match value {
                Value::Null => true,
                Value::Array(items) => items.is_empty(),
                Value::Object(entries) => entries.is_empty(),
                Value::String(text) => text.is_empty(),
                Value::Bool(_) | Value::Number(_) => false,
            };
            FIELDS.contains(&key.as_str()) && !empty
        });
    } else {
        object["metadata"] = Value::Object(Map::new());
    }
}

/// What the server sets on a new object.
pub fn begin(object: &mut Value, uid: String, now: String, generation: bool) {
    let metadata = object["metadata"].as_object_mut().expect("pruned");
    for gone in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "generation",
    ] {
        metadata.remove(gone);
    }
    metadata.insert("uid".to_owned(), json!(uid));
    metadata.insert("creationTimestamp".to_owned(), json!(now));
    if generation {
        metadata.insert("generation".to_owned(), json!(1));
    }
}

/// What an update may not change is put back or refused.
pub fn carry_over(old: &Value, new: &mut Value, causes: &mut Vec<Cause>) {
    let uid = text(new, "uid");
    if !uid.is_empty() && uid != text(old, "uid") {
        let message = format!("Invalid value: {uid:?}: field is immutable");
        causes.push(Cause::invalid("metadata.uid", message));
    }
    let stamp = text(new, "deletionTimestamp");
    if !stamp.is_empty() && !is_deleting(old) {
        let message = format!("Invalid value: {stamp:?}: field is immutable");
        causes.push(Cause::invalid("metadata.deletionTimestamp", message));
    }
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ] {
        match old["metadata"].get(field) {
            Some(kept) => set(new, field, kept.clone()),
            None => {
                new["metadata"]
                    .as_object_mut()
                    .expect("pruned")
                    .remove(field);
            }
        }
    }
    let before = finalizers(old);
    let added: Vec<&str> = finalizers(new)
        .into_iter()
        .filter(|name| !before.contains(name))
        .collect();
    if is_deleting(old) && !added.is_empty() {
        let message = format!(
            "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{added:?}}}"
        );
        causes.push(Cause::new(
            "metadata.finalizers",
            "FieldValueForbidden",
            message,
        ));
    }
}

pub fn set(object: &mut Value, field: &str, value: Value) {
    object["metadata"]
        .as_object_mut()
        .expect("pruned")
        .insert(field.to_owned(), value);
}

/// Whether `name` may name an object: a DNS subdomain.
pub fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.starts_with(ends)
            && label.ends_with(ends)
            && label.chars().all(|c| ends(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
