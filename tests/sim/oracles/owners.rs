//! I2, I7: nothing is left without a live owner, nothing is left of what is at rest, and what was deleted is gone.

use std::collections::BTreeSet;

use super::story::{Story, text, uid};

/// The phases in which no container is left.
const AT_REST: [&str; 4] = ["Stopped", "Succeeded", "Failed", "TimedOut"];

pub fn judge(story: &Story<'_>, wrong: &mut Vec<String>) {
    let owners: BTreeSet<&str> = story
        .sessions
        .values()
        .map(|session| uid(session))
        .collect();
    for (id, (uid, ..)) in &story.containers {
        // A stranger's has no session to miss.
        if !uid.is_empty() && !owners.contains(uid) {
            wrong.push(format!("I2 container {id} has no session"));
        }
    }
    for (name, uid) in &story.volumes {
        if !uid.is_empty() && !owners.contains(uid) {
            wrong.push(format!("I2 volume {name} has no session"));
        }
    }
    for (name, session) in &story.sessions {
        let phase = text(session, "/status/phase");
        let own = story.containers.values().filter(|c| c.0 == uid(session));
        let left = own.count();
        if AT_REST.contains(&phase) && left > 0 {
            wrong.push(format!(
                "I2 {name}: phase {phase}, and {left} containers are left"
            ));
        }
        if session["metadata"]["deletionTimestamp"].is_string() {
            wrong.push(format!("I7 {name}: deleted, and not gone"));
        }
    }
}
