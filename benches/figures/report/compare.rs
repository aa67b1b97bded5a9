//! What moved between two sets of runs. Pure.
//!
//! The rule: **two sets of runs differ if their medians lie further apart than both spreads (max − min) together,
//! and by more than 5 %** (30 % if either has fewer than three runs, since those show no spread). Besides:
//! - what is exact differs at any difference of least, median or most;
//! - no difference up to the resolution of the measurement counts;
//! - where both have a ratio over the same thing, the ratio must differ the same way too: otherwise what it was
//!   compared with, in the same run, moved as well, and that is the machine;
//! - on another machine the ratio alone decides, and a plain time or size is not judged;
//! - nor is a plain time where the machine itself moved: where what the driver alone or the bare engine took differs by
//!   this rule. A virtual machine's neighbours make it half as fast for an hour, and everything on it with it.
//!
//! Why both spreads together and not ranges that do not overlap: of two sets of three runs of the same thing, one pair
//! in ten does not overlap by chance, and one in seven where the machine drifts; of this rule, one in thirty to seventy.
//! A real change of three times the noise is found by either.

use std::cmp::Ordering;

use crate::figure::{Better, Figure, Spread, Unit, spread};

use super::{Machine, Results};

/// Smaller changes are nobody's concern.
const FLOOR: f64 = 0.05;
/// A single run of CPU time differs from the next by 15 % either way.
const FLOOR_WITHOUT_SPREAD: f64 = 0.30;
/// So many runs show a spread.
const RUNS_WITH_SPREAD: usize = 3;

/// All that is to be said about results and the baseline before them.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// When the baseline was taken, and of what.
    pub before: String,
    /// What else is not the same: the machine, a version, the size of the load.
    pub caveats: Vec<String>,
    /// One for each figure that both have, in the order of the new results.
    pub changes: Vec<Change>,
    /// Ids that the baseline does not have.
    pub added: Vec<String>,
    /// Ids that only the baseline has.
    pub gone: Vec<String>,
    /// Ids that miss their budget and did not in the baseline.
    pub newly_missed: Vec<String>,
}

/// One figure, then and now.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub id: String,
    pub title: String,
    pub unit: Unit,
    pub before: Spread,
    pub after: Spread,
    pub verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within what the spreads explain.
    Noise,
    Better,
    Worse,
    /// Taken on another machine, or on one that moved, and bound to it.
    Unjudged,
}

/// How the machines of two sets of runs stand to each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Machines {
    Same,
    /// The same hardware was faster or slower: these references say so.
    Moved(Vec<String>),
    Others,
}

impl Machines {
    pub fn of(before: &Results, after: &Results) -> Machines {
        if !before.machine.is_same_hardware(&after.machine) {
            return Machines::Others;
        }
        let has_moved = |now: &&Figure| {
            let old = before.figure(&now.id);
            old.is_some_and(|old| way(&old.runs, &now.runs, now.resolution) != Ordering::Equal)
        };
        let references = after.figures.iter().filter(|now| is_reference(&now.id));
        let moved = references.filter(has_moved);
        let moved: Vec<String> = moved.map(|figure| figure.id.clone()).collect();
        if moved.is_empty() {
            Machines::Same
        } else {
            Machines::Moved(moved)
        }
    }
}

/// Whether none of our code is in it: what the driver alone, or the bare engine, took.
fn is_reference(id: &str) -> bool {
    id.split('.').any(|part| part == "floor" || part == "bare")
}

impl Comparison {
    /// The changes beyond noise, in the order of the results.
    pub fn moved(&self) -> Vec<&Change> {
        let moved = |change: &&Change| match change.verdict {
            Verdict::Better | Verdict::Worse => true,
            Verdict::Noise | Verdict::Unjudged => false,
        };
        self.changes.iter().filter(moved).collect()
    }

    pub fn change(&self, id: &str) -> Option<&Change> {
        self.changes.iter().find(|change| change.id == id)
    }
}

/// The new results against those before.
pub fn compare(before: &Results, after: &Results) -> Comparison {
    let machines = Machines::of(before, after);
    let mut comparison = Comparison {
        before: format!("{}, {}", before.machine.product(), before.taken),
        caveats: caveats(before, after, &machines),
        changes: Vec::new(),
        added: Vec::new(),
        gone: Vec::new(),
        newly_missed: Vec::new(),
    };
    for figure in &after.figures {
        let old = before.figure(&figure.id);
        if figure.kept() == Some(false) && old.and_then(Figure::kept) != Some(false) {
            comparison.newly_missed.push(figure.id.clone());
        }
        match old.and_then(|old| change(old, figure, &machines)) {
            Some(change) => comparison.changes.push(change),
            None if figure.runs.is_empty() => {}
            None => comparison.added.push(figure.id.clone()),
        }
    }
    let lost = |old: &&Figure| {
        let now = after.figure(&old.id);
        !old.runs.is_empty() && now.is_none_or(|now| now.runs.is_empty())
    };
    let gone = before.figures.iter().filter(lost);
    comparison.gone = gone.map(|old| old.id.clone()).collect();
    comparison
}

/// None: one of them was never run.
fn change(before: &Figure, after: &Figure, machines: &Machines) -> Option<Change> {
    Some(Change {
        id: after.id.clone(),
        title: after.title.clone(),
        unit: after.unit,
        before: before.spread()?,
        after: after.spread()?,
        verdict: verdict(before, after, machines),
    })
}

/// What the rule says of one figure, then and now.
pub(super) fn verdict(before: &Figure, after: &Figure, machines: &Machines) -> Verdict {
    let judged = |way: Ordering| match (way, after.better) {
        (Ordering::Equal, Better::Lower | Better::Higher) => Verdict::Noise,
        (Ordering::Greater, Better::Lower) | (Ordering::Less, Better::Higher) => Verdict::Worse,
        (Ordering::Less, Better::Lower) | (Ordering::Greater, Better::Higher) => Verdict::Better,
    };
    if after.exact {
        return judged(exact_way(&before.runs, &after.runs));
    }
    let own = way(&before.runs, &after.runs, after.resolution);
    let ratio = ratio_way(before, after);
    match (machines, ratio, after.unit) {
        (Machines::Same, Some(ratio), _) if ratio != own => Verdict::Noise,
        (Machines::Same, _, _) => judged(own),
        (Machines::Moved(_) | Machines::Others, Some(ratio), _) => judged(ratio),
        (Machines::Moved(_) | Machines::Others, None, Unit::Count)
        | (Machines::Moved(_), None, Unit::Mebibytes) => judged(own),
        (
            Machines::Moved(_) | Machines::Others,
            None,
            Unit::Milliseconds | Unit::Seconds | Unit::PerSecond | Unit::Mebibytes,
        ) => Verdict::Unjudged,
    }
}

/// Which way it went; equal: nowhere beyond noise.
fn way(before: &[f64], after: &[f64], resolution: f64) -> Ordering {
    let (Some(old), Some(new)) = (spread(before), spread(after)) else {
        return Ordering::Equal;
    };
    let floor = if before.len().min(after.len()) < RUNS_WITH_SPREAD {
        FLOOR_WITHOUT_SPREAD
    } else {
        FLOOR
    };
    let least = [
        old.width() + new.width(),
        floor * old.median.abs().max(new.median.abs()),
        resolution,
    ];
    let difference = (new.median - old.median).abs();
    if least.iter().all(|least| difference > *least) {
        new.median.total_cmp(&old.median)
    } else {
        Ordering::Equal
    }
}

/// Any difference counts; the median says which way, else the most, else the least.
fn exact_way(before: &[f64], after: &[f64]) -> Ordering {
    let (Some(old), Some(new)) = (spread(before), spread(after)) else {
        return Ordering::Equal;
    };
    let by_median = new.median.total_cmp(&old.median);
    by_median
        .then(new.max.total_cmp(&old.max))
        .then(new.min.total_cmp(&old.min))
}

/// None: not both have a ratio over the same thing.
fn ratio_way(before: &Figure, after: &Figure) -> Option<Ordering> {
    let (old, new) = (before.ratios.as_ref()?, after.ratios.as_ref()?);
    (old.over == new.over).then(|| way(&old.runs, &new.runs, 0.0))
}

fn caveats(before: &Results, after: &Results, machines: &Machines) -> Vec<String> {
    let size = |quick: bool| if quick { "quick" } else { "full" };
    let mut caveats = Machine::differences(&before.machine, &after.machine);
    if before.quick != after.quick {
        let (old, new) = (size(before.quick), size(after.quick));
        caveats.push(format!("size of the load: {old} → {new}"));
    }
    match machines {
        Machines::Same => {}
        Machines::Moved(references) => caveats.push(format!(
            "the machine itself moved ({}): times without a ratio are not judged",
            references.join(", ")
        )),
        Machines::Others => caveats
            .push("another machine: times and sizes without a ratio are not judged".to_owned()),
    }
    caveats
}
