//! JSON merge patch (RFC 7386) from one value to another: only what changed, explicit nulls to clear.
//! Pure.

use serde_json::{Map, Value};

/// The patch that turns `old` into `new`, or None where nothing differs. Lists are replaced whole, as a
/// merge patch must. Neither value may hold a null inside an object: a patch cannot say one.
pub fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Some(new.clone());
    };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        match old.get(key) {
            Some(before @ Value::Object(_)) => {
                if let Some(inner) = merge_patch(before, value) {
                    patch.insert(key.clone(), inner);
                }
            }
            Some(before) if before == value => {}
            Some(_) | None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The algorithm of RFC 7386, section 2, as the API server applies it.
    fn apply(target: &Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else {
            return patch.clone();
        };
        let mut target = match target {
            Value::Object(map) => map.clone(),
            _ => Map::new(),
        };
        for (key, value) in patch {
            if value.is_null() {
                target.remove(key);
            } else {
                let before = target.get(key).cloned().unwrap_or(Value::Null);
                target.insert(key.clone(), apply(&before, value));
            }
        }
        Value::Object(target)
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0i64..4).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn object() -> impl Strategy<Value = Value> {
        prop::collection::btree_map("[a-d]", value(), 0..5)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn applying_the_patch_to_the_old_gives_the_new(old in object(), new in object()) {
            match merge_patch(&old, &new) {
                Some(patch) => prop_assert_eq!(apply(&old, &patch), new),
                None => prop_assert_eq!(old, new),
            }
        }

        #[test]
        fn a_key_that_did_not_change_is_not_in_the_patch(old in object(), new in object()) {
            let Some(Value::Object(patch)) = merge_patch(&old, &new) else { return Ok(()) };
            for key in patch.keys() {
                prop_assert_ne!(old.get(key), new.get(key));
            }
        }
    }

    #[test]
    fn what_is_gone_is_cleared_by_an_explicit_null() {
        let old = json!({"stop": {"attempt": 1, "reason": "Requested"}, "phase": "Stopping"});
        let new = json!({"phase": "Stopped"});
        let patch = merge_patch(&old, &new).unwrap();
        assert_eq!(patch, json!({"stop": null, "phase": "Stopped"}));
    }

    #[test]
    fn a_list_is_replaced_whole_and_an_object_field_by_field() {
        let old = json!({"list": [1, 2], "object": {"a": 1, "b": 2}});
        let new = json!({"list": [1, 3], "object": {"a": 1, "b": 3}});
        let patch = merge_patch(&old, &new).unwrap();
        assert_eq!(patch, json!({"list": [1, 3], "object": {"b": 3}}));
    }

    #[test]
    fn nothing_changed_is_no_patch() {
        let same = json!({"a": {"b": [1]}});
        assert_eq!(merge_patch(&same, &same.clone()), None);
    }
}
