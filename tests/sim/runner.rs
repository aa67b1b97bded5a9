//! Plays schedules on every core and judges each; what is wrong comes back in the order of the schedules.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use dillinger_runner::session::plan::Row;

use crate::faults::FaultScript;
use crate::oracles::{Judged, Undisturbed, judge};
use crate::scenarios::{self, Run, Scenario};

/// One run of a scenario, in a runtime and a time of its own.
pub fn play(scenario: &Scenario, script: &FaultScript) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(scenarios::run(scenario, script))
}

/// Scenarios that the environment chooses by a whole name or a part of some; all by default.
pub fn chosen() -> Vec<Scenario> {
    let only = std::env::var("SIM_SCENARIO").unwrap_or_default();
    let mut all = scenarios::all();
    if all.iter().any(|scenario| scenario.name == only) {
        all.retain(|scenario| scenario.name == only);
    }
    all.retain(|scenario| scenario.name.contains(&only));
    all
}

/// What came of one schedule.
pub struct Played {
    pub judged: Judged,
    pub seconds: f64,
    pub rows: BTreeSet<Row>,
}

/// Plays one schedule and judges it; a simulation that panics is wrong too.
pub fn played(scenario: &Scenario, clean: &Undisturbed<'_>, script: &FaultScript) -> Played {
    let run = catch_unwind(AssertUnwindSafe(|| play(scenario, script)));
    let Ok(run) = run else {
        return Played {
            judged: Judged {
                wrong: vec!["the simulation itself panicked".to_owned()],
                late_starts: 0,
            },
            seconds: 0.0,
            rows: BTreeSet::new(),
        };
    };
    let mut judged = judge(scenario, script, &run, Some(clean));
    if !run.left.0.is_empty() {
        judged.wrong.push(format!("{} never struck", run.left));
    }
    Played {
        judged,
        seconds: run.took,
        rows: run.rows,
    }
}

/// Does this to all of them on every core; the results are in their order.
pub fn on_every_core<T: Sync, R: Send>(all: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..cores {
            threads.spawn(|| {
                let mut own = Vec::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = all.get(at) else { break };
                    own.push((at, act(one)));
                }
                done.lock().expect("nobody panics with it").extend(own);
            });
        }
    });
    let mut done = done.into_inner().expect("nobody panics with it");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
