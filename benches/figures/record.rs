//! What was measured so far: figures grow by a value a run, plots by a line. Plain data; nothing blocks.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::figure::Figure;
use super::report::{Line, Machine, Series};

/// All figures of one process of this program, and what failed; written to a file, put together by the report.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    pub machine: Machine,
    pub figures: Vec<Figure>,
    pub series: Vec<Series>,
    /// Rows that gave no figure, with the reason.
    pub failures: Vec<String>,
    #[serde(skip)]
    load: f64,
}

impl Record {
    pub fn new(machine: Machine) -> Record {
        Record {
            machine,
            figures: Vec::new(),
            series: Vec::new(),
            failures: Vec::new(),
            load: 0.0,
        }
    }

    /// Before each run of a row: the load average that its figures carry.
    pub fn begin_run(&mut self, load: f64) {
        self.load = load;
    }

    /// One run's value. The first call of an id gives the figure its title, budget and note.
    pub fn add(&mut self, figure: Figure, value: f64) {
        let load = self.load;
        let kept = self.figure(figure);
        kept.runs.push(value);
        kept.load.push(load);
    }

    /// The same, with what it is compared with in the same run.
    pub fn add_over(&mut self, figure: Figure, value: f64, over: &str, compared: f64) {
        let load = self.load;
        let kept = self.figure(figure);
        kept.runs.push(value);
        kept.load.push(load);
        let mut runs = kept
            .ratios
            .take()
            .map_or_else(Vec::new, |ratios| ratios.runs);
        runs.push(value / compared);
        *kept = kept.clone().over(over, runs);
    }

    /// A line of a plot, in place of an earlier one of that name. The first call of an id gives the plot its title
    /// and axes.
    pub fn draw(&mut self, plot: Series, line: Line) {
        let at = self.series.iter().position(|kept| kept.id == plot.id);
        let at = at.unwrap_or_else(|| {
            self.series.push(plot);
            self.series.len() - 1
        });
        let lines = &mut self.series[at].lines;
        match lines.iter_mut().find(|kept| kept.name == line.name) {
            Some(kept) => *kept = line,
            None => lines.push(line),
        }
    }

    /// A figure as it stands.
    pub fn find(&self, id: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.id == id)
    }

    fn figure(&mut self, figure: Figure) -> &mut Figure {
        let at = self.figures.iter().position(|kept| kept.id == figure.id);
        let at = at.unwrap_or_else(|| {
            self.figures.push(figure);
            self.figures.len() - 1
        });
        &mut self.figures[at]
    }

    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(file, text).with_context(|| file.display().to_string())
    }

    pub fn read(file: &Path) -> anyhow::Result<Record> {
        let text = std::fs::read(file).with_context(|| file.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| file.display().to_string())
    }
}
