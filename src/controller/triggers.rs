//! One coalescing set of sessions to look at, in the order in which they were first named.
//!
//! Closed while nothing may be decided (caches cold, no claim): names are kept, none is given out.
//! Never blocks beyond a short lock.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

use super::kept::Kept;

/// What names a session to the controller.
pub type SessionRef = ObjectRef<Kept>;

/// The session of this name. Without the uid and the version that kube would copy along.
pub fn session_ref(namespace: Option<&str>, name: &str) -> SessionRef {
    let session = SessionRef::new(name);
    match namespace {
        Some(namespace) => session.within(namespace),
        None => session,
    }
}

/// The set; a copy is the same set.
#[derive(Clone, Debug, Default)]
pub struct Triggers(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    order: VecDeque<SessionRef>,
    /// Fired and not yet looked at, and since when.
    waiting: HashMap<SessionRef, Instant>,
    queued: HashSet<SessionRef>,
    open: bool,
    waker: Option<Waker>,
}

impl Triggers {
    /// "Look at this session"; once is enough until it was given out.
    pub fn fire(&self, session: SessionRef) {
        let waker = {
            let mut state = self.lock();
            let since = state.waiting.entry(session.clone());
            since.or_insert_with(Instant::now);
            if !state.queued.insert(session.clone()) {
                return;
            }
            state.order.push_back(session);
            if state.open { state.waker.take() } else { None }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Begins to give names out, the kept ones first. They wait since now: nobody was to look before.
    pub fn open(&self) {
        let waker = {
            let mut state = self.lock();
            if !state.open {
                let now = Instant::now();
                state.waiting.values_mut().for_each(|since| *since = now);
            }
            state.open = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Keeps names from now on.
    pub fn close(&self) {
        self.lock().open = false;
    }

    /// A look at this session begins: what was fired before is answered by it. Since when it waited, if
    /// anything was fired.
    pub fn began(&self, session: &SessionRef) -> Option<Instant> {
        self.lock().waiting.remove(session)
    }

    /// The session is gone: no look at it will begin.
    pub fn forget(&self, session: &SessionRef) {
        self.lock().waiting.remove(session);
    }

    /// How many sessions wait for a look.
    pub fn depth(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The names, as they come. For one reader.
    pub fn stream(&self) -> impl Stream<Item = SessionRef> + Send + use<> {
        Given(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Given(Triggers);

impl Stream for Given {
    type Item = SessionRef;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SessionRef>> {
        let mut state = self.0.lock();
        if state.open
            && let Some(session) = state.order.pop_front()
        {
            state.queued.remove(&session);
            return Poll::Ready(Some(session));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{FutureExt, StreamExt};

    use super::*;

    fn session(name: &str) -> SessionRef {
        ObjectRef::new(name).within("games")
    }

    #[test]
    fn a_session_named_many_times_is_given_out_once_and_in_order() {
        let triggers = Triggers::default();
        triggers.open();
        for name in ["b", "a", "b", "c", "a"] {
            triggers.fire(session(name));
        }
        let mut stream = Box::pin(triggers.stream());
        let names: Vec<_> = std::iter::from_fn(|| stream.next().now_or_never().flatten())
            .map(|session| session.name)
            .collect();
        assert_eq!(names, ["b", "a", "c"]);
    }

    #[test]
    fn one_named_again_after_it_was_given_out_comes_again() {
        let triggers = Triggers::default();
        triggers.open();
        let mut stream = Box::pin(triggers.stream());
        triggers.fire(session("a"));
        assert!(stream.next().now_or_never().is_some());
        assert!(stream.next().now_or_never().is_none());
        triggers.fire(session("a"));
        assert!(stream.next().now_or_never().is_some());
    }

    #[tokio::test]
    async fn while_closed_names_are_kept_and_opening_wakes_the_reader() {
        let triggers = Triggers::default();
        triggers.fire(session("a"));
        let mut stream = Box::pin(triggers.stream());
        assert!(stream.next().now_or_never().is_none());
        let reader = tokio::spawn(async move { stream.next().await });
        tokio::task::yield_now().await;
        triggers.open();
        assert_eq!(reader.await.unwrap().unwrap().name, "a");
    }

    #[test]
    fn the_depth_counts_what_waits_for_a_look_and_not_what_is_looked_at() {
        let triggers = Triggers::default();
        triggers.fire(session("a"));
        triggers.fire(session("b"));
        assert_eq!(triggers.depth(), 2);
        triggers.began(&session("a"));
        assert_eq!(triggers.depth(), 1);
        triggers.forget(&session("b"));
        assert_eq!(triggers.depth(), 0, "nobody will look at what is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_waits_since_the_first_trigger_that_no_look_answered() {
        let triggers = Triggers::default();
        triggers.open();
        let waited = || triggers.began(&session("a")).map(|since| since.elapsed());
        triggers.fire(session("a"));
        tokio::time::advance(Duration::from_secs(2)).await;
        triggers.fire(session("a"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(waited(), Some(Duration::from_secs(3)));
        assert_eq!(
            waited(),
            None,
            "a look that nothing fired waited for nothing"
        );
        triggers.fire(session("a"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(waited(), Some(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_kept_while_closed_waits_since_the_opening() {
        let triggers = Triggers::default();
        triggers.fire(session("a"));
        tokio::time::advance(Duration::from_secs(3600)).await;
        triggers.open();
        tokio::time::advance(Duration::from_secs(1)).await;
        triggers.open();
        let waited = triggers.began(&session("a")).map(|since| since.elapsed());
        assert_eq!(waited, Some(Duration::from_secs(1)));
    }
}
