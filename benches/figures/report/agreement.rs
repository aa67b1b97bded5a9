//! Whether two results of one commit agree within the spreads that they print themselves. Pure.
//!
//! One figure of thirty lies apart by chance alone (the rule of the comparison argues it), so that of two hundred some
//! always do. Two results agree if no more do than chance explains in ninety-nine of a hundred pairs of benches. What is
//! counted exactly, what was measured in one alone, and what was not taken of the same thing, is no chance. Where the
//! machine itself moved between the two, times are compared by their ratios to what it did for others in the same run.

use std::fmt;

use crate::figure::Figure;

use super::compare::{Machines, Verdict, verdict};
use super::{Results, words};

/// One reason why they do not.
#[derive(Clone, Debug, PartialEq)]
pub enum Disagreement {
    /// They are not results of the same thing.
    Taken { what: String },
    /// Measured in one and not in the other.
    Missing { id: String, in_first: bool },
    /// Further apart than the rule of the comparison allows.
    Apart {
        id: String,
        first: String,
        second: String,
        change: String,
    },
}

/// How two results compare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agreement {
    /// What no chance explains.
    pub against: Vec<Disagreement>,
    /// Measured figures that lie apart.
    pub apart: Vec<Disagreement>,
    /// Measured figures that both have and that chance may move.
    pub compared: u32,
    /// Times that say nothing, since the machine moved or is another one.
    pub unjudged: u32,
    /// The references that say that it moved.
    pub moved: Vec<String>,
}

impl Agreement {
    /// Nothing is against it, and no more figures lie apart than chance explains.
    pub fn holds(&self) -> bool {
        self.against.is_empty() && self.apart.len() <= by_chance(self.compared)
    }
}

/// Share of figures that lie apart by chance.
const BY_CHANCE: f64 = 1.0 / 30.0;
/// Share of pairs of benches in which chance alone may say that they do not agree.
const WRONGLY: f64 = 0.01;

/// The most of so many figures that lie apart by chance, but for one pair of benches in a hundred. Figures of one load
/// move together, so that it is rather too few.
pub fn by_chance(figures: u32) -> usize {
    let (mut most, mut exactly) = (0, (1.0 - BY_CHANCE).powf(f64::from(figures)));
    let mut up_to = exactly;
    while up_to < 1.0 - WRONGLY && most < figures {
        exactly *= f64::from(figures - most) / f64::from(most + 1) * BY_CHANCE / (1.0 - BY_CHANCE);
        most += 1;
        up_to += exactly;
    }
    most as usize
}

/// Compares two results of one commit.
pub fn agreement(first: &Results, second: &Results) -> Agreement {
    let machines = Machines::of(first, second);
    let mut found = Agreement {
        against: taken(first, second),
        moved: match &machines {
            Machines::Moved(references) => references.clone(),
            Machines::Same | Machines::Others => Vec::new(),
        },
        ..Agreement::default()
    };
    for figure in measured(first) {
        let Some(other) = second
            .figure(&figure.id)
            .filter(|other| other.spread().is_some())
        else {
            found.against.push(missing(figure, false));
            continue;
        };
        match verdict(figure, other, &machines) {
            Verdict::Better | Verdict::Worse if figure.exact => {
                found.against.extend(apart(figure, other));
            }
            Verdict::Noise if figure.exact => {}
            Verdict::Better | Verdict::Worse => {
                found.compared += 1;
                found.apart.extend(apart(figure, other));
            }
            Verdict::Noise => found.compared += 1,
            Verdict::Unjudged => found.unjudged += 1,
        }
    }
    for figure in measured(second) {
        if first.figure(&figure.id).and_then(Figure::spread).is_none() {
            found.against.push(missing(figure, true));
        }
    }
    found
}

fn measured(results: &Results) -> impl Iterator<Item = &Figure> {
    results
        .figures
        .iter()
        .filter(|figure| !figure.runs.is_empty())
}

fn taken(first: &Results, second: &Results) -> Vec<Disagreement> {
    let (one, other) = (&first.machine, &second.machine);
    let mut found = Vec::new();
    if one.product() != other.product() {
        found.push(format!("{} and {}", one.product(), other.product()));
    }
    if first.quick != second.quick {
        found.push("one is quick and one is full".to_owned());
    }
    if !one.is_same_hardware(other) {
        found.push(format!("{} and {}", one.hardware(), other.hardware()));
    }
    let taken = |what| Disagreement::Taken { what };
    found.into_iter().map(taken).collect()
}

fn missing(figure: &Figure, in_first: bool) -> Disagreement {
    Disagreement::Missing {
        id: figure.id.clone(),
        in_first,
    }
}

fn apart(figure: &Figure, other: &Figure) -> Option<Disagreement> {
    let (a, b) = (figure.spread()?, other.spread()?);
    Some(Disagreement::Apart {
        id: figure.id.clone(),
        first: words::spread(a, figure.unit),
        second: words::spread(b, other.unit),
        change: words::change(a.median, b.median),
    })
}

impl fmt::Display for Disagreement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disagreement::Taken { what } => write!(out, "not of the same thing: {what}"),
            Disagreement::Missing { id, in_first } => {
                let place = if *in_first { "first" } else { "second" };
                write!(out, "{id}: not measured in the {place}")
            }
            Disagreement::Apart {
                id,
                first,
                second,
                change,
            } => write!(out, "{id}: {first} and {second} ({change})"),
        }
    }
}
