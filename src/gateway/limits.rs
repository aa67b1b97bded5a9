//! How many requests one client may make: so many at once, so many a second. Never blocks; memory is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::problem::Problem;
use crate::controller::bucket::Bucket;

/// Clients that are told apart; past it all begin anew, which gives each at most one more bucket.
const MOST: usize = 10_000;

/// A bucket for each client.
#[derive(Debug)]
pub struct Limits {
    /// Requests a second; 0: no limit.
    a_second: u32,
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
}

impl Limits {
    pub fn new(a_second: u32) -> Self {
        Limits {
            a_second,
            buckets: Mutex::default(),
        }
    }

    /// Counts one request of this client.
    ///
    /// # Errors
    /// 429 with the seconds to wait, where it has made too many.
    pub fn count(&self, client: &str) -> Result<(), Problem> {
        if self.a_second == 0 {
            return Ok(());
        }
        self.bucket(client)
            .take()
            .map_err(|wait| self.too_many(wait))
    }

    fn bucket(&self, client: &str) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(client) {
            return bucket.clone();
        }
        if buckets.len() >= MOST {
            buckets.clear();
        }
        let bucket = Arc::new(Bucket::new(self.a_second.saturating_mul(2), self.a_second));
        buckets.insert(client.to_owned(), bucket.clone());
        bucket
    }

    fn too_many(&self, wait: Duration) -> Problem {
        let words = format!(
            "more than {} requests a second from one client",
            self.a_second
        );
        Problem::too_many("rate_limit_exceeded", words, wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_client_is_held_back_and_another_is_not() {
        let limits = Limits::new(5);
        let allowed = |client: &str| (0..20).filter(|_| limits.count(client).is_ok()).count();
        assert_eq!(allowed("a"), 10, "twice the rate at once");
        assert_eq!(allowed("b"), 10);
        let refused = limits.count("a").unwrap_err();
        assert_eq!(refused.status, 429);
        assert_eq!(refused.retry_after, Some(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(allowed("a"), 5);
    }

    #[test]
    fn however_many_clients_come_what_is_remembered_is_bounded() {
        let limits = Limits::new(1);
        for client in 0..3 * MOST {
            let _ = limits.count(&client.to_string());
        }
        assert!(limits.buckets.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let limits = Limits::new(0);
        assert!((0..1000).all(|_| limits.count("a").is_ok()));
        assert!(limits.buckets.lock().unwrap().is_empty());
    }
}
