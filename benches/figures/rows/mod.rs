//! The rows of the report: what each measures, in which world, how long a run takes, and the loop over all of them.
//!
//! A row that fails loses its figures and is named at the end; the others go on.

mod bed;
mod docker;
mod floor;
mod ready;

use std::cell::Cell;
use std::time::Duration;

use futures::future::LocalBoxFuture;

use super::record::Record;
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
    pub run: fn(Run) -> LocalBoxFuture<'_, anyhow::Result<()>>,
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
    /// Ready a second of the last burst: what paced loads at a share of the capacity go by.
    pub capacity: Cell<Option<f64>>,
}

impl Bench {
    /// `full`, or `small` in a quick bench.
    pub fn size(&self, full: usize, small: usize) -> usize {
        if self.quick { small } else { full }
    }

    /// How long a paced load lasts.
    pub fn paced(&self) -> Duration {
        Duration::from_secs(if self.quick { 4 } else { 20 })
    }

    /// A seed of this run; `part` tells loads of one run apart.
    pub fn seed(&self, part: u64) -> u64 {
        1_000 * (self.run.get() + 1) + part
    }
}

/// Every row, in the order in which they are run.
pub fn all() -> Vec<Row> {
    [ready::rows(), docker::rows()]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether `--only` wants the row; no words want all.
pub fn wanted(row: &Row, only: &[String]) -> bool {
    let fits = |word: &String| {
        row.ids
            .iter()
            .any(|id| id.starts_with(word.as_str()) || word.starts_with(id))
    };
    only.is_empty() || only.iter().any(fits)
}

/// Runs the rows of a setting.
pub async fn run(bench: &Bench, setting: Setting, only: &[String], runs: u64) -> Record {
    let mut record = Record::default();
    let rows = all();
    let rows = rows
        .iter()
        .filter(|row| row.setting == setting && wanted(row, only));
    for row in rows {
        let minutes = (row.seconds * runs).div_ceil(60);
        let length = if bench.quick {
            "quick".to_owned()
        } else {
            format!("about {minutes} min")
        };
        eprintln!("  {} ({runs} runs, {length})", row.ids.join(", "));
        for number in 0..runs {
            bench.run.set(number);
            if let Err(error) = once(bench, row, &mut record).await {
                let words = format!("{}, run {}: {error:#}", row.ids.join(", "), number + 1);
                eprintln!("    FAILED: {words}");
                record.failures.push(words);
                break;
            }
        }
    }
    record
}

async fn once(bench: &Bench, row: &Row, record: &mut Record) -> anyhow::Result<()> {
    bench.world.settle().await?;
    record.begin_run()?;
    (row.run)(Run { bench, record }).await
}
