//! Which parts the controller needs, and which of them are there. Never blocks beyond a short lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// One thing that must be there for sessions to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    ApiServer,
    Sessions,
    Games,
    Engine,
    Lease,
    /// The cluster as a runtime beside an engine, where a process serves both.
    Cluster,
    ClusterLease,
}

impl Part {
    pub const ALL: [Part; 7] = [
        Part::ApiServer,
        Part::Sessions,
        Part::Games,
        Part::Engine,
        Part::Lease,
        Part::Cluster,
        Part::ClusterLease,
    ];
    /// Those that only a process with two runtimes needs.
    const BESIDE: [Part; 2] = [Part::Cluster, Part::ClusterLease];

    /// Label for metrics, logs and `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::ApiServer => "api-server",
            Part::Sessions => "gamesessions",
            Part::Games => "games",
            Part::Engine => "engine",
            Part::Lease => "lease",
            Part::Cluster => "cluster",
            Part::ClusterLease => "cluster-lease",
        }
    }
}

/// The parts, each there or missing with a reason; a copy is the same.
#[derive(Clone, Debug)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    needed: BTreeSet<Part>,
    missing: BTreeMap<Part, String>,
    /// By the Lease that it is about.
    leading: BTreeMap<Part, String>,
}

impl Health {
    /// Everything is missing until it was seen.
    pub fn new() -> Self {
        let health = Health(Arc::new(Mutex::new(State {
            needed: BTreeSet::new(),
            missing: BTreeMap::new(),
            leading: BTreeMap::from([(Part::Lease, "no claim yet".to_owned())]),
        })));
        for part in Part::ALL {
            if !Part::BESIDE.contains(&part) {
                health.needs(part);
            }
        }
        health
    }

    /// This part must be there too.
    pub fn needs(&self, part: Part) {
        self.lock(|state| {
            state.needed.insert(part);
            state.missing.insert(part, "not reached yet".to_owned());
        });
    }

    /// The parts that must be there.
    pub fn needed(&self) -> Vec<Part> {
        self.lock(|state| state.needed.iter().copied().collect())
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
    pub fn leads(&self, lease: Part, words: String) {
        self.lock(|state| state.leading.insert(lease, words));
    }

    pub fn is_missing(&self, part: Part) -> bool {
        self.lock(|state| state.missing.contains_key(&part))
    }

    /// Whether every part is there, and a line for each.
    pub fn report(&self) -> (bool, String) {
        self.lock(|state| {
            let mut text = String::new();
            for part in &state.needed {
                let line = match state.missing.get(part) {
                    Some(why) => format!("[-] {}: {why}\n", part.as_str()),
                    None => format!("[+] {}\n", part.as_str()),
                };
                text.push_str(&line);
            }
            for words in state.leading.values() {
                text.push_str(&format!("[ ] leader: {words}\n"));
            }
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
        for part in Part::ALL
            .into_iter()
            .filter(|part| !Part::BESIDE.contains(part))
        {
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

    #[test]
    fn a_second_runtime_is_waited_for_only_where_there_is_one() {
        let health = Health::new();
        for part in health.needed() {
            health.there(part);
        }
        assert!(health.report().0);
        health.needs(Part::Cluster);
        let (ready, text) = health.report();
        assert!(
            !ready && text.contains("[-] cluster: not reached yet"),
            "{text}"
        );
    }
}
