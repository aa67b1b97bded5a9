//! Patches: JSON merge patch, and as much of server-side apply as a single manager needs.

use serde_json::{Map, Value};

use super::schema::Schema;

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let object = target.as_object_mut().expect("made one above");
    for (key, value) in patch {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Server-side apply by one manager with force: objects are merged, lists with keys are merged by them,
/// other lists are replaced. What a manager applied before and leaves out now stays: ownership of fields
/// is not kept.
pub fn apply(schema: &Value, target: &mut Value, applied: &Value) {
    match (target, applied) {
        (Value::Object(target), Value::Object(applied)) => {
            for (key, value) in applied {
                let schema = &schema["properties"][key];
                match target.get_mut(key) {
                    Some(old) => apply(schema, old, value),
                    None => {
                        target.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(target), Value::Array(applied)) => match Schema::list_keys(schema) {
            Some(keys) => {
                for item in applied {
                    let same = |old: &&mut Value| keys.iter().all(|key| old[key] == item[key]);
                    match target.iter_mut().find(same) {
                        Some(old) => apply(&schema["items"], old, item),
                        None => target.push(item.clone()),
                    }
                }
            }
            None => *target = applied.clone(),
        },
        (target, applied) => *target = applied.clone(),
    }
}
