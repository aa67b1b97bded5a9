//! A token bucket: so many at once, so many a second. Never blocks.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Tokens, refilled as time passes.
#[derive(Debug)]
pub struct Bucket {
    most: f64,
    a_second: f64,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// Full at first.
    pub fn new(most: u32, a_second: u32) -> Self {
        Bucket {
            most: f64::from(most),
            a_second: f64::from(a_second),
            state: Mutex::new((f64::from(most), Instant::now())),
        }
    }

    /// Takes one, or says how long until there is one.
    pub fn take(&self) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let grown = now.saturating_duration_since(state.1).as_secs_f64() * self.a_second;
        *state = ((state.0 + grown).min(self.most), now);
        if state.0 >= 1.0 {
            state.0 -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - state.0) / self.a_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_at_once_and_then_so_many_a_second() {
        let bucket = Bucket::new(5, 20);
        let taken = |n: usize| (0..n).filter(|_| bucket.take().is_ok()).count();
        assert_eq!(taken(10), 5);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(taken(10), 2);
        let wait = bucket.take().unwrap_err();
        assert!(wait <= Duration::from_millis(50), "{wait:?}");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(taken(10), 5, "never more than the bucket holds");
    }
}
