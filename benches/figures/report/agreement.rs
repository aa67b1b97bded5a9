//! Whether two results of one commit agree within the spreads that they print themselves. Pure.

use std::fmt;

use crate::figure::Figure;

use super::compare::{Verdict, verdict};
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

/// All reasons why they do not agree; none: they do.
pub fn agreement(first: &Results, second: &Results) -> Vec<Disagreement> {
    let mut found = taken(first, second);
    for figure in measured(first) {
        match second.figure(&figure.id).and_then(|other| other.spread()) {
            None => found.push(missing(figure, false)),
            Some(_) => found.extend(apart(figure, second)),
        }
    }
    for figure in measured(second) {
        if first.figure(&figure.id).and_then(Figure::spread).is_none() {
            found.push(missing(figure, true));
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

fn apart(figure: &Figure, second: &Results) -> Option<Disagreement> {
    let other = second.figure(&figure.id)?;
    let (a, b) = (figure.spread()?, other.spread()?);
    match verdict(figure, other, true) {
        Verdict::Noise | Verdict::Unjudged => None,
        Verdict::Better | Verdict::Worse => Some(Disagreement::Apart {
            id: figure.id.clone(),
            first: words::spread(a, figure.unit),
            second: words::spread(b, other.unit),
            change: words::change(a.median, b.median),
        }),
    }
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
