//! The lines of the journal, one after the other -> what is on the engine now. Pure.
//!
//! The order of the lines decides: one that contradicts those before it changes nothing, in every process
//! alike. What a container was made with stays in the file, so that 10,000 of them weigh little here: memory
//! is one of the figures that are measured.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use super::line::Line;

/// Where a line stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// What happened to a container since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Created,
    Running {
        started: Timestamp,
    },
    Exited {
        started: Timestamp,
        code: i32,
        at: Timestamp,
    },
}

/// One container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The line that made it.
    pub(super) created: Place,
    /// Of its id, which stands in that line.
    mark: u64,
    pub(super) state: State,
}

impl Record {
    pub(super) fn is(&self, id: &str) -> bool {
        self.mark == mark(id)
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
}

/// What one session has on the engine. A container's name is made from its session's uid, so that a session
/// has at most one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Held {
    pub(super) container: Option<Record>,
    /// Names, with the lines that made them.
    pub(super) storage: Vec<(Box<str>, Place)>,
}

/// Everything on the engine, by the uid of its session.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fold {
    held: HashMap<Box<str>, Held>,
}

impl Fold {
    pub(super) fn container(&self, uid: &str) -> Option<Record> {
        self.held.get(uid)?.container
    }

    /// The session's container, if its id is this one.
    pub(super) fn named(&self, uid: &str, id: &str) -> Option<Record> {
        self.container(uid).filter(|record| record.is(id))
    }

    /// Names of the session's storage, sorted.
    pub(super) fn storage(&self, uid: &str) -> Vec<String> {
        let stored = self.held.get(uid).into_iter().flat_map(|h| &h.storage);
        let mut names: Vec<String> = stored.map(|(name, _)| name.to_string()).collect();
        names.sort_unstable();
        names
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    /// Takes one line in. The uid of the session whose things it changed; None: it changed nothing.
    pub(super) fn apply(&mut self, line: Line, place: Place) -> Option<String> {
        match line {
            Line::Engine { .. } => None,
            Line::Created(made) => {
                let held = self.held.entry(made.of.uid.as_str().into()).or_default();
                if held.container.is_some() {
                    return None;
                }
                held.container = Some(Record {
                    created: place,
                    mark: mark(&made.id),
                    state: State::Created,
                });
                Some(made.of.uid)
            }
            Line::Started { uid, id, at } => {
                let record = self.record(&uid, &id)?;
                (record.state == State::Created).then(|| {
                    record.state = State::Running { started: at };
                    uid
                })
            }
            Line::Exited { uid, id, code, at } => {
                let record = self.held.get_mut(uid.as_str())?.container.as_mut()?;
                match record.state {
                    State::Running { started } if id.is_none_or(|id| record.is(&id)) => {
                        record.state = State::Exited { started, code, at };
                        Some(uid)
                    }
                    State::Running { .. } | State::Created | State::Exited { .. } => None,
                }
            }
            Line::Removed { uid, id } => {
                if self.record(&uid, &id)?.runs() {
                    return None;
                }
                self.held.get_mut(uid.as_str())?.container = None;
                self.tidy(&uid);
                Some(uid)
            }
            Line::StorageMade(stored) => {
                let held = self.held.entry(stored.of.uid.as_str().into()).or_default();
                if held.storage.iter().any(|(name, _)| **name == *stored.name) {
                    return None;
                }
                held.storage.push((stored.name.into(), place));
                Some(stored.of.uid)
            }
            Line::StorageRemoved { uid, name } => {
                let storage = &mut self.held.get_mut(uid.as_str())?.storage;
                let before = storage.len();
                storage.retain(|(known, _)| **known != *name);
                let changed = storage.len() < before;
                self.tidy(&uid);
                changed.then_some(uid)
            }
        }
    }

    fn record(&mut self, uid: &str, id: &str) -> Option<&mut Record> {
        let record = self.held.get_mut(uid)?.container.as_mut();
        record.filter(|record| record.is(id))
    }

    /// A session that has nothing any more is not remembered.
    fn tidy(&mut self, uid: &str) {
        if self
            .held
            .get(uid)
            .is_some_and(|held| *held == Held::default())
        {
            self.held.remove(uid);
        }
    }
}

/// 64 bits tell two containers of one session apart.
fn mark(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
