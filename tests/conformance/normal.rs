//! Answers without what must differ between two servers: versions, uids and times become what they mean.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

/// One answer, made comparable.
#[derive(Clone, Debug)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
    /// What was asked, for the report of a difference.
    pub asked: String,
    /// As it came, for the same.
    pub raw: String,
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        (self.code, &self.body) == (other.code, &other.body)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}\n            raw {}",
            self.code, self.body, self.raw
        )
    }
}

/// What one side's names stand for.
#[derive(Debug, Default)]
pub struct Names {
    uids: BTreeMap<String, usize>,
    /// The last known version of each uid.
    versions: BTreeMap<String, String>,
}

impl Names {
    /// The answer to a request.
    pub fn answer(&mut self, value: &Value) -> Value {
        if value["kind"] == "Status" {
            return self.status(value);
        }
        if let Some(items) = value["items"].as_array() {
            return json!({
                "kind": value["kind"], "apiVersion": value["apiVersion"],
                "items": items.iter().map(|item| self.object(item)).collect::<Vec<_>>(),
                "continues": value["metadata"]["continue"].as_str().is_some_and(|token| !token.is_empty()),
                "remaining": value["metadata"]["remainingItemCount"],
            });
        }
        self.object(value)
    }

    /// An object; its version becomes whether it moved since this side last saw it.
    pub fn object(&mut self, object: &Value) -> Value {
        let mut object = object.clone();
        let uid = object["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let Some(metadata) = object["metadata"].as_object_mut() else {
            return object;
        };
        metadata.remove("managedFields");
        if let Some(Value::String(version)) = metadata.get("resourceVersion").cloned() {
            let known = self.versions.insert(uid.clone(), version.clone());
            let moved = known.as_ref() != Some(&version);
            metadata.insert(
                "resourceVersion".to_owned(),
                json!(if moved { "moved" } else { "same" }),
            );
        }
        for time in ["creationTimestamp", "deletionTimestamp"] {
            if metadata.contains_key(time) {
                metadata.insert(time.to_owned(), json!("a time"));
            }
        }
        let number = self.uid(&uid);
        metadata.insert("uid".to_owned(), json!(number));
        metadata.remove("namespace");
        object
    }

    /// An event of a watch: versions must grow, and are told by rank.
    pub fn event(&mut self, event: &Value) -> Value {
        if event["type"] == "ERROR" {
            return json!({"type": "ERROR", "object": self.status(&event["object"])});
        }
        let mut object = event["object"].clone();
        let uid = object["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let number = self.uid(&uid);
        let metadata = object["metadata"]
            .as_object_mut()
            .expect("objects have metadata");
        for gone in ["managedFields", "resourceVersion", "namespace"] {
            metadata.remove(gone);
        }
        for time in ["creationTimestamp", "deletionTimestamp"] {
            if metadata.contains_key(time) {
                metadata.insert(time.to_owned(), json!("a time"));
            }
        }
        metadata.insert("uid".to_owned(), json!(number));
        json!({"type": event["type"], "object": object})
    }

    fn status(&mut self, status: &Value) -> Value {
        let details = &status["details"];
        let causes: BTreeSet<String> = details["causes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cause| {
                let text = |key: &str| cause[key].as_str().unwrap_or_default().to_owned();
                format!("{} {}", text("field"), text("reason"))
            })
            .collect();
        let uid = details["uid"].as_str().map(|uid| self.uid(uid));
        json!({
            "status": status["status"], "reason": status["reason"], "code": status["code"],
            "name": details["name"], "group": details["group"], "kind": details["kind"], "uid": uid,
            "causes": causes,
        })
    }

    /// Uids are numbered as they are first seen.
    fn uid(&mut self, uid: &str) -> usize {
        let next = self.uids.len();
        *self.uids.entry(uid.to_owned()).or_insert(next)
    }
}
