//! Instructions and allocations of single decisions and looks, held to committed figures: `make test STAGES=counts`.
//!
//! gungraun runs every function here under callgrind (instructions) and DHAT (heap blocks and bytes); what it
//! measured is then compared with `expected.json`. No time is measured, so the load of the machine is nothing to
//! it. `make counts` writes the expectation anew. May run for a minute; a failed comparison is exit code 1.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::{Command, ExitCode};

// The fakes of the controller's own tests name the product as their own crate.
use dillinger_runner::{api, controller, runtime, session};

mod expected;
#[allow(dead_code, reason = "the controller's tests use more of it")]
#[path = "../../src/controller/tests/api.rs"]
mod fake_api;
#[allow(dead_code, reason = "the controller's tests use more of it")]
#[path = "../../src/controller/tests/runtime.rs"]
mod fake_runtime;
mod heart;
mod looks;
mod sights;
mod world;

/// What gungraun makes of the benchmarks: the program that starts valgrind, and the one that it starts.
mod measured {
    use gungraun::{Callgrind, Dhat, DhatMetric, LibraryBenchmarkConfig, main};

    use super::heart::heart;
    use super::looks::looks;

    main!(
        config = LibraryBenchmarkConfig::default()
            // Instructions alone: caches and branches are those of a machine.
            .tool(Callgrind::with_args(["--cache-sim=no"]))
            // The frame of the benchmark must be among those that DHAT keeps; futures nest deep.
            .tool(
                Dhat::with_args(["--num-callers=200"])
                    .format([DhatMetric::TotalBlocks, DhatMetric::TotalBytes])
            );
        library_benchmark_groups = heart, looks
    );

    pub fn run() {
        main();
    }
}

/// Set in the process that measures; the one that compares started it.
const MEASURES: &str = "DILLINGER_COUNTS_MEASURE";

fn main() -> ExitCode {
    let in_valgrind = std::env::args().any(|arg| arg == "--gungraun-run");
    if in_valgrind || std::env::var_os(MEASURES).is_some() {
        measured::run();
        return ExitCode::SUCCESS;
    }
    // Empty, so that gungraun compares with nothing of its own.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("counts");
    let _ = std::fs::remove_dir_all(&folder);
    let mut arguments = std::env::args_os();
    let program = arguments.next().expect("a program has a name");
    let measured = Command::new(program)
        .args(arguments)
        .env(MEASURES, "1")
        .env("GUNGRAUN_HOME", &folder)
        .env("GUNGRAUN_SAVE_SUMMARY", "json")
        .status();
    match measured {
        Ok(status) if status.success() => expected::compare(&folder),
        Ok(_) | Err(_) => {
            eprintln!("counts: nothing was measured; is gungraun-runner in the PATH?");
            ExitCode::FAILURE
        }
    }
}
