//! The simulated world's wall clock: a fixed start plus tokio's elapsed time, and what a test adds to it.
//!
//! Under paused tokio time it moves only when everything waits. Never blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A copy is the same clock.
#[derive(Clone, Debug)]
pub struct SimClock {
    origin: Instant,
    /// Milliseconds that somebody set the clock ahead (or, negative, back).
    shift: Arc<AtomicI64>,
}

impl SimClock {
    /// Must be made inside the runtime whose time it shows.
    pub fn new() -> Self {
        SimClock {
            origin: Instant::now(),
            shift: Arc::default(),
        }
    }

    /// The time that clocks in this world show.
    pub fn now(&self) -> Timestamp {
        let shift = SignedDuration::from_millis(self.shift.load(Ordering::Relaxed));
        let start: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a constant");
        start + self.elapsed() + shift
    }

    /// Time since the world began, whatever clocks were set to.
    pub fn elapsed(&self) -> SignedDuration {
        SignedDuration::try_from(self.origin.elapsed()).expect("a simulation is short")
    }

    /// Somebody sets the clock.
    pub fn jump(&self, by: SignedDuration) {
        let by = i64::try_from(by.as_millis()).expect("a jump is short");
        self.shift.fetch_add(by, Ordering::Relaxed);
    }
}
