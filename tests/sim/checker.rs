//! Judges a run by what the API server and the engine saw, without knowing how the controller decides.
//!
//! I1 at most one live container a session · I2 nothing without a live owner · I3 status equals the engine ·
//! I4 every step came true in time · I5, I8 containers lived exactly as in the undisturbed run · I6 quiet after
//! convergence · I7 a deleted session is gone · I9 facts are never lost or counted twice · I10 storage never goes
//! before its session. End state equal to the undisturbed run's but for times, ids and versions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::apiserver::ChangeKind;
use crate::history::{Entry, Life, What};
use crate::scenarios::{Run, Scenario};
use crate::world::SESSIONS;

/// Everything that is wrong with a run, against the undisturbed run of the same scenario.
///
/// `slack`: virtual seconds that the faults of the script may cost.
pub fn violations(scenario: &Scenario, run: &Run, clean: Option<&Run>, slack: f64) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(step) = &run.stuck {
        found.push(format!("I4 never came true: {step}"));
    }
    let promised = clean.map_or(scenario.within, |clean| clean.converged) + slack;
    if run.converged > promised {
        found.push(format!(
            "I4 took {:.0} s, and {promised:.0} s were due",
            run.converged
        ));
    }
    one_live_container(run, &mut found);
    owned(run, &mut found);
    for session in &run.sessions {
        truthful(run, session, &mut found);
    }
    quiet(run, &mut found);
    facts(run, &mut found);
    storage(run, &mut found);
    if let Some(clean) = clean {
        if !scenario.races {
            same_lives(run, clean, &mut found);
        }
        if !scenario.open {
            same_end(run, clean, &mut found);
        }
    }
    found
}

fn one_live_container(run: &Run, found: &mut Vec<String>) {
    let mut live: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in &run.history {
        if let What::Container { id, uid, state, .. } = &entry.what
            // A stranger may have as many as he likes.
            && !uid.is_empty()
        {
            let of = live.entry(uid).or_default();
            if state.is_live() {
                of.insert(id);
            } else {
                of.remove(id.as_str());
            }
            if of.len() > 1 {
                found.push(format!("I1 two live containers at {:?}: {of:?}", entry.at));
            }
        }
    }
}

/// The phases in which no container is left.
const AT_REST: [&str; 4] = ["Stopped", "Succeeded", "Failed", "TimedOut"];

fn owned(run: &Run, found: &mut Vec<String>) {
    let owners: BTreeSet<&str> = run.sessions.iter().map(uid).collect();
    let orphaned = |of: &str| !of.is_empty() && !owners.contains(of);
    for (id, of, _) in &run.containers {
        if orphaned(of) {
            found.push(format!("I2 container {id} has no session"));
        }
    }
    for (name, of) in &run.volumes {
        if orphaned(of) {
            found.push(format!("I2 volume {name} has no session"));
        }
    }
    for session in &run.sessions {
        let phase = session["status"]["phase"].as_str().unwrap_or_default();
        let own: Vec<_> = run
            .containers
            .iter()
            .filter(|c| c.1 == uid(session))
            .collect();
        if AT_REST.contains(&phase) && !own.is_empty() {
            found.push(format!(
                "I2 phase {phase}, and containers are left: {own:?}"
            ));
        }
        if session["metadata"]["deletionTimestamp"].is_string() {
            found.push("I7 deleted, and not gone".to_owned());
        }
    }
}

fn uid(session: &Value) -> &str {
    session["metadata"]["uid"].as_str().unwrap_or_default()
}

fn truthful(run: &Run, session: &Value, found: &mut Vec<String>) {
    let status = &session["status"];
    let live: Vec<&str> = run
        .containers
        .iter()
        .filter(|c| c.2 && c.1 == uid(session))
        .map(|c| c.0.as_str())
        .collect();
    match status["phase"].as_str() {
        Some("Running") => {
            if live != [status["container"]["id"].as_str().unwrap_or_default()] {
                found.push(format!(
                    "I3 Running as {}, and alive are {live:?}",
                    status["container"]
                ));
            }
        }
        phase => {
            if !live.is_empty() {
                found.push(format!("I3 phase {phase:?}, and alive are {live:?}"));
            }
        }
    }
    let ready = condition(status, "Ready") == Some("True");
    if ready != (status["phase"] == "Running") {
        found.push(format!("I3 Ready={ready} in phase {}", status["phase"]));
    }
    if status["observedGeneration"] != session["metadata"]["generation"] {
        found.push(format!(
            "I3 observedGeneration {} of generation {}",
            status["observedGeneration"], session["metadata"]["generation"]
        ));
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a str> {
    let all = status["conditions"].as_array()?;
    all.iter().find(|c| c["type"] == kind)?["status"].as_str()
}

fn quiet(run: &Run, found: &mut Vec<String>) {
    for entry in run.history.iter().skip(run.settled) {
        let what = match &entry.what {
            What::Stored { key, kind, .. } if key.resource == SESSIONS => {
                format!("{kind:?} {}", key.name)
            }
            What::Container { id, state, .. } => format!("{state:?} {id}"),
            What::Volume { name, .. } => format!("volume {name}"),
            What::Stored { .. } | What::Note(_) => continue,
        };
        found.push(format!(
            "I6 {} still wrote at {:?}: {what}",
            entry.who, entry.at
        ));
    }
}

/// The stored versions of the session, in order.
fn versions(run: &Run) -> impl Iterator<Item = (&Entry, &Value, Option<&Value>)> {
    run.history.iter().filter_map(|entry| match &entry.what {
        What::Stored {
            key,
            kind,
            object,
            before,
        } if key.resource == SESSIONS && *kind != ChangeKind::Deleted => {
            Some((entry, &**object, before.as_deref()))
        }
        What::Stored { .. } | What::Container { .. } | What::Volume { .. } | What::Note(_) => None,
    })
}

fn facts(run: &Run, found: &mut Vec<String>) {
    // Of a container that nobody recorded the record takes the attempt over.
    let made: BTreeSet<i64> = run
        .history
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Container { attempt, .. } => Some(i64::from(*attempt)),
            What::Stored { .. } | What::Volume { .. } | What::Note(_) => None,
        })
        .collect();
    for (entry, after, before) in versions(run) {
        let Some(before) = before else { continue };
        // Who writes over a status may write what he likes.
        if !entry.who.starts_with("controller") {
            continue;
        }
        let (before, after) = (&before["status"], &after["status"]);
        let at = entry.at;
        let number = |status: &Value, path: &str| status.pointer(path).and_then(Value::as_i64);
        for path in ["/attempt", "/lastExit/attempt", "/stop/attempt"] {
            let (old, new) = (number(before, path), number(after, path));
            if let (Some(old), Some(new)) = (old, new)
                && (new < old || (new > old + 1 && !made.contains(&new)))
            {
                found.push(format!("I9 {path} from {old} to {new} at {at:?}"));
            }
        }
        if number(before, "/attempt").is_some() && number(after, "/attempt").is_none() {
            found.push(format!("I9 the attempt was lost at {at:?}"));
        }
        if let (Some(old), Some(new)) = (number(before, "/restarts"), number(after, "/restarts")) {
            let anew = number(before, "/attempt") != number(after, "/attempt");
            if new > old + 1 || (new != old && !anew) {
                found.push(format!("I9 restarts from {old} to {new} at {at:?}"));
            }
        }
        for fixed in ["finishTime", "runtime"] {
            if before[fixed].is_string() && before[fixed] != after[fixed] {
                found.push(format!(
                    "I9 {fixed} from {} to {} at {at:?}",
                    before[fixed], after[fixed]
                ));
            }
        }
    }
}

fn storage(run: &Run, found: &mut Vec<String>) {
    // When each session began to go.
    let mut going: BTreeSet<&str> = BTreeSet::new();
    let mut live: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in &run.history {
        match &entry.what {
            What::Stored {
                key, kind, object, ..
            } if key.resource == SESSIONS => {
                let marked = object["metadata"]["deletionTimestamp"].is_string();
                if marked || *kind == ChangeKind::Deleted {
                    going.insert(object["metadata"]["uid"].as_str().unwrap_or_default());
                }
            }
            What::Container { id, uid, state, .. } => {
                let of = live.entry(uid).or_default();
                if state.is_live() {
                    of.insert(id);
                } else {
                    of.remove(id.as_str());
                }
            }
            What::Volume {
                name,
                uid,
                exists: false,
            } if entry.who.starts_with("controller") => {
                if !going.contains(uid.as_str()) {
                    found.push(format!(
                        "I10 volume {name} went before its session at {:?}",
                        entry.at
                    ));
                }
                if live.get(uid.as_str()).is_some_and(|live| !live.is_empty()) {
                    found.push(format!(
                        "I10 volume {name} went under a live container at {:?}",
                        entry.at
                    ));
                }
            }
            What::Stored { .. } | What::Volume { .. } | What::Note(_) => {}
        }
    }
}

/// How the containers lived: attempt and state, in order.
fn lives(run: &Run) -> Vec<(i32, Life)> {
    let mut lives = Vec::new();
    for entry in &run.history {
        if let What::Container { attempt, state, .. } = &entry.what {
            // A signal sent twice is one signal.
            let life = (*attempt, *state);
            if *state != Life::Signalled || lives.last() != Some(&life) {
                lives.push(life);
            }
        }
    }
    lives
}

fn same_lives(run: &Run, clean: &Run, found: &mut Vec<String>) {
    let (ours, theirs) = (lives(run), lives(clean));
    if ours != theirs {
        found.push(format!(
            "I5 containers lived {ours:?}, undisturbed {theirs:?}"
        ));
    }
}

fn same_end(run: &Run, clean: &Run, found: &mut Vec<String>) {
    let all = |run: &Run| run.sessions.iter().map(masked).collect::<Vec<_>>();
    let (ours, theirs) = (all(run), all(clean));
    if ours != theirs {
        found.push(format!(
            "end state {}, undisturbed {}",
            Value::from(ours),
            Value::from(theirs)
        ));
    }
    let names = |run: &Run| {
        run.volumes
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    if names(run) != names(clean) {
        found.push(format!(
            "volumes {:?}, undisturbed {:?}",
            names(run),
            names(clean)
        ));
    }
}

/// Without times and versions, which differ between two runs.
fn masked(session: &Value) -> Value {
    let mut session = session.clone();
    let metadata = session["metadata"].as_object_mut().expect("an object");
    for differs in ["resourceVersion", "creationTimestamp", "managedFields"] {
        metadata.remove(differs);
    }
    mask(&mut session);
    session
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
