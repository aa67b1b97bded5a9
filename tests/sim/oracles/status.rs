//! I3: what the status says is what the engine has, and what it says otherwise is soon put right.

use std::collections::BTreeMap;

use serde_json::Value;

use super::allows::Allows;
use super::story::{Story, at, is_session, text, uid};
use crate::apiserver::ChangeKind;
use crate::history::What;

/// Seconds that a status may be wrong where nothing goes wrong: a stop under way is told before its end.
const SOON: f64 = 3.0;
/// And where that is what the story is about: an engine that is away.
pub const IN_A_STORY: f64 = 75.0;

pub fn at_the_end(story: &Story<'_>, wrong: &mut Vec<String>) {
    for (name, session) in &story.sessions {
        let status = &session["status"];
        let own = story.containers.iter().filter(|(_, c)| c.0 == uid(session));
        let live: Vec<&str> = own
            .filter(|(_, c)| c.2.is_live())
            .map(|(id, _)| *id)
            .collect();
        let phase = text(status, "/phase");
        if phase == "Running" {
            if live != [text(status, "/container/id")] {
                wrong.push(format!(
                    "I3 {name}: Running as {}, and alive are {live:?}",
                    status["container"]
                ));
            }
        } else if AT_REST_OR_WAITING.contains(&phase) && !live.is_empty() {
            wrong.push(format!("I3 {name}: phase {phase}, and alive are {live:?}"));
        }
        if says_ready(status) && status["container"]["readyTime"].is_null() {
            wrong.push(format!("I3 {name}: Ready, and since when is not on record"));
        }
        let ready = condition(status, "Ready") == Some("True");
        if ready != (phase == "Running") {
            wrong.push(format!("I3 {name}: Ready={ready} in phase {phase}"));
        }
        if status["observedGeneration"] != session["metadata"]["generation"] {
            wrong.push(format!(
                "I3 {name}: observedGeneration {} of generation {}",
                status["observedGeneration"], session["metadata"]["generation"]
            ));
        }
    }
}

/// Phases that say that nothing lives.
const AT_REST_OR_WAITING: [&str; 5] = ["Pending", "Stopped", "Succeeded", "Failed", "TimedOut"];

/// "Running" of a container that does not live lasts no longer than these seconds of the undisturbed run and what went
/// wrong may cost.
pub fn on_the_way(story: &Story<'_>, undisturbed: f64, allows: &Allows, wrong: &mut Vec<String>) {
    let longest = longest_lie(story);
    if longest > undisturbed + allows.seconds + SOON {
        wrong.push(format!("I3 Running for {longest:.0} s while it did not"));
    }
}

/// The longest time in seconds for which a session said Running of what did not live, and then no more.
pub fn longest_lie(story: &Story<'_>) -> f64 {
    // Which container each session claims to run, and since when each that was claimed is dead.
    let mut claims: BTreeMap<&str, &str> = BTreeMap::new();
    let mut alive: BTreeMap<&str, bool> = BTreeMap::new();
    let mut false_since: BTreeMap<&str, f64> = BTreeMap::new();
    let mut longest = 0.0_f64;
    for entry in story.entries {
        match &entry.what {
            What::Stored {
                key, kind, object, ..
            } if is_session(key) => {
                let status = &object["status"];
                if text(status, "/phase") == "Running" && *kind != ChangeKind::Deleted {
                    claims.insert(&key.name, text(status, "/container/id"));
                } else {
                    claims.remove(key.name.as_str());
                }
            }
            What::Container { id, state, .. } => {
                alive.insert(id, state.is_live());
            }
            What::Stored { .. }
            | What::Volume { .. }
            | What::Engine(_)
            | What::Died(_)
            | What::Note(_) => continue,
        }
        let holds = |id: &str| alive.get(id).copied().unwrap_or(false);
        for name in story.names.values().copied() {
            let is_false = claims.get(name).is_some_and(|id| !holds(id));
            match (is_false, false_since.get(name).copied()) {
                (true, None) => {
                    false_since.insert(name, at(entry));
                }
                (false, Some(since)) => {
                    false_since.remove(name);
                    longest = longest.max(at(entry) - since);
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
    }
    longest
}

fn says_ready(status: &Value) -> bool {
    let mut all = status["conditions"].as_array().into_iter().flatten();
    all.any(|c| c["type"] == "Ready" && c["reason"] == "Ready")
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a str> {
    let all = status["conditions"].as_array()?;
    all.iter().find(|c| c["type"] == kind)?["status"].as_str()
}
