//! Which session is looked at next: those that were named, each once and in the order in which they were first
//! named, and those whose time has come. Never two looks at one session at a time; one named during its look has
//! another after it, unless all that named it was a version which the look planned over; and a name consumes the
//! time that was agreed.
//!
//! Closed while nothing may be decided (caches cold, no claim): names are kept, none is given out.
//! Never blocks beyond a short lock.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::named::Named;

/// The sessions to look at; a copy is the same.
#[derive(Clone, Debug, Default)]
pub struct Triggers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    named: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Queued sessions, oldest first. One that was forgotten stays until its turn.
    order: VecDeque<Named>,
    sessions: HashMap<Named, Entry>,
    due: BTreeSet<(Instant, Named)>,
    open: bool,
}

#[derive(Debug)]
struct Entry {
    /// Named and not yet looked at since then.
    fired: Option<Instant>,
    stands: Stands,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Queued,
    Due(Instant),
    /// What named it meanwhile; 0: nothing.
    Looking {
        again: u64,
    },
}

/// Newer than any version: only another look answers it.
const ANYTHING: u64 = u64::MAX;

/// A session whose look begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub session: Named,
    /// Since when it waited, if it was named; it may have been just its time.
    pub fired: Option<Instant>,
}

impl Triggers {
    /// "Look at this session"; once is enough until its look begins.
    pub fn fire(&self, session: Named) {
        self.name(session, ANYTHING);
    }

    /// "This version of it came."
    pub fn came(&self, session: Named, version: u64) {
        self.name(session, version);
    }

    fn name(&self, session: Named, version: u64) {
        let mut state = self.lock();
        let now = Instant::now();
        let State {
            order,
            sessions,
            due,
            ..
        } = &mut *state;
        let entry = sessions.entry(session.clone()).or_insert_with(|| {
            order.push_back(session.clone());
            Entry {
                fired: None,
                stands: Stands::Queued,
            }
        });
        entry.fired.get_or_insert(now);
        match &mut entry.stands {
            Stands::Queued => {}
            Stands::Looking { again } => *again = version.max(*again),
            Stands::Due(at) => {
                due.remove(&(*at, session.clone()));
                entry.stands = Stands::Queued;
                order.push_back(session);
            }
        }
        drop(state);
        self.0.named.notify_one();
    }

    /// Begins to give turns, to the kept names first. They wait since now: nobody was to look before.
    pub fn open(&self) {
        let mut state = self.lock();
        if !state.open {
            let now = Instant::now();
            let waiting = state.sessions.values_mut();
            waiting
                .filter_map(|entry| entry.fired.as_mut())
                .for_each(|since| *since = now);
        }
        state.open = true;
        drop(state);
        self.0.named.notify_one();
    }

    /// Keeps names from now on.
    pub fn close(&self) {
        self.lock().open = false;
    }

    /// The next turn. Its look must be [`ended`](Self::ended).
    pub fn next(&self, now: Instant) -> Option<Turn> {
        let mut state = self.lock();
        if !state.open {
            return None;
        }
        while state.due.first().is_some_and(|(at, _)| *at <= now) {
            let (_, session) = state.due.pop_first().expect("there is a first");
            if let Some(entry) = state.sessions.get_mut(&session) {
                entry.stands = Stands::Queued;
                state.order.push_back(session);
            }
        }
        while let Some(session) = state.order.pop_front() {
            if let Some(entry) = state.sessions.get_mut(&session)
                && entry.stands == Stands::Queued
            {
                entry.stands = Stands::Looking { again: 0 };
                let fired = entry.fired.take();
                return Some(Turn { session, fired });
            }
        }
        None
    }

    /// A look ended. What it planned over last was this version, 0 where that is not known; the next is due then,
    /// None: only when it is named.
    pub fn ended(&self, session: Named, planned: u64, next: Option<Instant>) {
        let mut state = self.lock();
        let Some(entry) = state.sessions.get_mut(&session) else {
            return;
        };
        match (entry.stands, next) {
            (Stands::Looking { again }, _) if again > planned => {
                entry.stands = Stands::Queued;
                state.order.push_back(session);
            }
            (_, Some(at)) => {
                entry.fired = None;
                entry.stands = Stands::Due(at);
                state.due.insert((at, session));
            }
            (_, None) => {
                state.sessions.remove(&session);
            }
        }
    }

    /// The session is gone: no look at it will begin.
    pub fn forget(&self, session: &Named) {
        let mut state = self.lock();
        let Some(entry) = state.sessions.get_mut(session) else {
            return;
        };
        match entry.stands {
            // Its end takes it out.
            Stands::Looking { .. } => {
                entry.fired = None;
                entry.stands = Stands::Looking { again: 0 };
                return;
            }
            Stands::Queued => {}
            Stands::Due(at) => {
                state.due.remove(&(at, session.clone()));
            }
        }
        state.sessions.remove(session);
    }

    /// How many named sessions wait for a look.
    pub fn depth(&self) -> usize {
        let state = self.lock();
        let waiting = state.sessions.values();
        waiting.filter(|entry| entry.fired.is_some()).count()
    }

    /// When the next session is due; None while closed.
    pub fn due(&self) -> Option<Instant> {
        let state = self.lock();
        let first = state.due.first().filter(|_| state.open);
        first.map(|(at, _)| *at)
    }

    /// Until something was named, or the triggers were opened, since the last time. For one waiter.
    pub async fn named(&self) {
        self.0.named.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    fn session(name: &str) -> Named {
        Named::new(Some("games"), name)
    }

    fn open() -> Triggers {
        let triggers = Triggers::default();
        triggers.open();
        triggers
    }

    /// The name of the next turn.
    fn next(triggers: &Triggers) -> Option<String> {
        let turn = triggers.next(Instant::now())?;
        Some(turn.session.name().to_owned())
    }

    fn in_seconds(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_session_named_many_times_has_one_turn_and_in_order() {
        let triggers = open();
        for name in ["b", "a", "b", "c", "a"] {
            triggers.fire(session(name));
        }
        let names: Vec<_> = std::iter::from_fn(|| next(&triggers)).collect();
        assert_eq!(names, ["b", "a", "c"]);
    }

    #[test]
    fn one_named_many_times_during_its_look_has_one_more_after_it_and_never_two_at_once() {
        let triggers = open();
        triggers.fire(session("a"));
        assert!(next(&triggers).is_some());
        triggers.fire(session("a"));
        triggers.fire(session("a"));
        assert_eq!(next(&triggers), None);
        triggers.ended(session("a"), 0, Some(in_seconds(60)));
        assert!(next(&triggers).is_some());
        triggers.ended(session("a"), 0, None);
        assert_eq!(next(&triggers), None);
    }

    #[test]
    fn a_version_that_came_during_a_look_which_planned_over_it_asks_for_no_other() {
        let triggers = open();
        let seen = |came: &[u64], planned| {
            triggers.fire(session("a"));
            assert!(next(&triggers).is_some());
            for version in came {
                triggers.came(session("a"), *version);
            }
            triggers.ended(session("a"), planned, None);
            next(&triggers).is_some_and(|_| {
                triggers.ended(session("a"), 0, None);
                true
            })
        };
        assert!(!seen(&[7], 7));
        assert!(!seen(&[7, 8], 8));
        assert!(seen(&[7, 8], 7), "a newer one came");
        assert!(seen(&[8, 7], 7), "a newer one came first");
        assert!(seen(&[7], 0), "it is not known what was planned over");
        triggers.fire(session("a"));
        assert!(next(&triggers).is_some());
        triggers.fire(session("a"));
        triggers.came(session("a"), 7);
        triggers.ended(session("a"), 7, None);
        assert!(next(&triggers).is_some(), "something else named it too");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_has_a_turn_when_it_is_due_and_not_before() {
        let triggers = open();
        for (name, seconds) in [("late", 60), ("soon", 5)] {
            triggers.fire(session(name));
            assert!(next(&triggers).is_some());
            triggers.ended(session(name), 0, Some(in_seconds(seconds)));
        }
        assert_eq!(triggers.due(), Some(in_seconds(5)));
        assert_eq!(next(&triggers), None);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(next(&triggers).as_deref(), Some("soon"));
        assert_eq!(next(&triggers), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_consumes_the_time_that_was_agreed() {
        let triggers = open();
        triggers.fire(session("a"));
        assert!(next(&triggers).is_some());
        triggers.ended(session("a"), 0, Some(in_seconds(5)));
        triggers.fire(session("a"));
        assert!(next(&triggers).is_some());
        triggers.ended(session("a"), 0, None);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((next(&triggers), triggers.due()), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_gone_has_no_turn_whether_it_was_named_or_due() {
        let triggers = open();
        triggers.fire(session("due"));
        assert!(next(&triggers).is_some());
        triggers.ended(session("due"), 0, Some(in_seconds(5)));
        triggers.fire(session("named"));
        triggers.forget(&session("due"));
        triggers.forget(&session("named"));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((next(&triggers), triggers.due()), (None, None));
    }

    #[test]
    fn one_that_came_again_after_it_was_gone_has_one_turn() {
        let triggers = open();
        triggers.fire(session("a"));
        triggers.forget(&session("a"));
        triggers.fire(session("a"));
        assert!(next(&triggers).is_some());
        assert_eq!(next(&triggers), None, "the forgotten name gives no second");
    }

    #[test]
    fn one_that_went_during_its_look_and_was_named_before_has_no_second() {
        let triggers = open();
        triggers.fire(session("a"));
        assert!(next(&triggers).is_some());
        triggers.fire(session("a"));
        triggers.forget(&session("a"));
        triggers.ended(session("a"), 0, None);
        assert_eq!(next(&triggers), None);
        assert_eq!(triggers.depth(), 0);
    }

    #[tokio::test]
    async fn while_closed_names_are_kept_and_opening_tells() {
        let triggers = Triggers::default();
        triggers.fire(session("a"));
        triggers.named().await;
        assert_eq!(next(&triggers), None);
        triggers.open();
        assert!(triggers.named().now_or_never().is_some());
        assert_eq!(next(&triggers).as_deref(), Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn while_closed_nothing_is_due() {
        let triggers = open();
        triggers.fire(session("a"));
        assert!(next(&triggers).is_some());
        triggers.ended(session("a"), 0, Some(in_seconds(5)));
        triggers.close();
        assert_eq!(triggers.due(), None);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(next(&triggers), None);
    }

    #[test]
    fn the_depth_counts_what_waits_for_a_look_and_not_what_is_looked_at() {
        let triggers = open();
        triggers.fire(session("a"));
        triggers.fire(session("b"));
        assert_eq!(triggers.depth(), 2);
        assert!(next(&triggers).is_some());
        assert_eq!(triggers.depth(), 1);
        triggers.forget(&session("b"));
        assert_eq!(triggers.depth(), 0, "nobody will look at what is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_waits_since_the_first_name_that_no_look_answered() {
        let triggers = open();
        let waited = || {
            let turn = triggers.next(Instant::now())?;
            triggers.ended(turn.session, 0, Some(Instant::now()));
            Some(turn.fired.map(|since| since.elapsed()))
        };
        triggers.fire(session("a"));
        tokio::time::advance(Duration::from_secs(2)).await;
        triggers.fire(session("a"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(waited(), Some(Some(Duration::from_secs(3))));
        let due = "a look that was only due waited for nothing";
        assert_eq!(waited(), Some(None), "{due}");
        triggers.fire(session("a"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(waited(), Some(Some(Duration::from_secs(1))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_kept_while_closed_waits_since_the_opening() {
        let triggers = Triggers::default();
        triggers.fire(session("a"));
        tokio::time::advance(Duration::from_secs(3600)).await;
        triggers.open();
        tokio::time::advance(Duration::from_secs(1)).await;
        triggers.open();
        let turn = triggers.next(Instant::now()).unwrap();
        assert_eq!(turn.fired.unwrap().elapsed(), Duration::from_secs(1));
    }
}
