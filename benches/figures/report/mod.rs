//! What becomes of the figures once they are measured: a JSON file, a Markdown table, plots, and what moved since the
//! baseline. Blocks on files and on nothing else; promises that `results.json` is written before anything that may fail.

pub mod agreement;
pub mod axis;
pub mod compare;
pub mod json;
pub mod machine;
pub mod markdown;
pub mod plot;
pub mod series;
pub mod terminal;
pub mod words;

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::figure::Figure;

pub use agreement::agreement;
pub use json::{read, save_baseline};
pub use machine::{Components, Machine};
pub use series::{Line, Series};

use compare::{Comparison, Verdict, compare};
use markdown::markdown;
use plot::draw;

/// All that one `make bench` has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    pub machine: Machine,
    /// When it was begun, in UTC.
    pub taken: String,
    /// Smaller loads and fewer runs: to look at, not to hold anybody to.
    pub quick: bool,
    pub figures: Vec<Figure>,
    /// What is plotted; a baseline has none.
    #[serde(default)]
    pub series: Vec<Series>,
}

/// What was written, and what a person at the terminal wants to know of it.
#[derive(Debug)]
pub struct Summary {
    /// The table, then what moved, then where the files are.
    pub text: String,
    /// Ids of the figures that miss their budget.
    pub missed: Vec<String>,
    /// Ids of the figures that moved to the worse since the baseline.
    pub worse: Vec<String>,
}

/// Why there is no report, or only a part of one.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("{path} cannot be read")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} cannot be written")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} holds no results")]
    Parse {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("the results are no JSON")]
    Render(#[source] serde_json::Error),
    #[error("the plot {id} cannot be drawn: {reason}")]
    Plot { id: String, reason: String },
    #[error("results.json is written, but the figures are not sound: {}", .0.join("; "))]
    Unsound(Vec<String>),
}

impl Results {
    /// The figure of this id.
    pub fn figure(&self, id: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.id == id)
    }

    /// What no honest measurement leaves behind: values that are no numbers, two figures of one name.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (place, figure) in self.figures.iter().enumerate() {
            let id = &figure.id;
            let ratios = figure.ratios.iter().flat_map(|ratios| &ratios.runs);
            if !figure.runs.iter().chain(ratios).all(|run| run.is_finite()) {
                faults.push(format!("{id} has a run that is no number"));
            }
            if self.figures[..place].iter().any(|other| other.id == *id) {
                faults.push(format!("two figures are called {id}"));
            }
        }
        for (place, series) in self.series.iter().enumerate() {
            faults.extend(series.fault());
            if self.series[..place].iter().any(|s| s.id == series.id) {
                faults.push(format!("two plots are called {}", series.id));
            }
        }
        faults
    }
}

/// Writes `results.json`, `table.md` and `plots/*.svg` into the folder and compares with the baseline. A baseline that
/// is not there is said in the text; one that cannot be read is an error.
pub fn write(
    results: &Results,
    out_dir: &Path,
    baseline: Option<&Path>,
) -> Result<Summary, ReportError> {
    let plots = out_dir.join("plots");
    fs::create_dir_all(&plots).map_err(|source| ReportError::Write {
        path: plots.clone(),
        source,
    })?;
    let results = json::tidy(results);
    json::write(&results, &out_dir.join("results.json"))?;
    let faults = results.faults();
    if !faults.is_empty() {
        return Err(ReportError::Unsound(faults));
    }

    let before = match baseline {
        Some(path) => json::read_if_there(path)?,
        None => None,
    };
    let comparison = before.map(|before| compare(&before, &results));
    save(
        &out_dir.join("table.md"),
        &markdown(&results, comparison.as_ref()),
    )?;
    for series in &results.series {
        save(&plots.join(format!("{}.svg", series.id)), &draw(series)?)?;
    }

    let mut text = terminal::text(&results, comparison.as_ref(), baseline);
    text.push_str(&format!("\nWritten to {}.\n", out_dir.display()));
    Ok(Summary {
        text,
        missed: missed(&results),
        worse: comparison.as_ref().map(worse).unwrap_or_default(),
    })
}

fn missed(results: &Results) -> Vec<String> {
    let misses = |figure: &&Figure| figure.kept() == Some(false);
    let missed = results.figures.iter().filter(misses);
    missed.map(|figure| figure.id.clone()).collect()
}

fn worse(comparison: &Comparison) -> Vec<String> {
    let changes = comparison.changes.iter();
    let worse = changes.filter(|change| change.verdict == Verdict::Worse);
    worse.map(|change| change.id.clone()).collect()
}

fn save(path: &Path, text: &str) -> Result<(), ReportError> {
    fs::write(path, text).map_err(|source| ReportError::Write {
        path: path.to_path_buf(),
        source,
    })
}
