//! Small random shares of waits, so that sessions do not look all at once. Never blocks.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A source of random shares; a copy draws from the same source.
#[derive(Clone, Debug)]
pub struct Jitter(Option<Arc<AtomicU64>>);

impl Jitter {
    /// Seeded by the operating system.
    pub fn random() -> Self {
        Jitter::seeded(RandomState::new().hash_one("jitter"))
    }

    /// The same shares for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Jitter(Some(Arc::new(AtomicU64::new(seed))))
    }

    /// Waits stay as they are.
    pub fn none() -> Self {
        Jitter(None)
    }

    /// Between `1 - share` and 1 of `wait`.
    pub fn down(&self, wait: Duration, share: f64) -> Duration {
        wait.mul_f64(1.0 - share * self.unit())
    }

    /// Between `1 - share` and `1 + share` of `wait`.
    pub fn around(&self, wait: Duration, share: f64) -> Duration {
        match self.0 {
            Some(_) => wait.mul_f64(1.0 + share * (2.0 * self.unit() - 1.0)),
            None => wait,
        }
    }

    /// In [0, 1); always 0 without a source.
    fn unit(&self) -> f64 {
        let Some(state) = &self.0 else { return 0.0 };
        // splitmix64: one add and a mix, enough for spreading waits.
        let mut z = state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_in_their_bounds_and_differ() {
        let jitter = Jitter::seeded(1);
        let wait = Duration::from_secs(600);
        let drawn: Vec<_> = (0..100).map(|_| jitter.around(wait, 0.1)).collect();
        assert!(
            drawn
                .iter()
                .all(|d| *d >= wait.mul_f64(0.9) && *d <= wait.mul_f64(1.1))
        );
        assert!(drawn.iter().any(|d| *d < wait) && drawn.iter().any(|d| *d > wait));
    }

    #[test]
    fn without_a_source_waits_stay_as_they_are() {
        let wait = Duration::from_secs(3);
        assert_eq!(Jitter::none().around(wait, 0.1), wait);
        assert_eq!(Jitter::none().down(wait, 0.5), wait);
    }
}
