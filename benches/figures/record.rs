//! What was measured so far: figures grow by a value a run, series by a point. Plain data, nothing blocks.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::figure::{Figure, Ratios};
use super::procfs::load_average;

/// All figures of one process of this program, and what failed; written to a file, put together by the report.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    pub figures: Vec<Figure>,
    pub curves: Vec<Curve>,
    /// Rows that gave no figure, with the reason.
    pub failures: Vec<String>,
    #[serde(skip)]
    load: f64,
}

/// Points of a plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    pub id: String,
    pub title: String,
    pub x: String,
    pub y: String,
    pub points: Vec<(f64, f64)>,
}

impl Record {
    /// Before each run of a row: notes the load average that its figures carry.
    pub fn begin_run(&mut self) -> anyhow::Result<()> {
        self.load = load_average()?;
        Ok(())
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
        let empty = || Ratios {
            over: over.to_owned(),
            runs: Vec::new(),
        };
        kept.ratios
            .get_or_insert_with(empty)
            .runs
            .push(value / compared);
    }

    /// A point of a plot.
    pub fn point(&mut self, id: &str, title: &str, axes: (&str, &str), point: (f64, f64)) {
        match self.curves.iter_mut().find(|curve| curve.id == id) {
            Some(curve) => curve.points.push(point),
            None => self.curves.push(Curve {
                id: id.to_owned(),
                title: title.to_owned(),
                x: axes.0.to_owned(),
                y: axes.1.to_owned(),
                points: vec![point],
            }),
        }
    }

    /// The values of a figure so far.
    pub fn runs(&self, id: &str) -> Option<&[f64]> {
        let figure = self.figures.iter().find(|figure| figure.id == id)?;
        Some(&figure.runs)
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
