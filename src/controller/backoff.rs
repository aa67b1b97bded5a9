//! Waits after failures, one per session: 200 ms doubling to 5 min with jitter; success resets, the
//! session's end drops. Never blocks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::jitter::Jitter;

/// The first wait: short enough that a lost answer is not seen, long enough not to spin.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const MOST: Duration = Duration::from_secs(300);

/// How often each session failed in a row, and until when it waits.
#[derive(Debug)]
pub struct Backoff {
    failures: Mutex<HashMap<String, Failures>>,
    jitter: Jitter,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    times: u32,
    until: Instant,
}

impl Backoff {
    pub fn new(jitter: Jitter) -> Self {
        Backoff {
            failures: Mutex::default(),
            jitter,
        }
    }

    /// One more failure of this session: how long to wait now.
    pub fn failed(&self, uid: &str) -> Duration {
        let mut failures = self.lock();
        let times = failures.get(uid).map_or(0, |known| known.times);
        let wait = self.jitter.down(doubled(FIRST, times, MOST), 0.5);
        let failed = Failures {
            times: times.saturating_add(1),
            until: Instant::now() + wait,
        };
        failures.insert(uid.to_owned(), failed);
        wait
    }

    /// What is left of this session's wait; None: it waits for nothing.
    pub fn left(&self, uid: &str) -> Option<Duration> {
        let until = self.lock().get(uid)?.until;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// The session went through a whole reconcile.
    pub fn succeeded(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// The session is gone.
    pub fn forget(&self, uid: &str) {
        self.succeeded(uid);
    }

    /// How many sessions are waiting after a failure.
    pub fn waiting(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `first` doubled `times` times, at most `most`.
pub fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    let factor = 2u32.checked_pow(times).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff() -> Backoff {
        Backoff::new(Jitter::none())
    }

    #[test]
    fn waits_double_from_200_ms_to_5_minutes_and_stay_there() {
        let backoff = backoff();
        let waits: Vec<_> = (0..14).map(|_| backoff.failed("a").as_millis()).collect();
        assert_eq!(waits[..4], [200, 400, 800, 1600]);
        assert_eq!(waits[10..], [204_800, 300_000, 300_000, 300_000]);
        for _ in 0..100 {
            assert_eq!(backoff.failed("a"), MOST);
        }
    }

    #[test]
    fn a_success_begins_anew_and_another_session_is_not_touched() {
        let backoff = backoff();
        backoff.failed("a");
        backoff.failed("a");
        backoff.failed("b");
        backoff.succeeded("a");
        assert_eq!(backoff.failed("a"), FIRST);
        assert_eq!(backoff.failed("b"), FIRST * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_over_when_its_time_is_and_with_a_success() {
        let backoff = backoff();
        assert_eq!(backoff.left("a"), None);
        backoff.failed("a");
        tokio::time::advance(FIRST / 4).await;
        assert_eq!(backoff.left("a"), Some(FIRST / 4 * 3));
        tokio::time::advance(FIRST / 4 * 3).await;
        assert_eq!(backoff.left("a"), None);
        assert_eq!(backoff.failed("a"), FIRST * 2, "it still counts");
        backoff.succeeded("a");
        assert_eq!(backoff.left("a"), None);
    }

    #[test]
    fn a_session_that_is_gone_leaves_nothing_behind() {
        let backoff = backoff();
        backoff.failed("a");
        backoff.forget("a");
        assert_eq!(backoff.waiting(), 0);
    }

    #[test]
    fn jitter_shortens_a_wait_by_at_most_half_and_never_lengthens_it() {
        let backoff = Backoff::new(Jitter::seeded(7));
        for _ in 0..50 {
            let wait = backoff.failed("a");
            backoff.succeeded("a");
            assert!(wait <= FIRST && wait >= FIRST / 2, "{wait:?}");
        }
    }
}
