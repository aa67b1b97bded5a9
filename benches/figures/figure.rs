//! One measured figure: what every row of the report is made from. Plain data, and what follows from it.

use serde::{Deserialize, Serialize};

/// A figure with all of its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Stable name, dots from the general to the special: `ready.paced_12.p50`. A baseline is found by it.
    pub id: String,
    /// What a reader calls it.
    pub title: String,
    pub unit: Unit,
    /// One value a run, in the order of the runs.
    pub runs: Vec<f64>,
    pub better: Better,
    pub budget: Option<Budget>,
    /// Each run's value over that of a comparison in the same run, where a time is involved.
    pub ratios: Option<Ratios>,
    /// Load average over one minute before each run.
    pub load: Vec<f64>,
    /// What bounds it, or how it was taken, where the title does not say.
    pub note: String,
    /// Counted, not timed: any difference between two sets of runs is one.
    #[serde(default)]
    pub exact: bool,
    /// The least difference that the way of measuring can show, such as a tick of the CPU clock.
    #[serde(default)]
    pub resolution: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    Milliseconds,
    Seconds,
    PerSecond,
    Mebibytes,
    /// A plain number: writes, conflicts, a ratio.
    Count,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Better {
    Lower,
    Higher,
}

/// A promise that the figure is held to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Budget {
    AtMost(f64),
    AtLeast(f64),
}

/// What a figure is compared with in the same run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// What stands below the line.
    pub over: String,
    /// One value a run.
    pub runs: Vec<f64>,
}

/// The least, the middle and the most of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Figure {
    /// A figure without runs yet; lower is better.
    pub fn new(id: &str, title: &str, unit: Unit) -> Self {
        Figure {
            id: id.to_owned(),
            title: title.to_owned(),
            unit,
            runs: Vec::new(),
            better: Better::Lower,
            budget: None,
            ratios: None,
            load: Vec::new(),
            note: String::new(),
            exact: false,
            resolution: 0.0,
        }
    }

    pub fn higher_is_better(mut self) -> Self {
        self.better = Better::Higher;
        self
    }

    pub fn at_most(mut self, budget: f64) -> Self {
        self.budget = Some(Budget::AtMost(budget));
        self
    }

    pub fn at_least(mut self, budget: f64) -> Self {
        self.budget = Some(Budget::AtLeast(budget));
        self
    }

    pub fn note(mut self, note: &str) -> Self {
        note.clone_into(&mut self.note);
        self
    }

    /// Holds it to any difference; for what is counted and cannot vary.
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Differences up to this one are the instrument's.
    pub fn resolution(mut self, resolution: f64) -> Self {
        self.resolution = resolution;
        self
    }

    /// The same runs over those of a comparison.
    pub fn over(mut self, over: &str, runs: Vec<f64>) -> Self {
        self.ratios = Some(Ratios {
            over: over.to_owned(),
            runs,
        });
        self
    }

    /// The first word of the id: figures with the same one stand in one table.
    pub fn group(&self) -> &str {
        self.id.split('.').next().unwrap_or(&self.id)
    }

    /// None: it was never run.
    pub fn spread(&self) -> Option<Spread> {
        spread(&self.runs)
    }

    /// Whether the median keeps the budget; None: there is no budget, or no run.
    pub fn kept(&self) -> Option<bool> {
        let median = self.spread()?.median;
        self.budget.map(|budget| match budget {
            Budget::AtMost(most) => median <= most,
            Budget::AtLeast(least) => median >= least,
        })
    }
}

impl Unit {
    /// As it stands behind a number; nothing for a count.
    pub fn symbol(self) -> &'static str {
        match self {
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
            Unit::PerSecond => "/s",
            Unit::Mebibytes => "MiB",
            Unit::Count => "",
        }
    }
}

impl Spread {
    /// How far the runs lie apart.
    pub fn width(self) -> f64 {
        self.max - self.min
    }
}

/// The spread of some values; the median of an even number is the mean of the middle two.
pub fn spread(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let half = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[half]
    } else {
        f64::midpoint(sorted[half - 1], sorted[half])
    };
    Some(Spread { min, median, max })
}

/// The value below which this share (0 to 1) of the values lies, by nearest rank.
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}
