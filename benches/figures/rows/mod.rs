//! The rows of the report: what each measures, in which world, how long a run takes, and the loop over all of them.
//!
//! A row that fails loses its figures of that run and is named at the end; the others go on.

mod bed;
mod burst;
mod crowd;
mod docker;
mod failover;
mod floor;
mod growth;
mod pool;
mod ready;
mod rest;
mod writes;

use std::cell::Cell;
use std::time::Duration;

use futures::future::LocalBoxFuture;

use super::record::Record;
use super::report::Machine;
use super::report::machine::load_average;
use super::world::World;

/// The world that a row needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Setting {
    /// No audit log: it costs the API server time.
    Timed,
    /// With an audit log: requests are counted.
    Counted,
    /// No audit log, and an engine with the test game's image.
    Docker,
}

/// Something measured, giving one value of each of its figures a run.
pub struct Row {
    /// Beginnings of the ids of its figures; `--only` is compared with them.
    pub ids: &'static [&'static str],
    pub setting: Setting,
    /// About how long a run takes.
    pub seconds: u64,
    /// Measured once, however many runs are asked for: it takes minutes, and has thousands of sessions of its own to
    /// take a middle of.
    pub once: bool,
    pub run: fn(Run) -> LocalBoxFuture<'_, anyhow::Result<()>>,
}

impl Row {
    /// How often it is measured, of so many runs.
    pub fn runs(&self, runs: u64) -> u64 {
        if self.once { 1 } else { runs }
    }
}

/// What a row is given for one run.
pub struct Run<'a> {
    pub bench: &'a Bench,
    pub record: &'a mut Record,
}

/// What all rows share.
pub struct Bench {
    pub world: World,
    /// Small pools and short loads: does everything work?
    pub quick: bool,
    /// Number of the run, from 0: seeds differ between runs, and are the same in every bench.
    pub run: Cell<u64>,
}

impl Bench {
    /// `full`, or `small` in a quick bench.
    pub fn size(&self, full: usize, small: usize) -> usize {
        if self.quick { small } else { full }
    }

    /// How long a paced load lasts.
    pub fn paced(&self) -> Duration {
        Duration::from_secs(if self.quick { 4 } else { 10 })
    }

    /// A seed of this run; `part` tells loads of one run apart.
    pub fn seed(&self, part: u64) -> u64 {
        1_000 * (self.run.get() + 1) + part
    }
}

/// Every row, in the order in which they are run: the burst says what 70 % of the capacity is.
pub fn all() -> Vec<Row> {
    let groups = [
        burst::rows(),
        ready::rows(),
        failover::rows(),
        pool::rows(),
        rest::rows(),
        crowd::rows(),
        writes::rows(),
        docker::rows(),
    ];
    groups.into_iter().flatten().collect()
}

/// The rows of a setting that `--only` wants; no words want all.
pub fn chosen(setting: Setting, only: &[String]) -> Vec<Row> {
    let fits = |row: &Row, word: &str| {
        row.ids
            .iter()
            .any(|id| id.starts_with(word) || word.starts_with(id))
    };
    let wanted = |row: &Row| only.is_empty() || only.iter().any(|word| fits(row, word));
    all()
        .into_iter()
        .filter(|row| row.setting == setting && wanted(row))
        .collect()
}

/// Runs the rows of a setting.
pub async fn run(
    bench: &Bench,
    machine: Machine,
    setting: Setting,
    only: &[String],
    runs: u64,
) -> Record {
    let mut record = Record::new(machine);
    for row in chosen(setting, only) {
        let runs = row.runs(runs);
        eprintln!(
            "  {} ({runs} runs{})",
            row.ids.join(" "),
            length(bench, &row, runs)
        );
        for number in 0..runs {
            bench.run.set(number);
            if let Err(error) = once(bench, &row, &mut record).await {
                let words = format!("{}, run {}: {error:#}", row.ids.join(" "), number + 1);
                eprintln!("    FAILED: {words}");
                record.failures.push(words);
                break;
            }
        }
    }
    record
}

fn length(bench: &Bench, row: &Row, runs: u64) -> String {
    match (row.seconds * runs).div_ceil(60) {
        _ if bench.quick => String::new(),
        1 => ", about a minute".to_owned(),
        minutes => format!(", about {minutes} minutes"),
    }
}

async fn once(bench: &Bench, row: &Row, record: &mut Record) -> anyhow::Result<()> {
    bench.world.settle().await?;
    record.begin_run(load_average()?);
    (row.run)(Run { bench, record }).await
}
