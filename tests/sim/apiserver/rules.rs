//! CEL rules of a schema, and what they said of each object: the same objects come in run after run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use kube::core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::Value;

use super::answer::Cause;

/// The rules of one kind.
pub struct Rules {
    compiled: CompiledSchema,
    /// Some rule looks at the status.
    of_status: bool,
}

/// Digests of the object and of the one before it, and the place of the rule.
type Asked = (u64, Option<u64>, usize);

thread_local! {
    /// One a thread: it may not be shared, and runs go on side by side.
    static VALIDATOR: Validator = Validator::new();
    /// What rules said of objects, by their prints and those of the objects before.
    static RULED: RefCell<HashMap<Asked, Vec<Cause>>> = RefCell::default();
}

const RULES: &str = "x-kubernetes-validations";

/// Whether this schema or some part of it has rules.
fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key(RULES) || fields.values().any(has_rules),
        Value::Array(items) => items.iter().any(has_rules),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

const MOST_RULED: usize = 100_000;

/// Of all that rules see.
fn print(object: &Value, of_status: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    let fields = object.as_object().into_iter().flatten();
    let seen = |key: &str| key != "metadata" && (of_status || key != "status");
    for (key, value) in fields.filter(|(key, _)| seen(key)) {
        key.hash(&mut hasher);
        add(value, &mut hasher);
    }
    for key in ["name", "generateName"] {
        add(&object["metadata"][key], &mut hasher);
    }
    hasher.finish()
}

fn add(value: &Value, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Null => {}
        Value::Bool(it) => it.hash(hasher),
        Value::Number(number) => number.to_string().hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| add(item, hasher));
        }
        Value::Object(fields) => {
            fields.len().hash(hasher);
            for (key, value) in fields {
                key.hash(hasher);
                add(value, hasher);
            }
        }
    }
}

impl Rules {
    pub fn new(root: &Value) -> Self {
        let compiled = compile_schema(root);
        assert!(
            !compiled.has_errors(),
            "rules that do not compile: {:?}",
            compiled.compilation_errors()
        );
        let at_the_root = root[RULES].to_string().contains("status");
        Rules {
            compiled,
            of_status: at_the_root || has_rules(&root["properties"]["status"]),
        }
    }

    /// What the rules say. They see little of metadata, and the same objects come in run after run.
    pub fn broken(&self, object: &Value, old: Option<&Value>) -> Vec<Cause> {
        let asked = (
            print(object, self.of_status),
            old.map(|old| print(old, self.of_status)),
            std::ptr::from_ref(self).addr(),
        );
        if let Some(known) = RULED.with_borrow(|ruled| ruled.get(&asked).cloned()) {
            return known;
        }
        let checked = VALIDATOR.with(|v| v.validate_compiled(&self.compiled, object, old));
        let wrong = checked.err().into_iter().flatten();
        let causes: Vec<Cause> = wrong
            .map(|error| {
                // A rule that cannot be evaluated (a quantity that is none) refuses the object too.
                let known = [ErrorKind::ValidationFailure, ErrorKind::EvaluationError];
                assert!(known.contains(&error.kind), "{error}");
                let path = error.field_path.trim_start_matches('.').to_owned();
                let path = if path.is_empty() {
                    "<nil>".to_owned()
                } else {
                    path
                };
                Cause::invalid(path, format!("Invalid value: {}", error.message))
            })
            .collect();
        RULED.with_borrow_mut(|ruled| {
            if ruled.len() >= MOST_RULED {
                ruled.clear();
            }
            ruled.insert(asked, causes.clone());
        });
        causes
    }
}
