//! The one clock: wall time at start plus monotonic elapsed, slewed gently towards the wall.
//!
//! It never goes back and never jumps, so no deadline acts early when somebody sets the host's time.
//! Never blocks.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// At most this share of the elapsed time is corrected: an hour's error takes 20 hours, and no deadline
/// of d seconds acts more than 5 % early by it.
const SLEW: f64 = 0.05;
/// Further apart from the API server than this, no deadline acts.
const TRUSTED_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// Where the wall time comes from.
type Wall = dyn Fn() -> Timestamp + Send + Sync;

/// Passed to whatever needs the time; a copy is the same clock.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    wall: Box<Wall>,
    /// The last reading, and when it was made.
    last: Mutex<(Instant, Timestamp)>,
}

impl Clock {
    /// The host's clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the Clock that is passed in"
    )]
    pub fn system() -> Self {
        Clock::new(Timestamp::now)
    }

    /// A clock over another source of wall time; elapsed time is tokio's.
    pub fn new(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let start = (Instant::now(), wall());
        Clock(Arc::new(Inner {
            wall: Box::new(wall),
            last: Mutex::new(start),
        }))
    }

    /// The time now. Never earlier than an earlier reading.
    pub fn now(&self) -> Timestamp {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let instant = Instant::now();
        let elapsed = instant.saturating_duration_since(last.0);
        let reading = slewed(last.1, elapsed, (self.0.wall)());
        *last = (instant, reading);
        reading
    }

    /// What the host's clock says, jumps and all. For what it is compared with alone: times that others wrote by it.
    pub fn wall(&self) -> Timestamp {
        (self.0.wall)()
    }

    /// How long from now until `then`; zero if it passed.
    pub fn until(&self, then: Timestamp) -> Duration {
        Duration::try_from(then.duration_since(self.now())).unwrap_or_default()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The next reading: `elapsed` after the last, moved towards the wall by at most [`SLEW`] of it.
fn slewed(last: Timestamp, elapsed: Duration, wall: Timestamp) -> Timestamp {
    let steady = last.saturating_add(elapsed).unwrap_or(last);
    let most = elapsed.mul_f64(SLEW).as_nanos() as i128;
    let error = wall.as_nanosecond() - steady.as_nanosecond();
    let corrected = steady.as_nanosecond() + error.clamp(-most, most);
    Timestamp::from_nanosecond(corrected).unwrap_or(steady)
}

/// Whether our clock and the API server's agree well enough for deadlines. `served` is the Date header of
/// an answer, whole seconds.
pub fn agrees(ours: Timestamp, served: Timestamp) -> bool {
    ours.duration_since(served).abs() <= TRUSTED_WITHIN
}

/// The time of an HTTP Date header.
pub fn parse_date(header: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(header).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A wall that stands where the test puts it, moving with tokio's time.
    fn wall() -> (
        Arc<AtomicI64>,
        impl Fn() -> Timestamp + Send + Sync + 'static,
    ) {
        let offset = Arc::new(AtomicI64::new(0));
        let (shared, start) = (offset.clone(), Instant::now());
        let base = Timestamp::from_second(1_000_000).unwrap();
        let read = move || {
            let elapsed = SignedDuration::try_from(start.elapsed()).unwrap();
            let offset = SignedDuration::from_secs(shared.load(Ordering::Relaxed));
            base.checked_add(elapsed)
                .unwrap()
                .checked_add(offset)
                .unwrap()
        };
        (offset, read)
    }

    #[tokio::test(start_paused = true)]
    async fn time_passes_as_the_monotonic_clock_says() {
        let (_, read) = wall();
        let clock = Clock::new(read);
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(
            clock.now().duration_since(before),
            SignedDuration::from_secs(90)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_that_jumps_ahead_an_hour_moves_the_clock_by_a_twentieth_of_what_passed() {
        let (offset, read) = wall();
        let clock = Clock::new(read);
        let before = clock.now();
        offset.store(3600, Ordering::Relaxed);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(
            clock.now().duration_since(before),
            SignedDuration::from_secs(105)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_that_is_set_back_never_makes_time_go_back() {
        let (offset, read) = wall();
        let clock = Clock::new(read);
        let mut before = clock.now();
        offset.store(-3600, Ordering::Relaxed);
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(100)).await;
            let now = clock.now();
            assert!(now > before);
            before = now;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_error_is_gone_after_a_while_and_stays_gone() {
        let (offset, read) = wall();
        let clock = Clock::new(read);
        let before = clock.now();
        offset.store(2, Ordering::Relaxed);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(10)).await;
            clock.now();
        }
        assert_eq!(
            clock.now().duration_since(before),
            SignedDuration::from_secs(102)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_wall_shows_the_jump_that_the_clock_does_not_follow() {
        let (offset, read) = wall();
        let clock = Clock::new(read);
        let before = clock.now();
        offset.store(3600, Ordering::Relaxed);
        assert_eq!(clock.now(), before);
        let ahead = clock.wall().duration_since(before);
        assert_eq!(ahead, SignedDuration::from_hours(1));
    }

    #[test]
    fn more_than_a_minute_apart_from_the_api_server_is_not_trusted() {
        let served = parse_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(served.as_second(), 784_111_777);
        let at = |seconds| {
            served
                .checked_add(SignedDuration::from_secs(seconds))
                .unwrap()
        };
        assert!(agrees(at(60), served) && agrees(at(-60), served));
        assert!(!agrees(at(61), served) && !agrees(at(-61), served));
        assert_eq!(parse_date("yesterday"), None);
    }
}
