//! A history, read: which sessions and containers there were, and what was known of them when.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::apiserver::{ChangeKind, Key};
use crate::history::{Entry, Life, What};
use crate::world::SESSIONS;

pub fn is_session(key: &Key) -> bool {
    key.resource == SESSIONS
}

/// One history, with what it leaves at its end.
pub struct Story<'a> {
    pub entries: &'a [Entry],
    /// By name.
    pub sessions: BTreeMap<&'a str, &'a Value>,
    /// By id, with uid, attempt and how it stands; removed ones are not there.
    pub containers: BTreeMap<&'a str, (&'a str, i32, Life)>,
    /// By name, with uid.
    pub volumes: BTreeMap<&'a str, &'a str>,
    /// What each uid was called.
    pub names: BTreeMap<&'a str, &'a str>,
    /// By id: the how many-th container of its session it is, as they were made.
    pub places: BTreeMap<&'a str, usize>,
}

impl<'a> Story<'a> {
    pub fn of(entries: &'a [Entry]) -> Story<'a> {
        let mut story = Story {
            entries,
            sessions: BTreeMap::new(),
            containers: BTreeMap::new(),
            volumes: BTreeMap::new(),
            names: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        let mut made: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in entries {
            match &entry.what {
                What::Stored {
                    key, kind, object, ..
                } if is_session(key) => {
                    story.names.insert(uid(object), &key.name);
                    if *kind == ChangeKind::Deleted {
                        story.sessions.remove(key.name.as_str());
                    } else {
                        story.sessions.insert(&key.name, object);
                    }
                }
                What::Container {
                    id,
                    state: Life::Removed,
                    ..
                } => {
                    story.containers.remove(id.as_str());
                }
                What::Container {
                    id,
                    uid,
                    attempt,
                    state,
                } => {
                    story.places.entry(id).or_insert_with(|| {
                        let made = made.entry(uid).or_default();
                        *made += 1;
                        *made
                    });
                    let stands = (uid.as_str(), *attempt, *state);
                    story.containers.insert(id, stands);
                }
                What::Volume { name, uid, exists } => {
                    if *exists {
                        story.volumes.insert(name, uid);
                    } else {
                        story.volumes.remove(name.as_str());
                    }
                }
                What::Stored { .. } | What::Engine(_) | What::Died(_) | What::Note(_) => {}
            }
        }
        story
    }

    /// The name of whoever had this uid.
    pub fn name(&self, uid: &str) -> &'a str {
        self.names.get(uid).copied().unwrap_or_default()
    }
}

pub fn uid(session: &Value) -> &str {
    session["metadata"]["uid"].as_str().unwrap_or_default()
}

pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

pub fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// When, in the world's seconds.
pub fn at(entry: &Entry) -> f64 {
    entry.at.as_secs_f64()
}
