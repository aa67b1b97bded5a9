//! Which parts the controller needs, and which of them are there. Never blocks beyond a short lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One thing that must be there for sessions to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    ApiServer,
    Sessions,
    Games,
    Engine,
}

impl Part {
    pub const ALL: [Part; 4] = [Part::ApiServer, Part::Sessions, Part::Games, Part::Engine];

    /// Label for metrics, logs and `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::ApiServer => "api-server",
            Part::Sessions => "gamesessions",
            Part::Games => "games",
            Part::Engine => "engine",
        }
    }
}

/// The parts, each there or missing with a reason; a copy is the same.
#[derive(Clone, Debug)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    missing: BTreeMap<Part, String>,
    leading: String,
}

impl Health {
    /// Everything is missing until it was seen.
    pub fn new() -> Self {
        let missing = Part::ALL.map(|part| (part, "not reached yet".to_owned()));
        Health(Arc::new(Mutex::new(State {
            missing: missing.into(),
            leading: "no claim yet".to_owned(),
        })))
    }

    /// The part is there. Logs the change.
    pub fn there(&self, part: Part) {
        let before = self.lock(|state| state.missing.remove(&part));
        if before.is_some() {
            tracing::info!(part = part.as_str(), "part is there");
        }
    }

    /// The part is missing, for this reason. Logs a change of the reason.
    pub fn missing(&self, part: Part, why: String) {
        let before = self.lock(|state| state.missing.insert(part, why.clone()));
        if before.as_deref() != Some(&why) {
            tracing::warn!(part = part.as_str(), why, "part is missing, waiting for it");
        }
    }

    /// What `/readyz` says about leadership; it never makes the process unready, a standby is a ready one.
    pub fn leads(&self, words: String) {
        self.lock(|state| state.leading = words);
    }

    pub fn is_missing(&self, part: Part) -> bool {
        self.lock(|state| state.missing.contains_key(&part))
    }

    /// Whether every part is there, and a line for each.
    pub fn report(&self) -> (bool, String) {
        self.lock(|state| {
            let mut text = String::new();
            for part in Part::ALL {
                let line = match state.missing.get(&part) {
                    Some(why) => format!("[-] {}: {why}\n", part.as_str()),
                    None => format!("[+] {}\n", part.as_str()),
                };
                text.push_str(&line);
            }
            text.push_str(&format!("[ ] leader: {}\n", state.leading));
            (state.missing.is_empty(), text)
        })
    }

    fn lock<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Health {
    fn default() -> Self {
        Health::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_once_every_part_was_seen_and_the_missing_one_is_named() {
        let health = Health::new();
        for part in Part::ALL {
            assert!(!health.report().0);
            health.there(part);
        }
        assert!(health.report().0);
        health.missing(Part::Engine, "connection refused".to_owned());
        let (ready, text) = health.report();
        assert!(!ready);
        assert!(text.contains("[-] engine: connection refused"), "{text}");
        assert!(text.contains("[+] gamesessions"), "{text}");
    }
}
