//! Measures what the controller costs, on a real API server: `make bench`.

mod audit;
mod controller;
mod figure;
mod gateway;
mod kubelets;
mod load;
mod procfs;
mod record;
mod report;
mod rows;
mod watch;
mod world;

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

use record::Record;
use report::{Machine, Results};
use rows::{Bench, Row, Setting};
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
    /// How long the rows of a setting that `--only` wants take; exit code 1: there is none.
    Wants {
        #[arg(long, value_enum)]
        setting: Setting,
        #[arg(long)]
        quick: bool,
        #[arg(long, default_value_t = 3)]
        runs: u64,
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Puts together what was measured: table, plots, what moved since the baseline.
    Report {
        /// When it was begun, in UTC.
        #[arg(long)]
        taken: String,
        #[arg(long)]
        quick: bool,
        /// Folder for the report.
        #[arg(long)]
        out: PathBuf,
        #[arg(long)]
        baseline: PathBuf,
        /// What was measured becomes the baseline.
        #[arg(long)]
        save_baseline: bool,
        /// Files that `measure` wrote.
        #[arg(required = true)]
        parts: Vec<PathBuf>,
    },
    /// Whether two results agree within their own spreads; exit code 1: they do not.
    Agree { first: PathBuf, second: PathBuf },
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
            let world = World::here().await?;
            let machine = Machine::read(world.components(setting == Setting::Docker).await?)?;
            let bench = Bench {
                world,
                quick,
                run: Cell::new(0),
            };
            let record = rows::run(&bench, machine, setting, &only, runs).await;
            record.write(&out)?;
            Ok(verdict(record.failures.is_empty()))
        }
        Command::Wants {
            setting,
            quick,
            runs,
            only,
        } => {
            let rows = rows::chosen(setting, &only);
            // A quick run is mostly starts and waits for rest.
            let each = |row: &Row| row.runs(runs) * if quick { 15 } else { row.seconds };
            let seconds: u64 = rows.iter().map(each).sum();
            println!(
                "{} rows, about {} minutes",
                rows.len(),
                seconds.div_ceil(60)
            );
            Ok(verdict(!rows.is_empty()))
        }
        Command::Report {
            taken,
            quick,
            out,
            baseline,
            save_baseline,
            parts,
        } => {
            let (results, failures) = put_together(taken, quick, &parts)?;
            let summary = report::write(&results, &out, Some(&baseline))?;
            println!("{}", summary.text);
            println!(
                "{} budgets missed, {} figures worse than the baseline, {} rows failed",
                summary.missed.len(),
                summary.worse.len(),
                failures.len()
            );
            for failure in &failures {
                println!("FAILED: {failure}");
            }
            if save_baseline {
                ensure!(
                    failures.is_empty() && !quick,
                    "no baseline is made of a quick bench, or of one with failures"
                );
                report::save_baseline(&out.join("results.json"), &baseline)?;
            }
            Ok(verdict(failures.is_empty()))
        }
        Command::Agree { first, second } => {
            let found = report::agreement(&report::read(&first)?, &report::read(&second)?);
            for disagreement in found.against.iter().chain(&found.apart) {
                println!("{disagreement}");
            }
            if !found.moved.is_empty() {
                println!(
                    "the machine itself moved between the two ({}): {} times without a ratio are not judged",
                    found.moved.join(", "),
                    found.unjudged
                );
            }
            println!(
                "{} of {} measured figures lie apart, {} by chance at most; {} reasons against: they {}",
                found.apart.len(),
                found.compared,
                report::agreement::by_chance(found.compared),
                found.against.len(),
                if found.holds() {
                    "agree"
                } else {
                    "do not agree"
                }
            );
            Ok(verdict(found.holds()))
        }
    }
}

fn verdict(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The results of all parts, taken on the machine of the first, and what failed.
fn put_together(
    taken: String,
    quick: bool,
    parts: &[PathBuf],
) -> anyhow::Result<(Results, Vec<String>)> {
    let records = parts.iter().map(|part| Record::read(part));
    let records = records.collect::<anyhow::Result<Vec<Record>>>()?;
    let mut machine = records.first().context("no part")?.machine.clone();
    let mut engines = records
        .iter()
        .filter_map(|record| record.machine.components.docker_engine.clone());
    machine.components.docker_engine = engines.next();
    let (mut figures, mut series, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        figures.extend(record.figures);
        series.extend(record.series);
        failures.extend(record.failures);
    }
    Ok((
        Results {
            machine,
            taken,
            quick,
            figures,
            series,
        },
        failures,
    ))
}
