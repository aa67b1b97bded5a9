//! I10: storage never goes before its session, and never under a game.

use std::collections::{BTreeMap, BTreeSet};

use super::story::{Story, at, is_session, uid};
use crate::apiserver::ChangeKind;
use crate::history::What;

pub fn judge(story: &Story<'_>, wrong: &mut Vec<String>) {
    // Sessions that began to go, or had finished.
    let mut going: BTreeSet<&str> = BTreeSet::new();
    let mut live: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in story.entries {
        match &entry.what {
            What::Stored {
                key, kind, object, ..
            } if is_session(key) => {
                let marked = object["metadata"]["deletionTimestamp"].is_string();
                if marked || *kind == ChangeKind::Deleted {
                    going.insert(uid(object));
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
                    wrong.push(format!(
                        "I10 volume {name} went before its session at {:.3}",
                        at(entry)
                    ));
                }
                if live.get(uid.as_str()).is_some_and(|live| !live.is_empty()) {
                    wrong.push(format!(
                        "I10 volume {name} went under a live container at {:.3}",
                        at(entry)
                    ));
                }
            }
            What::Stored { .. }
            | What::Volume { .. }
            | What::Engine(_)
            | What::Died(_)
            | What::Note(_) => {}
        }
    }
}
