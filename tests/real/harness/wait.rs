//! Waits for conditions, never for a fixed while.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long a condition may take before the test fails; far above what is ever seen on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Time between two looks.
pub const STEP: Duration = Duration::from_millis(60);

/// Looks until `look` gives a value; None once `limit` has passed.
pub async fn poll<T, F, Fut>(limit: Duration, mut look: F) -> Option<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let began = Instant::now();
    loop {
        if let Some(value) = look().await {
            return Some(value);
        }
        if began.elapsed() > limit {
            return None;
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Looks until `look` gives a value; panics with `what` after [`LIMIT`].
pub async fn until<T, F, Fut>(what: &str, look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    match poll(LIMIT, look).await {
        Some(value) => value,
        None => panic!("waited {LIMIT:?} in vain until {what}"),
    }
}
