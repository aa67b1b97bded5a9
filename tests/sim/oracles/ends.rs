//! The end state: the undisturbed run's, but for what a mask names.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::allows::{Allows, End};
use super::story::{Story, text, uid};

/// `ids`: each session had as many containers as undisturbed, so that the one on record is the same one of them.
pub fn same(
    story: &Story<'_>,
    undisturbed: &Story<'_>,
    allows: &Allows,
    ids: bool,
    wrong: &mut Vec<String>,
) {
    let sessions = |story: &Story<'_>| -> BTreeMap<String, Value> {
        let all = story.sessions.iter();
        all.map(|(name, session)| ((*name).to_owned(), masked(story, session, allows.end, ids)))
            .collect()
    };
    let (mut ours, mut theirs) = (sessions(story), sessions(undisturbed));
    if allows.unseen && allows.end == End::Same {
        for (name, ours) in &mut ours {
            if let Some(theirs) = theirs.get_mut(name)
                && (ended_unseen(ours) || ended_unseen(theirs))
            {
                without_readiness(ours);
                without_readiness(theirs);
            }
        }
    }
    for (name, ours) in &mut ours {
        if let Some(theirs) = theirs.get_mut(name)
            && (went_unseen(ours) || went_unseen(theirs))
        {
            without_exit(ours);
            without_exit(theirs);
        }
    }
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
    let (ours, theirs) = (volumes(story), volumes(undisturbed));
    // A restore takes away claims of Pods that came later, and who has finished needs none.
    let taken = allows.end == End::Forgotten && ours.iter().all(|volume| theirs.contains(volume));
    if ours != theirs && !taken {
        wrong.push(format!("volumes {ours:?}, undisturbed {theirs:?}"));
    }
}

/// It has ended, or was stopped, and no readiness of its last run is on record.
fn ended_unseen(session: &Value) -> bool {
    let status = &session["status"];
    let over = status["finishTime"].is_string() || status["phase"] == "Stopped";
    over && status["container"].is_null()
}

/// Without what is recorded with a readiness, and stays.
fn without_readiness(session: &mut Value) {
    if let Some(status) = session["status"].as_object_mut() {
        for with_it in ["container", "game", "startTime"] {
            status.remove(with_it);
        }
    }
}

/// Its last Pod went while nobody watched it: what its game ended with is on no record.
fn went_unseen(session: &Value) -> bool {
    let status = &session["status"];
    status["runtime"] == "Pod" && status["lastExit"]["exitCode"].is_null()
}

/// And so whether it was ended because somebody wished it, or before.
fn without_exit(session: &mut Value) {
    if let Some(status) = session["status"].as_object_mut() {
        status.remove("lastExit");
        status.remove("stop");
    }
}

/// Without what rightly differs between two runs.
fn masked(story: &Story<'_>, session: &Value, end: End, ids: bool) -> Value {
    match end {
        End::Same => {
            let mut session = session.clone();
            without_versions(&mut session);
            if let Some(id) = session.pointer_mut("/status/container/id") {
                // Which number the engine gives it hangs on what others of its sessions do meanwhile.
                let place = id.as_str().and_then(|id| story.places.get(id));
                *id = match place {
                    Some(place) if ids => json!({ "place": place }),
                    Some(_) => Value::from("one of its own"),
                    None => json!({ "unknown": id }),
                };
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
