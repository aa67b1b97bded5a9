//! What was measured against what is expected of it: reads gungraun's summaries, compares, or writes anew.
//!
//! The figures do not depend on the machine: the compiler is pinned (rust-toolchain.toml), so are the crates
//! (Cargo.lock), and valgrind shows every x86-64 with AVX2 the same processor, by which libc chooses its routines.
//! On any other processor only allocations are compared (without AVX2 a report takes 10 % more instructions). Both
//! ways: what became cheaper is expected anew too, or the gate would let that much waste pass. Blocks on reading files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use serde_json::Value;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/counts/expected.json");

/// Set: the expectation is written, not compared.
const WRITE: &str = "DILLINGER_WRITE_COUNTS";

/// Cost of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cost {
    instructions: u64,
    blocks: u64,
    bytes: u64,
}

type Costs = BTreeMap<String, Cost>;

/// How far what is seen may be from what is expected, in per cent.
struct Tolerance {
    instructions: f64,
    blocks: f64,
    bytes: f64,
}

/// Instructions that are allowed beside the share: another libc copies a structure in some more or fewer, and a small
/// decision is little else. Its allocations are held exactly.
const COPIES: f64 = 200.0;

/// Values in, values out: six runs of one build differed by 0.005 % where regular expressions are compiled, and by
/// nothing elsewhere. The rest is for libc's routines, and for what an edit elsewhere does to inlining.
const HEART: Tolerance = Tolerance {
    instructions: 3.0,
    blocks: 0.0,
    bytes: 0.0,
};
/// A whole controller: hash maps are keyed at random, so instructions differed by up to 0.23 % in six runs, and
/// allocations by nothing. That order may once decide which buffer grows.
const LOOKS: Tolerance = Tolerance {
    instructions: 3.0,
    blocks: 0.5,
    bytes: 0.5,
};

/// Compares the summaries below this folder with the expectation.
pub fn compare(measured: &Path) -> ExitCode {
    let mut seen = Costs::new();
    if let Err(error) = read(measured, &mut seen) {
        eprintln!("counts: {}: {error}", measured.display());
        return ExitCode::FAILURE;
    }
    if std::env::var_os(WRITE).is_some() {
        let text = serde_json::to_string_pretty(&seen).expect("plain data");
        return match fs::write(FILE, text + "\n") {
            Ok(()) => {
                println!("counts: {} written to {FILE}", seen.len());
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("counts: {FILE}: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let expected = fs::read_to_string(FILE).map_err(|error| error.to_string());
    let expected = expected
        .and_then(|text| serde_json::from_str::<Costs>(&text).map_err(|error| error.to_string()));
    match expected {
        Ok(expected) => verdict(&expected, &seen),
        Err(error) => {
            eprintln!("counts: {FILE}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn is_known_processor() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn is_known_processor() -> bool {
    false
}

fn verdict(expected: &Costs, seen: &Costs) -> ExitCode {
    if !is_known_processor() {
        println!(
            "Instructions are expected of x86-64 with AVX2: only allocations are compared here."
        );
    }
    let (mut passed, mut failed) = (0, 0);
    let names: std::collections::BTreeSet<_> = expected.keys().chain(seen.keys()).collect();
    for name in names {
        let differences = match (expected.get(name), seen.get(name)) {
            (Some(expected), Some(seen)) => differences(name, expected, seen),
            (Some(_), None) => " is expected and was not measured".to_owned(),
            (None, _) => " was measured and is not expected".to_owned(),
        };
        if differences.is_empty() {
            passed += 1;
        } else {
            failed += 1;
            println!("FAILED {name}:{differences}");
        }
    }
    if failed > 0 {
        println!(
            "If that is what the change is worth, `make counts` writes benches/counts/expected.json anew; commit it \
             with the reason. What became cheaper is to be written too: the gate is as tight as that file."
        );
    }
    println!("counts: {passed} passed, {failed} failed");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Empty: none beyond the tolerance.
fn differences(name: &str, expected: &Cost, seen: &Cost) -> String {
    let allowed = match name.starts_with("heart::") {
        true => HEART,
        false => LOOKS,
    };
    let copies = COPIES / expected.instructions.max(1) as f64 * 100.0;
    let instructions = match is_known_processor() {
        true => allowed.instructions + copies,
        false => f64::INFINITY,
    };
    let figures = [
        (
            "instructions",
            expected.instructions,
            seen.instructions,
            instructions,
        ),
        ("heap blocks", expected.blocks, seen.blocks, allowed.blocks),
        ("heap bytes", expected.bytes, seen.bytes, allowed.bytes),
    ];
    let mut words = String::new();
    for (what, expected, seen, allowed) in figures {
        let by = (seen as f64 - expected as f64) / expected.max(1) as f64 * 100.0;
        if by.abs() > allowed {
            let _ = write!(
                words,
                " {what} {seen}, expected {expected} ({by:+.1} %, allowed ±{allowed:.1} %);"
            );
        }
    }
    words
}

/// Every summary below this folder.
fn read(folder: &Path, costs: &mut Costs) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, costs)?;
        } else if path.ends_with("summary.json") {
            let summary: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
            let (name, cost) = cost(&summary)
                .ok_or_else(|| io::Error::other(format!("{} is not understood", path.display())))?;
            costs.insert(name, cost);
        }
    }
    Ok(())
}

/// None: it is not what gungraun 0.20 writes.
fn cost(summary: &Value) -> Option<(String, Cost)> {
    let word = |key: &str| summary[key].as_str();
    let name = format!(
        "{}::{}::{}",
        word("group")?,
        word("function_name")?,
        word("id")?
    );
    let metric = |tool: &str, metric: &str| {
        let mut profiles = summary["profiles"].as_array()?.iter();
        let profile = profiles.find(|profile| profile["tool"] == tool)?;
        profile["data"]["total"]["metrics"][metric]["values"]["new"].as_u64()
    };
    let cost = Cost {
        instructions: metric("Callgrind", "Ir")?,
        blocks: metric("DHAT", "TotalBlocks")?,
        bytes: metric("DHAT", "TotalBytes")?,
    };
    Some((name, cost))
}
