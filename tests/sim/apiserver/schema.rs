//! Structural schemas: nulls dropped, unknown fields pruned, defaults filled, types and bounds checked, CEL rules run.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::answer::Cause;
use super::rules::Rules;

/// One kind's schema.
pub struct Schema {
    root: Value,
    rules: Rules,
    patterns: BTreeMap<String, Regex>,
}

const MAP_KEYS: &str = "x-kubernetes-list-map-keys";

impl Schema {
    pub fn new(mut root: Value) -> Self {
        spell_out(&mut root);
        let mut patterns = BTreeMap::new();
        compile_patterns(&root, &mut patterns);
        let rules = Rules::new(&root);
        Schema {
            root,
            rules,
            patterns,
        }
    }

    /// The object as it is taken in: pruned, then defaulted.
    pub fn admit(&self, object: &mut Value) {
        let kept = ["apiVersion", "kind", "metadata"].map(|key| (key, object.get(key).cloned()));
        prune(&self.root, object);
        drop_nulls(&self.root, object);
        for (key, value) in kept {
            if let Some(value) = value {
                object[key] = value;
            }
        }
        fill(&self.root, object);
        whole(&self.root, object);
    }

    /// Adds everything that is wrong with the object to what is wrong with its metadata.
    pub fn check(&self, object: &Value, old: Option<&Value>, mut causes: Vec<Cause>) -> Vec<Cause> {
        self.validate(&self.root, object, "", &mut causes);
        let blocking = causes.iter().any(|cause| {
            [
                "FieldValueRequired",
                "FieldValueNotSupported",
                "FieldValueTooLong",
                "FieldValueTooMany",
                "FieldValueTypeInvalid",
            ]
            .contains(&cause.reason)
        });
        if blocking {
            causes.push(Cause::invalid(
                "<nil>",
                "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
            ));
            return causes;
        }
        causes.extend(self.rules.broken(object, old));
        causes
    }

    /// The keys by which the list at this schema path is merged; None: it is replaced.
    pub fn list_keys(schema: &Value) -> Option<Vec<String>> {
        let keys = schema[MAP_KEYS].as_array()?;
        Some(
            keys.iter()
                .filter_map(|key| key.as_str().map(str::to_owned))
                .collect(),
        )
    }

    pub fn root(&self) -> &Value {
        &self.root
    }
}

/// The CEL library has no `type()`: the one rule that uses it is said in other words, which mean the same.
fn spell_out(schema: &mut Value) {
    const RULE: &str = "type(self) == int ? self > 0 : (isQuantity(self) && quantity(self).isGreaterThan(quantity('0')))";
    const SAME: &str =
        "isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))";
    match schema {
        Value::Object(object) => object.values_mut().for_each(spell_out),
        Value::Array(items) => items.iter_mut().for_each(spell_out),
        Value::String(text) if text == RULE => SAME.clone_into(text),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema["properties"].as_object()
}

fn prune(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(object) => {
            let Some(known) = properties(schema) else {
                if schema["type"] == "object" && schema["additionalProperties"].is_null() {
                    object.clear();
                }
                return;
            };
            object.retain(|key, _| known.contains_key(key));
            for (key, value) in object {
                prune(&known[key], value);
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| prune(&schema["items"], item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Nulls in object fields count as left out, where no default takes their place.
fn drop_nulls(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(object) => {
            let Some(known) = properties(schema) else {
                return;
            };
            object.retain(|key, value| {
                let schema = known.get(key).unwrap_or(&Value::Null);
                let stays = schema["nullable"] == true || schema.get("default").is_some();
                !value.is_null() || stays
            });
            for (key, value) in object {
                drop_nulls(known.get(key).unwrap_or(&Value::Null), value);
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| drop_nulls(&schema["items"], item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(object) => {
            let Some(known) = properties(schema) else {
                return;
            };
            for (key, schema) in known {
                let default = schema.get("default");
                let missing = object
                    .get(key)
                    .is_none_or(|v| v.is_null() && default.is_some());
                match default {
                    Some(default) if missing => {
                        object.insert(key.clone(), default.clone());
                    }
                    Some(_) | None => {}
                }
                if let Some(value) = object.get_mut(key) {
                    fill(schema, value);
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| fill(&schema["items"], item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A number that is whole is an integer where the schema wants one.
fn whole(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                whole(&schema["properties"][key], value);
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| whole(&schema["items"], item)),
        Value::Number(number) => {
            let float = number
                .as_f64()
                .filter(|float| number.is_f64() && float.fract() == 0.0);
            if let Some(float) = float.filter(|float| float.abs() < 1e15) {
                *value = json!(float as i64);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn check_type(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let wrong = |wanted: &str| {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let message = format!(
            "Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\""
        );
        Cause::new(path, "FieldValueTypeInvalid", message)
    };
    if schema["x-kubernetes-int-or-string"] == true {
        if !(value.is_string() || value.is_i64() || value.is_u64()) {
            causes.push(wrong("integer,string"));
        }
        return;
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|f| f.fract() == 0.0)
        }
        Some("number") => value.is_number(),
        Some(_) | None => true,
    };
    if !fits {
        causes.push(wrong(schema["type"].as_str().unwrap_or_default()));
    }
}

fn within(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Every pattern of a schema.
fn compile_patterns(schema: &Value, patterns: &mut BTreeMap<String, Regex>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(pattern)) = object.get("pattern") {
                let regex =
                    Regex::new(pattern).expect("patterns of the CRDs are RE2 and Rust's both");
                patterns.insert(pattern.clone(), regex);
            }
            object
                .values()
                .for_each(|value| compile_patterns(value, patterns));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| compile_patterns(item, patterns)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_date_time(text: &str) -> bool {
    static SHAPE: LazyLock<Regex> = LazyLock::new(|| {
        let shape = r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$";
        Regex::new(shape).expect("a constant")
    });
    SHAPE.is_match(text) && text.parse::<jiff::Timestamp>().is_ok()
}

fn check_number(schema: &Value, number: &serde_json::Number, path: &str, causes: &mut Vec<Cause>) {
    let value = number.as_f64().unwrap_or(f64::NAN);
    if schema["format"] == "int32" && !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value)
    {
        let message = format!("Invalid value: {number}: {path} in body must be of type int32");
        causes.push(Cause::invalid(path, message));
    }
    if let Some(least) = schema["minimum"].as_f64()
        && value < least
    {
        let message = format!(
            "Invalid value: {number}: {path} in body should be greater than or equal to {least}"
        );
        causes.push(Cause::invalid(path, message));
    }
    if let Some(most) = schema["maximum"].as_f64()
        && value > most
    {
        let message = format!(
            "Invalid value: {number}: {path} in body should be less than or equal to {most}"
        );
        causes.push(Cause::invalid(path, message));
    }
}

impl Schema {
    fn validate(&self, schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
        check_type(schema, value, path, causes);
        match value {
            Value::Object(object) => self.check_object(schema, object, path, causes),
            Value::Array(items) => self.check_list(schema, items, path, causes),
            Value::String(text) => self.check_text(schema, text, path, causes),
            Value::Number(number) => check_number(schema, number, path, causes),
            Value::Null | Value::Bool(_) => {}
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            causes.push(Cause::new(
                path,
                "FieldValueNotSupported",
                format!(
                    "Unsupported value: {value}: supported values: {}",
                    json!(allowed)
                ),
            ));
        }
    }

    fn check_object(
        &self,
        schema: &Value,
        object: &Map<String, Value>,
        path: &str,
        causes: &mut Vec<Cause>,
    ) {
        for key in schema["required"].as_array().into_iter().flatten() {
            let key = key.as_str().expect("names are strings");
            if !object.contains_key(key) {
                causes.push(Cause::new(
                    within(path, key),
                    "FieldValueRequired",
                    "Required value",
                ));
            }
        }
        if let Some(least) = schema["minProperties"].as_u64()
            && (object.len() as u64) < least
        {
            let message = format!(
                "Invalid value: {}: must have at least {least} items",
                object.len()
            );
            causes.push(Cause::invalid(path, message));
        }
        for (key, schema) in properties(schema).into_iter().flatten() {
            if let Some(value) = object.get(key) {
                self.validate(schema, value, &within(path, key), causes);
            }
        }
    }

    fn check_list(&self, schema: &Value, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
        let count = items.len() as u64;
        if let Some(most) = schema["maxItems"].as_u64()
            && count > most
        {
            let message = format!("Too many: {count}: must have at most {most} items");
            causes.push(Cause::new(path, "FieldValueTooMany", message));
        }
        if let Some(least) = schema["minItems"].as_u64()
            && count < least
        {
            let message = format!(
                "Invalid value: {count}: {path} in body should have at least {least} items"
            );
            causes.push(Cause::invalid(path, message));
        }
        let keys = Schema::list_keys(schema);
        let mut seen = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let here = format!("{path}[{index}]");
            self.validate(&schema["items"], item, &here, causes);
            if keys.is_some() && !item.is_object() {
                if item.is_null() {
                    continue;
                }
                let message = format!(
                    "Invalid value: {item}: must be an object for an array of list-type map"
                );
                causes.push(Cause::invalid(&here, message));
                continue;
            }
            let identity = match &keys {
                Some(keys) => Some(
                    keys.iter()
                        .map(|key| item[key].to_string())
                        .collect::<Vec<_>>(),
                ),
                None if schema["x-kubernetes-list-type"] == "set" => Some(vec![item.to_string()]),
                None => None,
            };
            if let Some(identity) = identity
                && *seen
                    .entry(identity)
                    .and_modify(|times| *times += 1)
                    .or_insert(1)
                    == 2
            {
                causes.push(Cause::new(
                    here,
                    "FieldValueDuplicate",
                    format!("Duplicate value: {item}"),
                ));
            }
        }
    }

    fn check_text(&self, schema: &Value, text: &str, path: &str, causes: &mut Vec<Cause>) {
        causes.extend(self.bounds_of_text(schema, text, path));
        if schema["format"] == "date-time" && !is_date_time(text) {
            let message = format!(
                "Invalid value: {text:?}: {path} in body must be of type date-time: {text:?}"
            );
            causes.push(Cause::new(path, "FieldValueTypeInvalid", message));
        }
    }

    /// The first bound that a text breaks.
    fn bounds_of_text(&self, schema: &Value, text: &str, path: &str) -> Option<Cause> {
        let length = text.chars().count() as u64;
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            let message = format!("Too long: may not be more than {most} bytes");
            return Some(Cause::new(path, "FieldValueTooLong", message));
        }
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            let message = format!(
                "Invalid value: {text:?}: {path} in body should be at least {least} chars long"
            );
            return Some(Cause::invalid(path, message));
        }
        let pattern = schema["pattern"].as_str()?;
        let regex = &self.patterns[pattern];
        (!regex.is_match(text)).then(|| {
            let message =
                format!("Invalid value: {text:?}: {path} in body should match '{pattern}'");
            Cause::invalid(path, message)
        })
    }
}
