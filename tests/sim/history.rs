//! What happened, for whoever judges it: every committed write to the API server and every change of a container.
//!
//! The checker reads this and nothing else. Never blocks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::watch;

use super::apiserver::{ChangeKind, Key};

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Since the world began.
    pub at: SignedDuration,
    /// `user`, `controller-1`, `engine`, `world`, …
    pub who: String,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// A change of an object was committed.
    Stored {
        key: Key,
        kind: ChangeKind,
        /// After it; of a deletion the last state.
        object: Arc<Value>,
        before: Option<Arc<Value>>,
    },
    /// A container came, changed, or went.
    Container {
        id: String,
        uid: String,
        attempt: i32,
        state: Life,
    },
    /// Storage came or went.
    Volume {
        name: String,
        uid: String,
        exists: bool,
    },
    /// What of the engine shows on no container.
    Engine(Told),
    /// The controller of this name is dead, and all that it remembered is lost.
    Died(String),
    /// Something the world did: an outage, a game's own end.
    Note(String),
}

/// What an engine could tell, beside what its containers show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A pull began that takes so long.
    Pull { image: String, takes: Duration },
    /// This container was not started, since something else has this port.
    PortTaken { id: String, port: u16 },
    /// It is away, hangs, or is another engine from now on.
    Away,
    /// It answers again.
    Back,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Created,
    Running,
    Paused,
    /// Told to end.
    Signalled,
    Exited(i32),
    Removed,
}

impl Life {
    pub fn is_live(self) -> bool {
        match self {
            Life::Running | Life::Paused | Life::Signalled => true,
            Life::Created | Life::Exited(_) | Life::Removed => false,
        }
    }
}

impl Entry {
    /// As one line; Leases and Events are left to their names.
    pub fn line(&self) -> String {
        let at = self.at.as_secs_f64();
        let what = match &self.what {
            What::Stored {
                key, kind, object, ..
            } => {
                let shown = if key.resource.starts_with("game") {
                    object.to_string()
                } else {
                    String::new()
                };
                format!("{kind:?} {} {} {shown}", key.resource, key.name)
            }
            What::Container {
                id, attempt, state, ..
            } => {
                format!(
                    "container {} of attempt {attempt}: {state:?}",
                    &id[id.len() - 4..]
                )
            }
            What::Volume { name, exists, .. } => format!("volume {name} exists: {exists}"),
            What::Engine(told) => format!("engine: {told:?}"),
            What::Died(name) => format!("{name} died"),
            What::Note(text) => text.clone(),
        };
        format!("{at:9.3} {} {what}", self.who)
    }
}

/// The log; a copy is the same log.
#[derive(Clone, Debug, Default)]
pub struct History {
    entries: Arc<Mutex<Vec<Entry>>>,
    grown: watch::Sender<()>,
}

impl History {
    pub fn add(&self, at: SignedDuration, who: &str, what: What) {
        let who = who.to_owned();
        self.lock().push(Entry { at, who, what });
        self.grown.send_replace(());
    }

    /// Changes with every entry.
    pub fn grows(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    /// Whether some entry is so.
    pub fn any(&self, is_so: impl Fn(&Entry) -> bool) -> bool {
        self.lock().iter().any(is_so)
    }

    /// When the last entry was made that is so.
    pub fn last(&self, is_so: impl Fn(&Entry) -> bool) -> Option<SignedDuration> {
        let entries = self.lock();
        entries
            .iter()
            .rev()
            .find(|entry| is_so(entry))
            .map(|entry| entry.at)
    }

    /// What this finds first.
    pub fn first<T>(&self, of: impl Fn(&Entry) -> Option<T>) -> Option<T> {
        self.lock().iter().find_map(of)
    }

    /// All of it, where nobody adds to it or reads it any more.
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.lock())
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// Who did the last thing that fits.
    pub fn who_last(&self, fits: impl Fn(&What) -> bool) -> Option<String> {
        let log = self.lock();
        let last = log.iter().rfind(|entry| fits(&entry.what));
        last.map(|entry| entry.who.clone())
    }

    /// How long the log is: two equal lengths mean that nothing happened in between.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
