//! What the server answers: an object, or a `Status` that says why not.

use serde_json::{Value, json};

/// Why a request was refused, as the API server says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    /// Group, plural and name, where the answer names them.
    pub about: Option<(String, String, String)>,
    pub causes: Vec<Cause>,
    pub retry_after: Option<u32>,
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    pub field: String,
    pub reason: &'static str,
    pub message: String,
}

impl Cause {
    pub fn new(field: impl Into<String>, reason: &'static str, message: impl Into<String>) -> Self {
        Cause {
            field: field.into(),
            reason,
            message: message.into(),
        }
    }

    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Cause::new(field, "FieldValueInvalid", message)
    }
}

pub type Answered<T> = Result<T, Box<Refused>>;

impl Refused {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Box<Self> {
        Box::new(Refused {
            code,
            reason,
            message: message.into(),
            about: None,
            causes: Vec::new(),
            retry_after: None,
        })
    }

    fn about(mut self: Box<Self>, group: &str, kind: &str, name: &str) -> Box<Self> {
        self.about = Some((group.to_owned(), kind.to_owned(), name.to_owned()));
        self
    }

    pub fn bad_request(message: impl Into<String>) -> Box<Self> {
        Refused::new(400, "BadRequest", message)
    }

    pub fn not_found(group: &str, plural: &str, name: &str) -> Box<Self> {
        let resource = qualified(plural, group);
        Refused::new(404, "NotFound", format!("{resource} \"{name}\" not found"))
            .about(group, plural, name)
    }

    pub fn exists(group: &str, plural: &str, name: &str) -> Box<Self> {
        let resource = qualified(plural, group);
        Refused::new(
            409,
            "AlreadyExists",
            format!("{resource} \"{name}\" already exists"),
        )
        .about(group, plural, name)
    }

    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Box<Self> {
        let resource = qualified(plural, group);
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Refused::new(409, "Conflict", message).about(group, plural, name)
    }

    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Box<Self> {
        let resource = qualified(kind, group);
        let listed: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let message = format!("{resource} \"{name}\" is invalid: {}", listed.join(", "));
        let mut refused = Refused::new(422, "Invalid", message).about(group, kind, name);
        refused.causes = causes;
        refused
    }

    /// A version that the server no longer has.
    pub fn expired(message: impl Into<String>) -> Box<Self> {
        Refused::new(410, "Expired", message)
    }

    /// The refusal as the object that goes over the wire.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        let mut details = serde_json::Map::new();
        if let Some((group, kind, name)) = &self.about {
            if !name.is_empty() {
                details.insert("name".to_owned(), json!(name));
            }
            if !group.is_empty() {
                details.insert("group".to_owned(), json!(group));
            }
            details.insert("kind".to_owned(), json!(kind));
        }
        if !self.causes.is_empty() {
            let causes: Vec<Value> = self
                .causes
                .iter()
                .map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field}))
                .collect();
            details.insert("causes".to_owned(), Value::Array(causes));
        }
        if let Some(seconds) = self.retry_after {
            details.insert("retryAfterSeconds".to_owned(), json!(seconds));
        }
        if !details.is_empty() {
            status["details"] = Value::Object(details);
        }
        status
    }
}

fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    }
}
