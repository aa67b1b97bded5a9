//! The end state: the undisturbed run's, but for what a mask names.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::allows::{Allows, End};
use super::story::{Story, text, uid};

/// `ids`: as many containers were made as undisturbed, so that they have the same ids.
pub fn same(
    story: &Story<'_>,
    undisturbed: &Story<'_>,
    allows: &Allows,
    ids: bool,
    wrong: &mut Vec<String>,
) {
    let sessions = |story: &Story<'_>| -> BTreeMap<String, Value> {
        let all = story.sessions.iter();
        all.map(|(name, session)| ((*name).to_owned(), masked(session, allows.end, ids)))
            .collect()
    };
    let (ours, theirs) = (sessions(story), sessions(undisturbed));
    if ours != theirs {
        wrong.push(format!(
            "the end is {}, undisturbed {}",
            json!(ours),
            json!(theirs)
        ));
    }
    // Of a session that was made anew they have other names.
    let volumes = |story: &Story<'_>| -> Vec<String> {
        let all = story.volumes.iter();
        let mut all: Vec<String> = all
            .map(|(volume, uid)| match allows.end {
                End::Same | End::Outcome => (*volume).to_owned(),
                End::Forgotten => story.name(uid).to_owned(),
            })
            .collect();
        all.sort();
        all
    };
    if volumes(story) != volumes(undisturbed) {
        wrong.push(format!(
            "volumes {:?}, undisturbed {:?}",
            volumes(story),
            volumes(undisturbed)
        ));
    }
}

/// Without what rightly differs between two runs.
fn masked(session: &Value, end: End, ids: bool) -> Value {
    match end {
        End::Same => {
            let mut session = session.clone();
            without_versions(&mut session);
            // A Pod's is a uid, which grows with every object of the cluster.
            let pods = session["status"]["runtime"] == "Pod";
            if (!ids || pods)
                && let Some(id) = session.pointer_mut("/status/container/id")
            {
                *id = Value::from("masked");
            }
            session
        }
        End::Forgotten | End::Outcome => {
            let status = &session["status"];
            let phase = text(status, "/phase");
            json!({
                "spec": session["spec"],
                "phase": phase,
                "finished": status["finishTime"].is_string(),
                "finalizers": session["metadata"]["finalizers"],
                "live": !uid(session).is_empty() && phase == "Running",
            })
        }
    }
}

/// Times and versions differ between two runs, and what somebody else wrote is not ours.
fn without_versions(session: &mut Value) {
    let metadata = session["metadata"].as_object_mut().expect("an object");
    for differs in ["resourceVersion", "creationTimestamp", "managedFields"] {
        metadata.remove(differs);
    }
    if let Some(conditions) = session["status"]["conditions"].as_array_mut() {
        conditions.retain(|c| !text(c, "/type").starts_with("example.com/"));
    }
    mask(session);
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key.ends_with("Time") || key == "time" || key == "message" {
                    *value = Value::from("masked");
                }
                mask(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
