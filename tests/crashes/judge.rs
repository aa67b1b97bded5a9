//! What is right, seen from outside: by the engine's events and by what stands in the API server and on the engine.
//!
//! I1 at most one live container a session at every instant · I3 the status says what the engine shows · I5 containers
//! come and go as often as undisturbed · I8 a game that ran was not ended or started anew by the controller's death.
//! That nothing is left (I2, I7) and that the world stays (I10) is proved where a story ends.

use std::collections::{BTreeMap, BTreeSet};

use dillinger_runner::api::{ConditionStatus, GameSession, keys};
use serde_json::Value;

use crate::harness::Play;
use crate::harness::engine::text;
use crate::harness::play::{is, observed, phase_of};
use crate::life::Life;

/// What happened to containers often enough to be counted: with the exit code where one died.
const COUNTED: [&str; 4] = ["create", "start", "die", "destroy"];

/// What is wrong with a life, against the undisturbed one of its story.
pub fn apart(clean: &Life, lived: &Life) -> Vec<String> {
    let mut wrong = two_at_once(&lived.events);
    let (wanted, got) = (counts(&clean.events), counts(&lived.events));
    if wanted != got {
        wrong.push(format!("I5 {got:?}, undisturbed {wanted:?}"));
    }
    wrong
}

fn counts(events: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        let action = text(&event["Action"]);
        if COUNTED.contains(&action.as_str()) {
            let code = text(&event["Actor"]["Attributes"]["exitCode"]);
            let attempt = text(&event["Actor"]["Attributes"][keys::ATTEMPT]);
            let what = format!("{action} {code} of attempt {attempt}");
            *counts.entry(what).or_default() += 1;
        }
    }
    counts
}

fn two_at_once(events: &[Value]) -> Vec<String> {
    let mut live: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for event in events {
        let uid = text(&event["Actor"]["Attributes"][keys::UID]);
        let id = text(&event["Actor"]["ID"]);
        let of = live.entry(uid).or_default();
        match event["Action"].as_str() {
            Some("start") => {
                of.insert(id);
            }
            Some("die" | "destroy") => {
                of.remove(&id);
            }
            _ => {}
        }
        if of.len() > 1 {
            wrong.push(format!("I1 two live containers: {of:?}"));
        }
    }
    wrong
}

/// Waits until the status says what the engine shows.
pub async fn truthful(play: &Play<'_>) {
    play.until_seen("the status says what the engine shows", || async {
        let session = play.now().await;
        let containers = play.containers().await;
        says(&session, &containers).then_some(())
    })
    .await;
}

fn says(session: &GameSession, containers: &[Value]) -> bool {
    let Some(status) = &session.status else {
        return false;
    };
    let shown = match (phase_of(session).as_str(), containers) {
        ("Running", [container]) => {
            let id = status.container.as_ref().and_then(|c| c.id.clone());
            let attempt = text(&container["Labels"][keys::ATTEMPT]);
            let ports = container["Ports"].as_array().cloned().unwrap_or_default();
            let port = ports.iter().find_map(|p| p["PublicPort"].as_u64());
            let address = status.address.clone().unwrap_or_default();
            container["State"] == "running"
                && id == Some(text(&container["Id"]))
                && status.attempt.map(|n| n.to_string()) == Some(attempt)
                && port.is_some_and(|port| address.ends_with(&format!(":{port}")))
                && is(session, "Ready", ConditionStatus::True)
        }
        ("Stopped", []) => is(session, "Ready", ConditionStatus::False) && status.address.is_none(),
        _ => false,
    };
    shown && observed(session)
}
