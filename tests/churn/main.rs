//! Churn on a real API server and a real engine: users create, edit, stop, resume and delete at random while controllers,
//! engine and API server are killed, frozen and restarted at random; watched from outside, by the engine's own events and
//! a watch of the sessions.
//!
//! Runs in a world (DILLINGER_WORLD) that it has for itself: `tests/world --image testgame -- <this test>`. A round is drawn
//! from a seed, which is printed; DILLINGER_CHURN_SEEDS=1,2,3 plays these again, DILLINGER_CHURN_SECONDS makes them longer or
//! shorter. What is done and when follows from the seed; how the real parts answer does not.
#![forbid(unsafe_code)]

mod judge;
mod ledger;
mod plan;
mod round;
mod sights;
mod troubles;
mod users;
mod witness;

#[path = "../real/harness/mod.rs"]
mod harness;

use std::time::Duration;

use plan::Size;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_churn_of_sessions_and_parts_leaves_every_session_at_its_wish() {
    let size = Size {
        length: seconds(60),
        users: 8,
        pause: Duration::from_secs(9),
        calm: Duration::from_secs(8),
    };
    rounds(1, size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn three_long_churns_of_sessions_and_parts_leave_every_session_at_its_wish() {
    let size = Size {
        length: seconds(180),
        users: 12,
        pause: Duration::from_secs(12),
        calm: Duration::from_secs(10),
    };
    rounds(3, size).await;
}

/// Plays so many rounds, or those that are asked for; all of them, whatever is wrong in one.
async fn rounds(count: usize, size: Size) {
    let mut wrong = Vec::new();
    for seed in seeds(count) {
        let violations = round::play(seed, size).await;
        wrong.extend(
            violations
                .into_iter()
                .map(|what| format!("seed {seed}: {what}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn seeds(count: usize) -> Vec<u64> {
    match std::env::var("DILLINGER_CHURN_SEEDS") {
        Ok(asked) => {
            let number = |word: &str| word.trim().parse().expect("seeds are numbers");
            asked.split(',').map(number).collect()
        }
        // Short, to be typed again.
        Err(_) => (0..count).map(|_| fastrand::u64(..1_000_000)).collect(),
    }
}

fn seconds(length: u64) -> Duration {
    let asked = std::env::var("DILLINGER_CHURN_SECONDS").ok();
    let asked = asked.map(|word| word.parse().expect("a number of seconds"));
    Duration::from_secs(asked.unwrap_or(length))
}
