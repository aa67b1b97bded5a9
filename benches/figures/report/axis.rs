//! One axis of a plot, linear or logarithmic, with marks at round numbers. Pure.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::words;

/// Fewer marks than this leave a reader guessing; linear axes have up to twice as many.
const MARKS: f64 = 5.0;
/// Over so many powers of ten, 2 and 5 are marked too.
const DECADES_WITH_2_AND_5: i32 = 3;

/// A range of values that begins and ends at a mark.
#[derive(Clone, Debug)]
pub struct Axis {
    log: bool,
    marks: Vec<f64>,
}

impl Axis {
    /// Around these values, which are finite and, for a logarithmic axis, above zero. A linear axis begins at zero
    /// where no value is below, so that a height is a size.
    pub fn around(values: impl Iterator<Item = f64> + Clone, log: bool) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        let marks = if log {
            log_marks(least, most)
        } else {
            linear_marks(least.min(0.0), most.max(0.0))
        };
        Axis { log, marks }
    }

    pub fn marks(&self) -> &[f64] {
        &self.marks
    }

    fn place(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    fn first(&self) -> f64 {
        self.marks[0]
    }

    fn last(&self) -> f64 {
        self.marks[self.marks.len() - 1]
    }
}

/// A mark in words: as many digits as it has.
pub fn mark(value: f64) -> String {
    if value.abs() >= 1.0 && value.fract() == 0.0 {
        return words::number(value);
    }
    let digits = format!("{value:.6}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    digits.replace('-', "−")
}

fn linear_marks(least: f64, most: f64) -> Vec<f64> {
    let extent = if most > least { most - least } else { 1.0 };
    let rough = extent / MARKS;
    let power = 10_f64.powf(rough.log10().floor());
    let fitting = [1.0, 2.0, 5.0].map(|step| step * power);
    let step = fitting
        .into_iter()
        .rfind(|step| *step <= rough)
        .unwrap_or(power);
    let first = (least / step).floor() as i64;
    let last = ((least + extent) / step).ceil() as i64;
    (first..=last).map(|mark| mark as f64 * step).collect()
}

fn log_marks(least: f64, most: f64) -> Vec<f64> {
    let (low, high) = (least.log10().floor() as i32, most.log10().ceil() as i32);
    let steps: &[f64] = if high - low <= DECADES_WITH_2_AND_5 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let decades = low..=high.max(low + 1);
    let all = decades.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
    let all: Vec<f64> = all.collect();
    // From the last mark at or below the least value to the first at or above the most.
    let from = all.iter().rposition(|mark| *mark <= least * (1.0 + 1e-9));
    let to = all.iter().position(|mark| *mark >= most * (1.0 - 1e-9));
    let from = from.unwrap_or(0);
    let to = to.unwrap_or(all.len() - 1).max(from + 1);
    all[from..=to.min(all.len() - 1)].to_vec()
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let (first, last) = (self.place(self.first()), self.place(self.last()));
        let share = (self.place(*value) - first) / (last - first);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.first()..self.last()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        mark(*value)
    }
}
