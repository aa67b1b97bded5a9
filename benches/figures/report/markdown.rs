//! The report as Markdown: the machine, one table for each group of figures, the plots, and what moved. Pure.

use crate::figure::{Figure, Spread, spread};

use super::compare::{Change, Comparison, Verdict};
use super::{Results, terminal, words};

/// The whole of `table.md`.
pub fn markdown(results: &Results, comparison: Option<&Comparison>) -> String {
    let mut text = format!("# Figures of {}\n\n", results.taken);
    if results.quick {
        text.push_str(
            "A quick run: smaller loads, fewer runs. To look at, not to hold anybody to.\n\n",
        );
    }
    let machine = results.machine.lines();
    let machine = machine
        .into_iter()
        .map(|(what, value)| vec![what.to_owned(), value]);
    text.push_str(&table(&["taken on", ""], machine.collect()));
    text.push('\n');
    text.push_str(&tables(results, comparison));
    for series in &results.series {
        text.push_str(&format!("![{}](plots/{}.svg)\n\n", series.title, series.id));
    }
    if let Some(comparison) = comparison {
        let moved = terminal::moved(results, comparison);
        text.push_str(&format!("## What moved\n\n```text\n{moved}```\n"));
    }
    text
}

/// One table for each group, in the order in which the groups first appear.
pub fn tables(results: &Results, comparison: Option<&Comparison>) -> String {
    let mut groups: Vec<&str> = Vec::new();
    for figure in &results.figures {
        if !groups.contains(&figure.group()) {
            groups.push(figure.group());
        }
    }
    let mut text = String::new();
    for group in groups {
        let figures = results.figures.iter().filter(|f| f.group() == group);
        let figures: Vec<&Figure> = figures.collect();
        text.push_str(&format!("## {}\n\n", heading(group)));
        text.push_str(&group_table(&figures, comparison));
        text.push('\n');
        text.push_str(&notes(&figures));
    }
    text
}

fn group_table(figures: &[&Figure], comparison: Option<&Comparison>) -> String {
    let mut head = vec!["figure", "budget", "min / median / max", "ratio", "verdict"];
    if comparison.is_some() {
        head.push("change");
    }
    head.push("load");
    let row = |figure: &&Figure| {
        let mut row = vec![
            figure.title.clone(),
            words::budget(figure),
            measured(figure),
            ratio(figure),
            verdict(figure),
        ];
        row.extend(comparison.map(|comparison| change(figure, comparison)));
        row.push(load(figure));
        row
    };
    table(&head, figures.iter().map(row).collect())
}

fn measured(figure: &Figure) -> String {
    match figure.spread() {
        Some(spread) => words::spread(spread, figure.unit),
        None => "not run".to_owned(),
    }
}

fn ratio(figure: &Figure) -> String {
    let ratios = figure.ratios.as_ref();
    let words = ratios.and_then(|ratios| {
        let Spread { min, median, max } = spread(&ratios.runs)?;
        let numbers = [min, median, max].map(|ratio| format!("{ratio:.2}"));
        Some(format!("{} × {}", numbers.join(" / "), ratios.over))
    });
    words.unwrap_or_default()
}

fn verdict(figure: &Figure) -> String {
    let words = match figure.kept() {
        Some(true) => "✓ kept",
        Some(false) => "✗ missed",
        None => "",
    };
    words.to_owned()
}

fn change(figure: &Figure, comparison: &Comparison) -> String {
    let Some(change) = comparison.change(&figure.id) else {
        let new = comparison.added.contains(&figure.id);
        return if new { "new" } else { "" }.to_owned();
    };
    let Change {
        before,
        after,
        verdict,
        ..
    } = change;
    let amount = words::change(before.median, after.median);
    match verdict {
        Verdict::Noise if before.median == after.median => amount,
        Verdict::Noise => format!("{amount} (noise)"),
        Verdict::Better => format!("{amount} **better**"),
        Verdict::Worse => format!("{amount} **worse**"),
        Verdict::Unjudged => format!("{amount} (other machine)"),
    }
}

/// The least and the most load average before a run.
fn load(figure: &Figure) -> String {
    match spread(&figure.load) {
        None => String::new(),
        Some(load) if load.width() < 0.05 => format!("{:.1}", load.median),
        Some(load) => format!("{:.1}–{:.1}", load.min, load.max),
    }
}

fn notes(figures: &[&Figure]) -> String {
    let noted: Vec<_> = figures.iter().filter(|f| !f.note.is_empty()).collect();
    let lines = noted.iter().map(|f| format!("- {}: {}\n", f.title, f.note));
    let mut text: String = lines.collect();
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn heading(group: &str) -> String {
    let mut letters = group.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A table whose columns are as wide as their widest cell, so that it reads as well unrendered.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let clean = |row: Vec<String>| row.into_iter().map(|cell| cell.replace('|', "\\|"));
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| clean(row).collect()).collect();
    let width = |column: usize| {
        let cells = rows
            .iter()
            .chain([&head])
            .map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, &width)| format!("{cell:width$}"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule: Vec<String> = widths
        .iter()
        .map(|&width| "-".repeat(width.max(3)))
        .collect();
    let mut text = line(&head);
    text.push_str(&line(&rule));
    for row in &rows {
        text.push_str(&line(row));
    }
    text
}
