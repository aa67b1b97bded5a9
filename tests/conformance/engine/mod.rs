//! The simulated engine against a real one: the same random sequences of operations through the same seam that the
//! controller uses, every answer, every look and every hint compared.
//!
//! Needs an engine of its own with the image of the test game: run it as `tests/world --image testgame -- <this test>`.
//! `CONFORMANCE_SEED`, `CONFORMANCE_SEQUENCES` and `CONFORMANCE_NIGHTS` choose other and more sequences,
//! `CONFORMANCE_ONLY` one of them.

mod differences;
#[path = "../../real/harness/engine.rs"]
mod docker;
mod games;
#[path = "../../real/harness/http.rs"]
mod http;
mod normal;
mod operations;
mod performing;
mod real;
mod side;
mod simulated;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

use super::number;
use differences::Differences;
use operations::Operation;
use real::Real;
use side::{Side, Step};
use simulated::Simulated;

#[test]
fn the_simulated_engine_answers_as_the_real_one_does() {
    let seed = number("CONFORMANCE_SEED", 1);
    let days = number("CONFORMANCE_SEQUENCES", 40);
    let nights = number("CONFORMANCE_NIGHTS", 8);
    let only = number("CONFORMANCE_ONLY", u64::MAX);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut engines = Engines::new();
    let mut counts = Counts::default();
    let mut found = Vec::new();
    for sequence in 0..days + nights {
        let strategy: BoxedStrategy<Vec<Operation>> = if sequence < days {
            operations::day().boxed()
        } else {
            operations::night().boxed()
        };
        let operations = strategy.new_tree(&mut runner).unwrap().current();
        if only != u64::MAX && sequence != only {
            continue;
        }
        let name = format!("{seed}-{sequence}");
        if let Err(difference) = engines.compare(&name, &operations, &mut counts) {
            println!("sequence {sequence}, {difference}");
            found.push(sequence);
        }
        counts.sequences += 1;
        if counts.sequences.is_multiple_of(10) {
            println!("engine: {} sequences so far", counts.sequences);
        }
    }
    println!("{counts}");
    assert!(
        found.is_empty(),
        "seed {seed}: these sequences differ: {found:?}"
    );
}

/// The real engine in real time; the simulated one is new for each sequence, in virtual time.
struct Engines {
    real_time: Runtime,
    real: Option<Real>,
}

impl Engines {
    fn new() -> Engines {
        // The runtime's own tasks go on while a sequence looks at the other side.
        let real_time = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let real = real_time.block_on(Real::new());
        Engines {
            real_time,
            real: Some(real),
        }
    }

    /// Runs one sequence on both and compares after each step.
    fn compare(
        &mut self,
        name: &str,
        operations: &[Operation],
        counts: &mut Counts,
    ) -> Result<(), String> {
        let virtual_time = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let world = self.real.take().expect("each sequence gives it back");
        let mut simulated = virtual_time
            .block_on(async { Side::begin(Simulated::new(world.live_restore), name).await });
        let mut real = self.real_time.block_on(Side::begin(world, name));
        let mut verdict = Ok(());
        for (step, operation) in operations.iter().enumerate() {
            let wanted = virtual_time.block_on(simulated.run(operation, |_| true));
            let enough = |picture: &_| differences::alike(operation, &wanted.picture, picture);
            let got = self.real_time.block_on(real.run(operation, enough));
            counts.add(operation, &got);
            match differences::explain(operation, &wanted, &got) {
                Some(met) => counts.met(&met),
                None => {
                    let before = &operations[..=step];
                    verdict = Err(told(before, &wanted, &got));
                    break;
                }
            }
        }
        let mut world = real.end();
        self.real_time.block_on(world.clear());
        self.real = Some(world);
        verdict
    }
}

/// What differs after the last of these operations.
fn told(operations: &[Operation], simulated: &Step, real: &Step) -> String {
    use fmt::Write as _;
    let mut text = format!("step {}", operations.len() - 1);
    for operation in operations {
        let _ = write!(text, "\n    {operation:?}");
    }
    let parts = [
        ("answer", &simulated.answer, &real.answer),
        ("picture", &simulated.picture, &real.picture),
        ("hints", &simulated.hints, &real.hints),
    ];
    for (part, simulated, real) in parts {
        apart(part, simulated, real, &mut text);
    }
    text
}

/// Where two values differ, as deep as they are of one shape.
fn apart(at: &str, simulated: &Value, real: &Value, text: &mut String) {
    use fmt::Write as _;
    if simulated == real {
        return;
    }
    if let (Value::Object(one), Value::Object(other)) = (simulated, real) {
        let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        for key in keys {
            let value = |of: &Map<String, Value>| of.get(key).cloned().unwrap_or_default();
            apart(&format!("{at}/{key}"), &value(one), &value(other), text);
        }
    } else {
        let _ = write!(
            text,
            "\n  {at}\n    simulated {simulated}\n    real      {real}"
        );
    }
}

/// What a look showed, in one word, with what makes it a case of its own.
fn state(seen: &Value) -> String {
    if let Some(word) = seen.as_str() {
        return word.to_lowercase();
    }
    let states = ["created", "running", "paused", "exited", "unknown"];
    let found = states.into_iter().find(|state| !seen[state].is_null());
    let word = found.expect("every look shows something");
    match word {
        "created" => format!("created {}", seen["made"]),
        "running" => format!("running {}", seen["answer"]),
        "exited" => format!("exited {} {}", seen["exit"]["code"], seen["exit"]["end"]),
        "unknown" => format!("unknown {}", seen["unknown"]),
        other => other.to_owned(),
    }
}

#[derive(Default)]
struct Counts {
    sequences: u64,
    operations: u64,
    /// Answers of operations, looks, storage, lists and engines.
    answers: u64,
    hints: u64,
    verbs: BTreeMap<String, u64>,
    /// How the engine's refusals and other odd answers were understood.
    odd: BTreeMap<String, u64>,
    states: BTreeMap<String, u64>,
    differences: Differences,
}

/// Answers in a picture: two looks, two storages, a list, and which engine it is.
const IN_A_PICTURE: u64 = 6;

impl Counts {
    fn add(&mut self, operation: &Operation, step: &Step) {
        self.operations += 1;
        self.answers += 1 + IN_A_PICTURE;
        self.hints += step.hints.as_array().map_or(0, |woken| woken.len() as u64);
        *self.verbs.entry(operation.verb()).or_default() += 1;
        if let Operation::Act { .. } = operation
            && step.answer != "Done"
        {
            *self.odd.entry(step.answer.to_string()).or_default() += 1;
        }
        for who in ["a", "b"] {
            let seen = state(&step.picture[who]["seen"]);
            *self.states.entry(seen).or_default() += 1;
        }
    }

    fn met(&mut self, names: &[&'static str]) {
        for name in names {
            *self.differences.met.entry(name).or_default() += 1;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "engine: {} sequences, {} operations, {} answers and {} hints compared",
            self.sequences, self.operations, self.answers, self.hints
        )?;
        writeln!(f, "operations {:?}", self.verbs)?;
        writeln!(f, "answers other than Done {:?}", self.odd)?;
        writeln!(f, "seen {:?}", self.states)?;
        write!(f, "known differences met {:?}", self.differences.met)
    }
}
