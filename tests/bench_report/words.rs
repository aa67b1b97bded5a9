//! What a reader reads: numbers, tables.

use crate::report::compare::compare;
use crate::report::{markdown, words};
use crate::{p50, plots::cost_plot, rate, results, writes};

#[test]
fn numbers_have_three_digits_and_thousands_a_comma() {
    let words = words::number;
    assert_eq!(words(0.0), "0");
    assert_eq!(words(3.0), "3");
    assert_eq!(words(0.0312), "0.0312");
    assert_eq!(words(1.057), "1.06");
    assert_eq!(words(21.94), "21.9");
    assert_eq!(words(99.97), "100");
    assert_eq!(words(367.4), "367");
    assert_eq!(words(1_234_567.0), "1,234,567");
    assert_eq!(words(-12.0), "−12");
    assert_eq!(words::numbers(&[27.0, 27.44, 28.0]), "27.0 / 27.4 / 28.0");
    assert_eq!(words::numbers(&[0.5, 3.0, 1250.0]), "1 / 3 / 1,250");
}

#[test]
fn a_change_from_nothing_has_no_per_cent() {
    assert_eq!(words::change(0.0, 3.0), "0 → 3");
    assert_eq!(words::change(3.0, 3.0), "±0");
    assert_eq!(words::change(20.0, 17.0), "−15.0 %");
}

#[test]
fn the_table_has_a_row_for_each_figure_in_its_group() {
    let mut ratio = p50(&[320.0, 330.0, 310.0]).over("bare | start", vec![1.04, 1.06, 1.05]);
    ratio.id = "docker.cold".to_owned();
    let ready = p50(&[21.9, 22.2, 25.1]).note("bound by four writes");
    let mut after = results(vec![ready, writes(&[]), ratio, rate(&[80.0, 90.0, 92.0])]);
    after.series.push(cost_plot());
    let before = results(vec![p50(&[30.0; 3])]);
    let text = markdown::markdown(&after, Some(&compare(&before, &after)));
    let line = |start: &str| -> String {
        let line = text.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no line {start} in:\n{text}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("| etcd"), "| etcd | 3.6.4, fsync off |");
    assert_eq!(
        line("| figure"),
        "| figure | budget | min / median / max | ratio | verdict | change | load |"
    );
    assert_eq!(
        line("| create to Ready, p50"),
        "| create to Ready, p50 | ≤ 25 ms | 21.9 / 22.2 / 25.1 ms | | ✓ kept | −26.0 % **better** | 0.4–2.0 |"
    );
    assert_eq!(
        line("| API writes"),
        "| API writes to Ready | | not run | | | | |"
    );
    assert_eq!(
        line("| Ready a second"),
        "| Ready a second | ≥ 100/s | 80 / 90 / 92/s | | ✗ missed | new | |"
    );
    assert!(
        text.contains(r"1.04 / 1.05 / 1.06 × bare \| start"),
        "{text}"
    );
    line("- create to Ready, p50: bound by four writes");
    line("![CPU a session");
    let headings: Vec<&str> = text.lines().filter(|l| l.starts_with("## ")).collect();
    assert_eq!(
        headings,
        [
            "## Ready",
            "## Writes",
            "## Docker",
            "## Burst",
            "## What moved"
        ]
    );
}

#[test]
fn every_row_of_a_table_is_as_wide_as_its_head() {
    let text = markdown::tables(&results(vec![p50(&[20.0; 3]), p50(&[])]), None);
    let widths = text.lines().filter(|line| line.starts_with('|'));
    let widths: Vec<usize> = widths.map(|line| line.chars().count()).collect();
    assert_eq!(widths.len(), 4);
    assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
}
