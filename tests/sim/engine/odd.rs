//! Answers that the daemon gives in place of what it was asked to do, creates that arrive late, removals that take long.

use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::keys;

use super::life::no_such;
use super::{Does, Engine, Inside, Refusal};
use crate::history::{Life, What};

/// A call that controllers make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Create,
    Start,
    Stop,
    Kill,
    Remove,
    CreateVolume,
    RemoveVolume,
}

/// What the daemon answers to the next calls of one kind.
pub(super) struct Odd {
    call: Call,
    refusal: Refusal,
    /// None: until somebody mends it.
    times: Option<u32>,
}

/// Nothing was to be done: no refusal.
const NOT_MODIFIED: u16 = 304;

impl Engine {
    /// The daemon answers so to the next calls of this kind, and does nothing; None: to all, until it is mended.
    pub fn answer(&self, call: Call, status: u16, words: &str, times: Option<u32>) {
        let refusal = Refusal::new(status, words.to_owned());
        self.lock().odd.push(Odd {
            call,
            refusal,
            times,
        });
    }

    /// It does again what it is asked.
    pub fn mend(&self) {
        self.lock().odd.clear();
    }

    /// What the daemon answers: in its odd hours something else than what the act would.
    pub(super) fn asked<T: Default>(
        &self,
        call: Call,
        act: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        match self.odd(call) {
            Some(Refusal {
                status: NOT_MODIFIED,
                ..
            }) => Ok(T::default()),
            Some(refusal) => Err(refusal),
            None => act(),
        }
    }

    fn odd(&self, call: Call) -> Option<Refusal> {
        let mut state = self.lock();
        let at = state.odd.iter().position(|odd| odd.call == call)?;
        let odd = &mut state.odd[at];
        let refusal = odd.refusal.clone();
        if let Some(times) = &mut odd.times {
            *times -= 1;
            if *times == 0 {
                state.odd.remove(at);
            }
        }
        Some(refusal)
    }

    /// A create of this session that was on its way for long arrives, as the attempt and under the name that it had.
    pub fn create_late(&self, uid: &str, attempt: i32, name: &str) -> Result<(), Refusal> {
        let last = self.lock().asked_for.get(uid).cloned();
        let Some(mut spec) = last else {
            return Err(Refusal::new(
                404,
                format!("nobody ever asked for one of {uid}"),
            ));
        };
        spec.attempt = attempt;
        name.clone_into(&mut spec.name);
        spec.labels
            .insert(keys::ATTEMPT.to_owned(), attempt.to_string());
        self.create(&spec, "world")
    }

    /// Somebody removes it by force, and its files are so many that it takes this long.
    pub fn remove_slowly(self: &Arc<Self>, id: &str, takes: Duration) -> Result<(), Refusal> {
        let state = match self.lock().containers.get(id) {
            Some(c) => c.state.clone(),
            None => return Err(no_such(id)),
        };
        match state {
            Inside::Going => return Err(under_way(id)),
            Inside::Live { .. } => self.kill(id, "world")?,
            Inside::Created { .. } | Inside::Exited { .. } => {}
        }
        if let Some(c) = self.lock().containers.get_mut(id) {
            c.state = Inside::Going;
        }
        let id = id.to_owned();
        self.later(takes, move |engine| {
            if let Some(c) = engine.lock().containers.remove(&id) {
                engine.note("world", &id, &c, Life::Removed);
                engine.tell(&id, &c, Does::Destroy);
            }
        });
        Ok(())
    }

    /// The containers of this session.
    pub fn ids_of(&self, uid: &str) -> Vec<String> {
        let state = self.lock();
        let own = state.containers.iter().filter(|(_, c)| c.uid == uid);
        own.map(|(id, _)| id.clone()).collect()
    }

    /// The digest of what the session's container was made from.
    pub fn digest_of(&self, uid: &str) -> Option<String> {
        let state = self.lock();
        let own = state.containers.values().find(|c| c.uid == uid)?;
        own.terms().map(|terms| terms.digest)
    }

    /// A signal to end has reached a container of this session, whoever sent it.
    pub fn was_told(&self, uid: &str) -> bool {
        self.history.any(|entry| match &entry.what {
            What::Container { uid: of, state, .. } => of == uid && *state == Life::Signalled,
            _ => false,
        })
    }

    /// The words that `inspect` has for the containers of this session.
    pub fn states_of(&self, uid: &str) -> Vec<&'static str> {
        let state = self.lock();
        let own = state.containers.values().filter(|c| c.uid == uid);
        own.map(|c| match c.state {
            Inside::Created { .. } => "created",
            Inside::Live { paused: true, .. } => "paused",
            Inside::Live { paused: false, .. } => "running",
            Inside::Exited { .. } => "exited",
            Inside::Going => "removing",
        })
        .collect()
    }
}

pub(super) fn under_way(id: &str) -> Refusal {
    let words = format!("removal of container {id} is already in progress");
    Refusal::new(409, words)
}
