//! Waits after failures, one per session: 200 ms doubling to 5 min with jitter; success resets, the
//! session's end drops. Never blocks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::jitter::Jitter;

/// The first wait: short enough that a lost answer is not seen, long enough not to spin.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const MOST: Duration = Duration::from_secs(300);

/// How often each session failed in a row.
#[derive(Debug)]
pub struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
    jitter: Jitter,
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
        let times = {
            let mut failures = self.lock();
            let times = failures.entry(uid.to_owned()).or_default();
            *times = times.saturating_add(1);
            *times
        };
        self.jitter.down(doubled(FIRST, times - 1, MOST), 0.5)
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

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, u32>> {
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
