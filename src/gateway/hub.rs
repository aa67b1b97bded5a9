//! Who listens to changes, and what each listener has still to be told.
//!
//! A listener that is slow is told the last state of each session and not every one between; one that is slower than
//! that is told to begin anew. Nobody waits for a listener: memory is bounded by the number of listeners times
//! [`LONGEST`], and texts are shared. Never blocks beyond a short lock.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

/// Sessions with something untold, of one listener; more, and it begins anew.
const LONGEST: usize = 1_024;

/// One thing to tell: a session's state, or that it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Grows with each change.
    pub number: u64,
    pub kind: Kind,
    /// Whose session it is.
    pub user: Arc<str>,
    /// JSON: the session, or `{"id": …}` of one that is gone.
    pub text: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Session,
    Gone,
}

/// All listeners; a copy is the same.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    number: u64,
    listeners: Vec<Weak<Backlog>>,
}

/// What one listener has still to be told.
#[derive(Debug, Default)]
pub struct Backlog {
    untold: Mutex<Untold>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Untold {
    /// Sessions with a change, the longest untold first.
    order: VecDeque<String>,
    changes: HashMap<String, Change>,
    /// Too much was untold: the listener begins anew.
    anew: bool,
}

/// What a listener is told next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Changes(Vec<Change>),
    /// It was too slow: what it knows is worth nothing.
    Anew,
}

impl Hub {
    /// A listener from now on. It ends when it is dropped.
    pub fn listen(&self) -> Arc<Backlog> {
        let backlog = Arc::new(Backlog::default());
        let mut state = self.lock();
        state.listeners.retain(|one| one.strong_count() > 0);
        state.listeners.push(Arc::downgrade(&backlog));
        backlog
    }

    /// Tells everybody of a session.
    pub fn tell(&self, id: &str, user: &str, kind: Kind, text: Arc<str>) {
        let mut state = self.lock();
        state.number += 1;
        let (number, user) = (state.number, Arc::<str>::from(user));
        for backlog in state.listeners.iter().filter_map(Weak::upgrade) {
            let change = Change {
                number,
                kind,
                user: user.clone(),
                text: text.clone(),
            };
            backlog.add(id, change);
        }
    }

    /// Number of the last change.
    pub fn number(&self) -> u64 {
        self.lock().number
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        let state = self.lock();
        state
            .listeners
            .iter()
            .filter(|one| one.strong_count() > 0)
            .count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backlog {
    fn add(&self, id: &str, change: Change) {
        let mut untold = self.lock();
        if untold.anew {
            return;
        }
        if untold.changes.insert(id.to_owned(), change).is_none() {
            untold.order.push_back(id.to_owned());
        }
        if untold.order.len() > LONGEST {
            *untold = Untold {
                anew: true,
                ..Untold::default()
            };
        }
        drop(untold);
        self.told.notify_one();
    }

    /// Waits for something to tell.
    pub async fn next(&self) -> Told {
        loop {
            if let Some(told) = self.take() {
                return told;
            }
            self.told.notified().await;
        }
    }

    /// What there is to tell now.
    pub fn take(&self) -> Option<Told> {
        let mut untold = self.lock();
        let Untold {
            order,
            mut changes,
            anew,
        } = std::mem::take(&mut *untold);
        if anew {
            return Some(Told::Anew);
        }
        let told: Vec<Change> = order.iter().filter_map(|id| changes.remove(id)).collect();
        (!told.is_empty()).then_some(Told::Changes(told))
    }

    fn lock(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn tell(hub: &Hub, id: &str, text: &str) {
        hub.tell(id, "ann", Kind::Session, text.into());
    }

    fn texts(told: Option<Told>) -> Vec<String> {
        match told {
            Some(Told::Changes(changes)) => changes.iter().map(|c| c.text.to_string()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everybody_is_told_each_change_in_its_order() {
        let hub = Hub::default();
        let (one, other) = (hub.listen(), hub.listen());
        for id in ["a", "b", "c"] {
            tell(&hub, id, id);
        }
        assert_eq!(texts(one.take()), ["a", "b", "c"]);
        assert_eq!(texts(other.take()), ["a", "b", "c"]);
        assert_eq!(one.take(), None);
    }

    #[test]
    fn a_slow_listener_is_told_the_last_state_of_each_session_only() {
        let hub = Hub::default();
        let slow = hub.listen();
        for (id, text) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("a", "a3")] {
            tell(&hub, id, text);
        }
        hub.tell("b", "ann", Kind::Gone, "b gone".into());
        assert_eq!(texts(slow.take()), ["a3", "b gone"]);
        assert_eq!(hub.number(), 5);
    }

    #[test]
    fn one_that_is_slower_than_its_backlog_begins_anew_and_costs_nothing_until_then() {
        let hub = Hub::default();
        let slow = hub.listen();
        for number in 0..=LONGEST {
            tell(&hub, &format!("s{number}"), "x");
        }
        tell(&hub, "late", "x");
        assert!(slow.lock().changes.is_empty());
        assert_eq!(slow.take(), Some(Told::Anew));
        tell(&hub, "a", "a");
        assert_eq!(texts(slow.take()), ["a"]);
    }

    #[test]
    fn one_that_went_is_told_nothing_and_counts_no_more() {
        let hub = Hub::default();
        let gone = hub.listen();
        let stays = hub.listen();
        drop(gone);
        tell(&hub, "a", "a");
        assert_eq!(hub.listeners(), 1);
        assert_eq!(texts(stays.take()), ["a"]);
    }

    #[tokio::test]
    async fn who_waits_is_told_when_something_comes() {
        let hub = Hub::default();
        let listener = hub.listen();
        assert!(listener.next().now_or_never().is_none());
        tell(&hub, "a", "a");
        assert_eq!(texts(listener.next().now_or_never()), ["a"]);
    }
}
