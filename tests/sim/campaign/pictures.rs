//! What of a state is compared: what a user sees, and how the container was made.
//!
//! Masked, each because it tells the way and not the place: times, ids and versions, attempt, restarts and the last exit,
//! the number of the host port, and, where no game runs, what was once seen of its image and its container.

use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::Engine;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Picture {
    pub phase: String,
    /// Of the container that is ready.
    pub id: Option<String>,
    conditions: Vec<Said>,
    endpoints: Vec<(String, String)>,
    image: Value,
    /// Of everything that the container was made from.
    digest: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Said {
    kind: String,
    status: String,
    reason: String,
    message: String,
}

impl Said {
    /// Which runtime is not allowed is said of the one on record, where there is one.
    fn masked(&self) -> Said {
        let mut said = self.clone();
        if said.reason == "RuntimeNotAllowed" {
            said.message.clear();
        }
        said
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn picture(session: &Value, engine: &Engine) -> Picture {
    let status = &session["status"];
    assert_eq!(
        status["observedGeneration"], session["metadata"]["generation"],
        "an edit was not looked at"
    );
    let all = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let said = |c: &Value| Said {
        kind: text(&c["type"]),
        status: text(&c["status"]),
        reason: text(&c["reason"]),
        message: text(&c["message"]),
    };
    let endpoint = |e: &Value| (text(&e["name"]), text(&e["protocol"]));
    let uid = text(&session["metadata"]["uid"]);
    let running = status["phase"] == "Running";
    Picture {
        phase: text(&status["phase"]),
        id: running.then(|| text(&status["container"]["id"])),
        conditions: all(&status["conditions"]).iter().map(said).collect(),
        endpoints: all(&status["endpoints"]).iter().map(endpoint).collect(),
        image: if running {
            status["container"]["image"].clone()
        } else {
            Value::Null
        },
        digest: engine.digest_of(&uid),
    }
}

impl Picture {
    fn said(&self, kind: &str) -> &Said {
        let mut all = self.conditions.iter();
        all.find(|c| c.kind == kind).expect("all six are there")
    }

    /// Session and Game make no contract.
    pub fn is_refused(&self) -> bool {
        self.said("Accepted").status == "False"
    }

    /// The container is made as one would be made at once.
    pub fn of_now(&self, at_once: &Picture) -> bool {
        self.digest == at_once.digest
    }

    /// Whether session and Game fit together is told in the same words, game or no game. A deadline is held against the
    /// maximum that the container was made under.
    pub fn accepted_as(&self, at_once: &Picture) {
        const OWN: &str = "DeadlineTooLong";
        let (walked, made) = (
            &self.said("Accepted").masked(),
            &at_once.said("Accepted").masked(),
        );
        if walked.reason != OWN && made.reason != OWN {
            assert_eq!(walked, made, "left walked, right made at once");
        }
    }

    /// What is the same wherever one came from.
    pub fn settled(&self) -> Value {
        let running = self.phase == "Running";
        let way = ["Started", "ImageReady"];
        let conditions: Vec<Said> = self
            .conditions
            .iter()
            .filter(|c| running || !way.contains(&c.kind.as_str()))
            .map(Said::masked)
            .collect();
        // The first attempt was never recorded, or one was.
        let phase = match self.phase.as_str() {
            "Pending" | "Starting" if self.is_refused() => "waits",
            phase => phase,
        };
        json!({
            "phase": phase, "conditions": conditions, "endpoints": self.endpoints, "image": self.image,
            "digest": self.digest,
        })
    }
}
