//! Measures what the controller costs, on a real API server: `make bench`.

mod audit;
mod controller;
mod figure;
mod load;
mod procfs;
mod record;
mod rows;
mod watch;
mod world;

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use rows::{Bench, Setting};
use world::World;

/// Measures the controller; `benches/run` calls it.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// In a world: runs the rows that belong into it and writes what they gave.
    Measure {
        /// Which rows, by the world that they need.
        #[arg(long, value_enum)]
        setting: Setting,
        /// Small pools and short loads.
        #[arg(long)]
        quick: bool,
        #[arg(long, default_value_t = 3)]
        runs: u64,
        /// Only rows with figures whose ids begin so.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// File for what was measured.
        #[arg(long)]
        out: PathBuf,
    },
    /// Whether a setting has rows that `--only` wants: exit code 0 or 1.
    Wants {
        #[arg(long, value_enum)]
        setting: Setting,
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Measure {
            setting,
            quick,
            runs,
            only,
            out,
        } => {
            let bench = Bench {
                world: World::here().await?,
                quick,
                run: Cell::new(0),
                capacity: Cell::new(None),
            };
            let record = rows::run(&bench, setting, &only, runs).await;
            record.write(&out)?;
            Ok(ExitCode::from(u8::from(!record.failures.is_empty())))
        }
        Command::Wants { setting, only } => {
            let any = rows::all()
                .iter()
                .any(|row| row.setting == setting && rows::wanted(row, &only));
            Ok(ExitCode::from(u8::from(!any)))
        }
    }
}
