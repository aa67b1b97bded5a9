//! The simulated world's wall clocks: a fixed start plus tokio's elapsed time, and what a test adds to it.
//!
//! Under paused tokio time they move only when everything waits. Never blocks.

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
    /// So many of its seconds are a hundred of the world's.
    percent: i64,
}

impl SimClock {
    /// Must be made inside the runtime whose time it shows.
    pub fn new() -> Self {
        SimClock {
            origin: Instant::now(),
            shift: Arc::default(),
            percent: 100,
        }
    }

    /// Another machine's clock in the same world, which runs at a pace of its own.
    pub fn another(&self, percent: u32) -> Self {
        SimClock {
            origin: self.origin,
            shift: Arc::default(),
            percent: i64::from(percent),
        }
    }

    /// The time that this clock shows.
    pub fn now(&self) -> Timestamp {
        const START: Timestamp = Timestamp::constant(1_795_435_200, 0);
        let shift = SignedDuration::from_millis(self.shift.load(Ordering::Relaxed));
        let elapsed = self.elapsed();
        let elapsed = match self.percent {
            100 => elapsed,
            percent => SignedDuration::from_micros(
                i64::try_from(elapsed.as_micros()).expect("a simulation is short") / 100 * percent,
            ),
        };
        START + elapsed + shift
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
