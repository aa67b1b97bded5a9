//! The simulated API server and the simulated engine against the real ones: the same random sequences of requests,
//! every answer compared.
//!
//! Needs a kube-apiserver of its own with nothing but the CRDs of this package, and an engine with the image of the
//! test game: run it as `tests/world --image testgame -- <this test>`.
//! `CONFORMANCE_SEED` and `CONFORMANCE_SEQUENCES` choose other and more sequences.
#![forbid(unsafe_code)]
// The simulation brings more than this comparison uses.
#![allow(dead_code)]

#[path = "../sim/apiserver/mod.rs"]
mod apiserver;
#[path = "../sim/clock.rs"]
mod clock;
#[path = "../sim/faults/mod.rs"]
mod faults;
#[path = "../sim/history.rs"]
mod history;
#[path = "../sim/process.rs"]
mod process;
#[path = "../sim/striking.rs"]
mod striking;

/// The simulated engine, with its parts below it.
#[path = "../sim"]
mod sim {
    pub mod engine;
}

mod differences;
mod engine;
mod mutations;
mod normal;
mod operations;
mod side;

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use differences::{Differences, Verdict};
use operations::Operation;
use side::Side;

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

#[test]
fn the_simulated_api_server_answers_as_the_real_one_does() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let real = runtime.block_on(side::real());
    let simulated = runtime.block_on(side::simulated());
    let seed = number("CONFORMANCE_SEED", 1);
    let sequences = number("CONFORMANCE_SEQUENCES", 80);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut counts = Counts::default();
    let mut found = Vec::new();
    for sequence in 0..sequences {
        let operations = vec(operations::operation(), 5..40)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let namespace = format!("c-{seed}-{sequence}");
        let mut sides = [simulated.begin(&namespace), real.begin(&namespace)];
        if let Err(difference) = runtime.block_on(compare(&mut sides, &operations, &mut counts)) {
            println!("sequence {sequence}, {difference}");
            found.push(sequence);
        }
        counts.sequences += 1;
    }
    println!("{counts}");
    assert!(
        found.is_empty(),
        "seed {seed}: these sequences differ: {found:?}"
    );
}

#[derive(Default)]
struct Counts {
    sequences: u64,
    answers: u64,
    events: u64,
    codes: BTreeMap<u16, u64>,
    verbs: BTreeMap<&'static str, u64>,
    differences: Differences,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} sequences, {} answers and {} watch events compared",
            self.sequences, self.answers, self.events
        )?;
        writeln!(f, "operations {:?}", self.verbs)?;
        writeln!(f, "status codes {:?}", self.codes)?;
        write!(f, "known differences met {:?}", self.differences.met)
    }
}

/// Runs one sequence on both and compares after each step.
async fn compare(
    sides: &mut [Side; 2],
    operations: &[Operation],
    counts: &mut Counts,
) -> Result<(), String> {
    for side in sides.iter_mut() {
        side.prepare().await;
    }
    for (step, operation) in operations.iter().enumerate() {
        let [simulated, real] = sides;
        let (simulated, real) = tokio::join!(simulated.run(operation), real.run(operation));
        counts.answers += 1;
        *counts.codes.entry(real.code).or_default() += 1;
        *counts.verbs.entry(operation.verb()).or_default() += 1;
        if simulated == real {
            continue;
        }
        match counts.differences.explain(operation, &simulated, &real) {
            Verdict::Goes => {}
            Verdict::Ends => return Ok(()),
            Verdict::Unknown => {
                return Err(format!(
                    "step {step}: {}\n  asked     {}\n  simulated {simulated}\n  real      {real}",
                    operation.verb(),
                    real.asked
                ));
            }
        }
    }
    for watch in operations::watches() {
        let [simulated, real] = sides;
        let (simulated, real) = tokio::join!(simulated.watch(&watch), real.watch(&watch));
        counts.events += real.len() as u64;
        if simulated != real {
            let show = |events: &[serde_json::Value]| json!(events).to_string();
            return Err(format!(
                "watch {watch:?}\n  simulated {}\n  real      {}",
                show(&simulated),
                show(&real)
            ));
        }
    }
    Ok(())
}
