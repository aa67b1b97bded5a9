//! The flags of `controller` that let a file stand in for an engine; in builds with the feature `simulate` alone.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// As written.
#[derive(Clone, Debug, Args)]
pub struct SimulationFlags {
    /// Run nothing: this journal stands in for the engine of every runtime, and is made where it is missing. Only
    /// for measurements.
    #[arg(long, env = "DILLINGER_SIMULATE", value_name = "FILE")]
    pub simulate: Option<PathBuf>,

    /// How long after its start a simulated game is ready.
    #[arg(
        long,
        env = "DILLINGER_SIMULATE_READY_AFTER",
        default_value_t = 0,
        value_name = "MILLISECONDS",
        requires = "simulate"
    )]
    pub simulate_ready_after: u64,
}

/// Resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// The journal.
    pub file: PathBuf,
    pub ready_after: Duration,
}

impl SimulationFlags {
    pub(super) fn resolve(self) -> Option<Simulation> {
        let ready_after = Duration::from_millis(self.simulate_ready_after);
        let file = self.simulate?;
        Some(Simulation { file, ready_after })
    }
}
