//! What a person sees at the end of `make bench`: the tables, which budgets are missed, and what moved. Pure.

use std::path::Path;

use super::compare::{Change, Comparison, Verdict};
use super::{Results, markdown, words};

/// All of it; the path is where the baseline was looked for.
pub fn text(results: &Results, comparison: Option<&Comparison>, baseline: Option<&Path>) -> String {
    let mut text = markdown::tables(results, comparison);
    text.push_str(&missed(results, comparison));
    match (comparison, baseline) {
        (Some(comparison), _) => {
            text.push_str("What moved:\n");
            text.push_str(&moved(results, comparison));
        }
        (None, Some(path)) => {
            let path = path.display();
            text.push_str(&format!(
                "There is no baseline at {path}: nothing to compare with.\n"
            ));
        }
        (None, None) => text.push_str("Compared with nothing, as asked.\n"),
    }
    text
}

/// Budgets that are missed, and those of which nothing is known.
fn missed(results: &Results, comparison: Option<&Comparison>) -> String {
    let mut text = String::new();
    for figure in results.figures.iter().filter(|f| f.budget.is_some()) {
        let id = &figure.id;
        let budget = words::budget(figure);
        let Some(spread) = figure.spread() else {
            text.push_str(&format!("  not run: {id}, budget {budget}\n"));
            continue;
        };
        if figure.kept() == Some(true) {
            continue;
        }
        let new = comparison.is_some_and(|c| c.newly_missed.contains(id));
        let word = if new { "newly missed" } else { "missed" };
        let median = words::amount(spread.median, figure.unit);
        text.push_str(&format!("  {word}: {id}: {median}, budget {budget}\n"));
    }
    if text.is_empty() {
        return "Every budget is kept.\n\n".to_owned();
    }
    format!("Budgets:\n{text}\n")
}

/// Each figure whose median moved beyond what the spreads explain, and what else is not as it was.
pub fn moved(results: &Results, comparison: &Comparison) -> String {
    let mut text = format!("  against the baseline of {}\n", comparison.before);
    text.push_str(
        "  moved: medians further apart than both spreads together, and by more than 5 %\n",
    );
    for caveat in &comparison.caveats {
        text.push_str(&format!("  note: {caveat}\n"));
    }
    for change in comparison.moved() {
        text.push_str(&line(change));
    }
    for id in &comparison.newly_missed {
        text.push_str(&format!("  budget newly missed: {id}\n"));
    }
    for (word, ids) in [
        ("new", &comparison.added),
        ("no longer measured", &comparison.gone),
    ] {
        if !ids.is_empty() {
            text.push_str(&format!("  {word}: {}\n", ids.join(", ")));
        }
    }
    let count = |verdict| {
        let changes = comparison.changes.iter();
        changes.filter(|change| change.verdict == verdict).count()
    };
    let (still, unjudged) = (count(Verdict::Noise), count(Verdict::Unjudged));
    text.push_str(&format!("  {still} of {} figures", results.figures.len()));
    text.push_str(" did not move beyond what the spreads explain\n");
    if unjudged > 0 {
        text.push_str(&format!(
            "  {unjudged} are not judged: another machine, or one that moved\n"
        ));
    }
    text
}

fn line(change: &Change) -> String {
    let Change {
        id,
        title,
        unit,
        before,
        after,
        verdict,
    } = change;
    let word = match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Noise | Verdict::Unjudged => "same",
    };
    let amount = words::change(before.median, after.median);
    let (old, new) = (words::spread(*before, *unit), words::spread(*after, *unit));
    format!("  {word:6} {amount}  {title} ({id}): {old} → {new}\n")
}
