//! The controller dies at each of its writes on a real API server and a real engine: before it is sent, between its
//! commit and our knowing, after the reply. The next one brings the session to where it would have come anyway.
//!
//! Runs in a world (DILLINGER_WORLD): `tests/world --image testgame -- <this test>`, with the build of `tests/run build` that can kill itself.
//! Judged from outside, by what the engine told and what stands in the end; see `judge.rs`.
#![forbid(unsafe_code)]

mod judge;
mod life;
mod stories;

#[path = "../real/harness/mod.rs"]
mod harness;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use life::{Crash, Life, live};
use stories::Story;

/// Lives at once: each has a controller and games of its own.
const AT_ONCE: usize = 4;

/// A story, and where the controller dies in it.
type Plan = (Story, Option<Crash>);

const MOMENTS: [&str; 3] = ["before", "between", "after"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_dies_at_any_one_write_changes_nothing_that_anybody_sees() {
    // One moment a write, in turn.
    sweep(|n| vec![MOMENTS[n % 3]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn a_controller_that_dies_at_any_moment_of_any_write_changes_nothing_that_anybody_sees() {
    sweep(|_| MOMENTS.into()).await;
}

/// Every write of every story, at these moments of the n-th.
async fn sweep(moments: impl Fn(usize) -> Vec<&'static str>) {
    let mut clean = BTreeMap::new();
    let mut crashes = Vec::new();
    for ((story, _), lived) in all_of(Story::ALL.map(|story| (story, None)).into()).await {
        let lived = lived.unwrap_or_else(|why| panic!("{story:?}, undisturbed: {why}"));
        println!(
            "{story:?}: {} writes {:?}",
            lived.writes.len(),
            lived.writes
        );
        for n in 1..=lived.writes.len() {
            for moment in moments(n) {
                crashes.push((story, Some(Crash { write: n, moment })));
            }
        }
        clean.insert(story, lived);
    }
    let planned = crashes.len();
    let mut violations = Vec::new();
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    let mut missed = 0;
    for ((story, crash), lived) in all_of(crashes).await {
        let wrong = match lived {
            Ok(lived) => {
                match &lived.died_at {
                    Some(write) => *met.entry(write.clone()).or_default() += 1,
                    None => missed += 1,
                }
                judge::apart(&clean[&story], &lived)
            }
            Err(why) => vec![why],
        };
        for wrong in wrong {
            println!("{story:?}, {crash:?}: {wrong}");
            violations.push(format!("{story:?}, {crash:?}"));
        }
    }
    println!(
        "crashes: {} stories, {planned} crash positions, {} violations; died at {met:?}, {missed} never came to their write",
        clean.len(),
        violations.len()
    );
    assert!(violations.is_empty(), "{violations:?}");
    // A report that is not needed when the machine is fast makes a life a write longer or shorter.
    assert!(missed * 10 <= planned, "too many deaths did not happen");
}

/// Lives all of these, some at once; whatever failed one of them is told.
async fn all_of(plans: Vec<Plan>) -> Vec<(Plan, Result<Life, String>)> {
    let lanes = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (place, (story, crash)) in plans.iter().copied().enumerate() {
        let lanes = Arc::clone(&lanes);
        running.spawn(async move {
            let _lane = lanes.acquire_owned().await.expect("nobody closes it");
            // A task of its own: a panic in it is this life's alone.
            let lived = tokio::spawn(live(story, crash)).await;
            (place, lived.map_err(|panic| panic.to_string()))
        });
    }
    let mut lived: BTreeMap<usize, Result<Life, String>> = BTreeMap::new();
    while let Some(done) = running.join_next().await {
        let (place, life) = done.expect("it only waits");
        lived.insert(place, life);
    }
    plans.into_iter().zip(lived.into_values()).collect()
}
