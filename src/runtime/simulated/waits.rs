//! Sessions whose games are not ready yet, and when each will be. Nothing here blocks.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

#[derive(Default)]
pub(super) struct Waits {
    waiting: Mutex<Waiting>,
    sooner: Notify,
}

#[derive(Default)]
struct Waiting {
    due: BinaryHeap<Reverse<(Instant, String)>>,
    known: HashSet<String>,
}

impl Waits {
    /// This session is to be looked at again at that instant. One that waits already waits no longer.
    pub(super) fn add(&self, uid: &str, at: Instant) {
        let mut waiting = self.locked();
        if !waiting.known.insert(uid.to_owned()) {
            return;
        }
        let first = waiting.due.peek().map(|Reverse((first, _))| *first);
        waiting.due.push(Reverse((at, uid.to_owned())));
        if first.is_none_or(|first| at < first) {
            self.sooner.notify_one();
        }
    }

    /// Waits until some are due, and hands them out.
    pub(super) async fn due(&self) -> Vec<String> {
        loop {
            let first = self.locked().due.peek().map(|Reverse((first, _))| *first);
            let Some(first) = first else {
                self.sooner.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep_until(first) => {}
                () = self.sooner.notified() => continue,
            }
            let (now, mut due) = (Instant::now(), Vec::new());
            let mut waiting = self.locked();
            while waiting
                .due
                .peek()
                .is_some_and(|Reverse((at, _))| *at <= now)
                && let Some(Reverse((_, uid))) = waiting.due.pop()
            {
                waiting.known.remove(&uid);
                due.push(uid);
            }
            return due;
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
