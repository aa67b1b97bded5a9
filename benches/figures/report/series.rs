//! What is plotted: lines of points over one pair of axes. Plain data; blocks on nothing.

use serde::{Deserialize, Serialize};

use crate::figure::percentile;

/// One plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Names the file.
    pub id: String,
    pub title: String,
    /// With the unit.
    pub x_label: String,
    /// With the unit.
    pub y_label: String,
    pub log_x: bool,
    pub log_y: bool,
    pub lines: Vec<Line>,
}

/// One line of a plot, in the order in which it is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// Why it cannot be drawn.
    pub(super) fn fault(&self) -> Option<String> {
        let id = &self.id;
        let mut points = self.lines.iter().flat_map(|line| &line.points).peekable();
        if points.peek().is_none() {
            return Some(format!("the plot {id} has no point"));
        }
        let drawable = |value: f64, log: bool| value.is_finite() && (!log || value > 0.0);
        let lost = points.find(|(x, y)| !drawable(*x, self.log_x) || !drawable(*y, self.log_y));
        lost.map(|(x, y)| format!("the plot {id} has no place for the point {x}, {y}"))
    }
}

/// How the values are distributed: the share of them, in per cent, that is at most x. Every half per cent, and closer
/// at the slow end, where the promises are.
pub fn distribution(name: &str, values: &[f64]) -> Line {
    let body = (0..198).map(|step| f64::from(step) * 0.5);
    let tail = (0..=10).map(|step| 99.0 + f64::from(step) * 0.1);
    let point = |share: f64| Some((percentile(values, share / 100.0)?, share));
    Line {
        name: name.to_owned(),
        points: body.chain(tail).filter_map(point).collect(),
    }
}
