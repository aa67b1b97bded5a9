//! What a process makes of what it sees: looks, answers of games, lists.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dillinger_runner::api::keys;
use dillinger_runner::runtime::{Hint, Look, Owned, OwnedKind};
use dillinger_runner::session::seen::{self, Answer, Container, Doubt, Seen};
use tokio::sync::mpsc;

use super::door::{Door, locked};
use super::memory::{Asked, Memory};
use super::{Engine, Inside, Kept, TRAVEL};

impl Door {
    pub(super) fn look_now(&self, look: &Look<'_>) -> Seen {
        let found = self.engine.host().id;
        let same = look.engine.is_none_or(|recorded| *recorded == found);
        let listed = self.memory().take_listed(&look.key.uid);
        let known =
            |c: &Container| c.name == look.key.container_name && Some(c.attempt) == look.attempt;
        if let Some(container) = listed.filter(|c| same && !look.probe && known(c)) {
            return Seen::Running(container, Answer::NotAsked);
        }
        if let Some(recorded) = look.engine.filter(|_| !same) {
            return Seen::Unknown(Doubt::EngineMismatch {
                recorded: recorded.0.clone(),
                found: found.0,
            });
        }
        let hits = {
            let state = self.engine.lock();
            let hits = state.containers.iter().filter_map(|(id, c)| {
                if c.uid == look.key.uid {
                    Some(c.seen(id, state.started))
                } else if c.name == look.key.container_name {
                    Some(Seen::Foreign(id.clone()))
                } else {
                    None
                }
            });
            hits.collect()
        };
        let seen = match seen::select(hits, look.attempt) {
            Seen::Running(container, _) => {
                let answer = self.answer(&container, &look.key.uid, look.probe);
                Seen::Running(container, answer)
            }
            Seen::Exited(container, exit) => {
                self.memory().asked.remove(&container.id.0);
                Seen::Exited(container, exit)
            }
            other => other,
        };
        self.remember_waiting(&look.key.uid, &seen);
        seen
    }

    fn remember_waiting(&self, uid: &str, seen: &Seen) {
        let mut memory = self.memory();
        match seen {
            Seen::Absent | Seen::Foreign(_) => {
                memory.waiting.insert(uid.to_owned());
            }
            Seen::Unknown(_) => {}
            Seen::Created(..)
            | Seen::Running(..)
            | Seen::Paused(_)
            | Seen::Going
            | Seen::Exited(..) => {
                memory.waiting.remove(uid);
            }
        }
    }

    /// The first question has no answer yet; a hint comes with it, and another when the game is ready.
    fn answer(&self, container: &seen::Container, uid: &str, probe: bool) -> Answer {
        let Some(terms) = &container.terms else {
            return Answer::CannotTell(format!("its label {} is not understood", keys::CONTRACT));
        };
        if terms.readiness.is_none() {
            return Answer::Ready;
        }
        let id = &container.id.0;
        let known = if probe {
            self.memory().asked.get(id).copied()
        } else {
            self.memory().asked.remove(id)
        };
        match known {
            Some(Asked::Ready) => return Answer::Ready,
            Some(Asked::NotReady) => return Answer::NotReady("nothing answers".to_owned()),
            Some(Asked::NotYet) => return Answer::NotAsked,
            None => {}
        }
        if probe {
            self.memory().asked.insert(id.clone(), Asked::NotYet);
            tokio::spawn(keep_asking(
                self.engine.clone(),
                self.memory.clone(),
                self.own.clone(),
                id.clone(),
                uid.to_owned(),
            ));
        }
        Answer::NotAsked
    }

    fn owned(&self, labels: &BTreeMap<String, String>, kind: OwnedKind, id: &str) -> Option<Owned> {
        let label = |key: &str| labels.get(key).cloned();
        let ours = self.owner.as_ref().is_none_or(|owner| {
            label(keys::CLUSTER).as_ref() == Some(&owner.cluster)
                && label(keys::CONTROLLER).as_ref() == Some(&owner.controller)
        });
        Some(Owned {
            namespace: label(keys::NAMESPACE).filter(|_| ours)?,
            session: label(keys::SESSION)?,
            uid: label(keys::UID)?,
            kind,
            id: id.to_owned(),
        })
    }

    pub(super) fn list_now(&self) -> Vec<Owned> {
        let state = self.engine.lock();
        let containers = state.containers.iter().filter_map(|(id, c)| {
            let running = c.is_live();
            self.owned(&c.spec.labels, OwnedKind::Container { running }, id)
        });
        let volumes = state
            .volumes
            .iter()
            .filter_map(|(name, labels)| self.owned(labels, OwnedKind::Storage, name));
        containers.chain(volumes).collect()
    }
}

/// Asks until the game is ready, or nobody asks any more.
async fn keep_asking(
    engine: Arc<Engine>,
    memory: Arc<Mutex<Memory>>,
    own: mpsc::UnboundedSender<Hint>,
    id: String,
    uid: String,
) {
    tokio::time::sleep(TRAVEL).await;
    loop {
        let ready_at = engine.lock().containers.get(&id).and_then(|c| c.ready_at);
        let now = engine.clock.elapsed();
        let told = match ready_at {
            Some(at) if at <= now => Asked::Ready,
            Some(_) | None => Asked::NotReady,
        };
        let before = {
            let mut memory = locked(&memory);
            let Some(known) = memory.asked.get_mut(&id) else {
                return;
            };
            std::mem::replace(known, told)
        };
        if before != told {
            let _ = own.send(Hint::Session(uid.clone()));
        }
        match ready_at {
            Some(at) if told == Asked::NotReady => {
                let wait = Duration::try_from(at - now).unwrap_or_default();
                tokio::time::sleep(wait + TRAVEL).await;
            }
            Some(_) | None => return,
        }
    }
}

impl Engine {
    /// Sessions whose only container runs, as a list shows them: all but when they were started.
    pub(super) fn running(&self) -> BTreeMap<String, Container> {
        let state = self.lock();
        let mut all: BTreeMap<&str, Vec<(&String, &Kept)>> = BTreeMap::new();
        for (id, c) in state.containers.iter().filter(|(_, c)| !c.uid.is_empty()) {
            all.entry(&c.uid).or_default().push((id, c));
        }
        let only = |(uid, hits): (&str, Vec<(&String, &Kept)>)| match hits[..] {
            [(id, c)] if matches!(c.state, Inside::Live { paused: false, .. }) => {
                let mut container = c.container(id);
                container.started = None;
                Some((uid.to_owned(), container))
            }
            _ => None,
        };
        all.into_iter().filter_map(only).collect()
    }
}
