//! What `make bench` says of its figures: spreads, budgets, what moved and what is noise, the files it writes. Here and
//! not beside the sources, since a benchmark of its own harness runs no tests.

#![forbid(unsafe_code)]

#[path = "../benches/figures/figure.rs"]
mod figure;
#[path = "../benches/figures/report/mod.rs"]
mod report;

use std::fs;
use std::path::PathBuf;

use figure::{Figure, Spread, Unit, percentile, spread};
use report::agreement::Disagreement;
use report::compare::{Verdict, compare};
use report::machine::{Commit, load_average};
use report::series::distribution;
use report::{Components, Line, Machine, ReportError, Results, Series, agreement};

const P50: &str = "ready.paced_12.p50";

fn machine() -> Machine {
    Machine {
        cpu: "Example CPU at 3 GHz".to_owned(),
        cores: 2,
        memory_mib: 7936,
        kernel: "Linux 6.1.0".to_owned(),
        distribution: "Debian GNU/Linux 12".to_owned(),
        hardware_counters: false,
        components: Components {
            etcd: "3.6.4".to_owned(),
            etcd_fsync: false,
            kube_apiserver: "1.36.3".to_owned(),
            docker_engine: None,
        },
        rustc: "rustc 1.95.0".to_owned(),
        version: "0.1.0".to_owned(),
        commit: Some(Commit {
            id: "0123456789ab".to_owned(),
            dirty: false,
        }),
        load_at_start: 0.25,
    }
}

fn results(figures: Vec<Figure>) -> Results {
    Results {
        machine: machine(),
        taken: "2026-11-23T10:00:00Z".to_owned(),
        quick: false,
        figures,
        series: Vec::new(),
    }
}

fn p50(runs: &[f64]) -> Figure {
    let mut figure = Figure::new(P50, "create to Ready, p50", Unit::Milliseconds).at_most(25.0);
    figure.runs = runs.to_vec();
    figure.load = vec![0.4, 1.2, 2.0];
    figure
}

fn writes(runs: &[f64]) -> Figure {
    let mut figure = Figure::new("writes.ready", "API writes to Ready", Unit::Count).exact();
    figure.runs = runs.to_vec();
    figure
}

fn rate(runs: &[f64]) -> Figure {
    let figure = Figure::new("burst.rate", "Ready a second", Unit::PerSecond);
    let mut figure = figure.higher_is_better().at_least(100.0);
    figure.runs = runs.to_vec();
    figure
}

/// The verdict on one figure, then and now.
fn verdict(before: Figure, after: Figure) -> Verdict {
    let id = after.id.clone();
    let comparison = compare(&results(vec![before]), &results(vec![after]));
    comparison.change(&id).expect("both were run").verdict
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn latency_plot() -> Series {
    // Waits that are mostly short, with a tail.
    let waits = |middle: f64| -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(7);
        let wait = |_| middle * (0.8 + 0.3 * random.f64() + 0.1 / (0.05 + random.f64()));
        (0..1000).map(wait).collect()
    };
    Series {
        id: "latency".to_owned(),
        title: "create → Ready, by load".to_owned(),
        x_label: "ms from POST to Ready".to_owned(),
        y_label: "sessions, %".to_owned(),
        log_x: true,
        log_y: false,
        lines: vec![
            distribution("4 a second", &waits(18.0)),
            distribution("12 a second", &waits(20.0)),
            distribution("70 % of capacity", &waits(31.0)),
        ],
    }
}

fn cost_plot() -> Series {
    let line = |name: &str, values: [f64; 5]| Line {
        name: name.to_owned(),
        points: [100.0, 500.0, 2000.0, 5000.0, 10_000.0]
            .into_iter()
            .zip(values)
            .collect(),
    };
    Series {
        id: "cost".to_owned(),
        title: "CPU a session < sessions there are".to_owned(),
        x_label: "sessions".to_owned(),
        y_label: "CPU a session, ms".to_owned(),
        log_x: true,
        log_y: true,
        lines: vec![
            line("API server", [17.0, 17.4, 18.1, 19.0, 20.4]),
            line("controller", [1.3, 1.31, 1.4, 1.5, 1.7]),
            line("etcd", [0.8, 0.9, 1.1, 1.4, 1.6]),
        ],
    }
}

#[test]
fn a_spread_is_the_least_the_middle_and_the_most_in_whatever_order_they_came() {
    let expected = Spread {
        min: 1.0,
        median: 2.0,
        max: 9.0,
    };
    assert_eq!(spread(&[9.0, 1.0, 2.0]), Some(expected));
    assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]).unwrap().median, 3.0);
    assert_eq!(spread(&[]), None);
}

#[test]
fn a_percentile_is_a_value_that_was_measured() {
    let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
    assert_eq!(percentile(&values, 0.5), Some(50.0));
    assert_eq!(percentile(&values, 0.99), Some(99.0));
    assert_eq!(percentile(&values, 1.0), Some(100.0));
    assert_eq!(percentile(&values, 0.0), Some(1.0));
    assert_eq!(percentile(&[7.0], 0.99), Some(7.0));
    assert_eq!(percentile(&[], 0.5), None);
}

#[test]
fn the_median_keeps_a_budget_or_misses_it() {
    assert_eq!(p50(&[20.0, 25.0, 31.0]).kept(), Some(true));
    assert_eq!(p50(&[20.0, 25.1, 25.2]).kept(), Some(false));
    assert_eq!(rate(&[90.0, 100.0, 120.0]).kept(), Some(true));
    assert_eq!(rate(&[90.0, 99.0, 120.0]).kept(), Some(false));
    assert_eq!(writes(&[3.0]).kept(), None, "no budget");
    assert_eq!(p50(&[]).kept(), None, "no run");
}

#[test]
fn medians_closer_than_both_spreads_together_are_noise() {
    let before = p50(&[20.0, 22.0, 24.0]);
    // Spreads of 4 and 4: eight are needed, and a little.
    assert_eq!(
        verdict(before.clone(), p50(&[28.0, 30.0, 32.0])),
        Verdict::Noise
    );
    assert_eq!(verdict(before, p50(&[28.2, 30.2, 32.2])), Verdict::Worse);
}

#[test]
fn changes_of_a_twentieth_are_noise_however_steady_the_runs_were() {
    let before = p50(&[20.0, 20.0, 20.0]);
    assert_eq!(verdict(before.clone(), p50(&[21.0; 3])), Verdict::Noise);
    assert_eq!(verdict(before.clone(), p50(&[21.1; 3])), Verdict::Worse);
    assert_eq!(verdict(before, p50(&[18.9; 3])), Verdict::Better);
}

#[test]
fn fewer_than_three_runs_show_no_spread_and_have_to_differ_by_much_more() {
    let before = p50(&[20.0, 20.0, 20.0]);
    assert_eq!(verdict(before.clone(), p50(&[26.0])), Verdict::Noise);
    assert_eq!(verdict(before, p50(&[29.0])), Verdict::Worse);
}

#[test]
fn more_a_second_is_better_and_less_is_worse() {
    let before = rate(&[100.0, 101.0, 102.0]);
    assert_eq!(verdict(before.clone(), rate(&[120.0; 3])), Verdict::Better);
    assert_eq!(verdict(before, rate(&[80.0; 3])), Verdict::Worse);
}

#[test]
fn what_is_exact_differs_at_any_difference_even_in_one_run() {
    let before = writes(&[3.0, 3.0, 3.0]);
    assert_eq!(verdict(before.clone(), before.clone()), Verdict::Noise);
    assert_eq!(verdict(before.clone(), writes(&[3.01; 3])), Verdict::Worse);
    assert_eq!(
        verdict(before.clone(), writes(&[3.0, 3.0, 4.0])),
        Verdict::Worse
    );
    assert_eq!(verdict(before, writes(&[2.0, 3.0, 3.0])), Verdict::Better);
}

#[test]
fn a_difference_below_the_tick_of_the_clock_is_the_clocks() {
    let idle = |run: f64| {
        let mut figure = Figure::new("idle.cpu", "idle CPU a minute", Unit::Seconds);
        figure.runs = vec![run; 3];
        figure.resolution(0.01)
    };
    assert_eq!(verdict(idle(0.01), idle(0.02)), Verdict::Noise);
    assert_eq!(verdict(idle(0.01), idle(0.03)), Verdict::Worse);
}

#[test]
fn what_moved_with_its_comparison_in_the_same_run_is_the_machine() {
    let cold = |run: f64, ratio: f64| p50(&[run; 3]).over("bare start", vec![ratio; 3]);
    assert_eq!(
        verdict(cold(320.0, 1.05), cold(400.0, 1.05)),
        Verdict::Noise
    );
    assert_eq!(
        verdict(cold(320.0, 1.05), cold(400.0, 1.31)),
        Verdict::Worse
    );
    let other = p50(&[400.0; 3]).over("something else", vec![1.05; 3]);
    assert_eq!(verdict(cold(320.0, 1.05), other), Verdict::Worse);
}

#[test]
fn on_another_machine_ratios_and_counts_are_judged_and_times_are_not() {
    let ratio = |runs: [f64; 3]| {
        let mut figure = p50(&[300.0; 3]).over("bare start", runs.to_vec());
        figure.id = "docker.cold".to_owned();
        figure
    };
    let before = results(vec![p50(&[20.0; 3]), writes(&[3.0; 3]), ratio([1.05; 3])]);
    let mut after = results(vec![p50(&[40.0; 3]), writes(&[4.0; 3]), ratio([1.3; 3])]);
    after.machine.cores = 16;
    let comparison = compare(&before, &after);
    let verdict = |id: &str| comparison.change(id).unwrap().verdict;
    assert_eq!(verdict(P50), Verdict::Unjudged);
    assert_eq!(verdict("writes.ready"), Verdict::Worse);
    assert_eq!(verdict("docker.cold"), Verdict::Worse);
    assert!(
        comparison.caveats[0].contains("2 cores → Example CPU at 3 GHz, 16 cores"),
        "{:?}",
        comparison.caveats
    );
}

#[test]
fn a_budget_is_newly_missed_once() {
    let kept = results(vec![p50(&[20.0; 3])]);
    let missed = results(vec![p50(&[30.0; 3])]);
    assert_eq!(compare(&kept, &missed).newly_missed, [P50]);
    assert!(compare(&missed, &missed).newly_missed.is_empty());
    assert!(compare(&missed, &kept).newly_missed.is_empty());
}

#[test]
fn what_only_one_of_them_has_is_named_and_not_compared() {
    let before = results(vec![p50(&[20.0; 3]), writes(&[3.0; 3])]);
    let after = results(vec![p50(&[]), writes(&[3.0; 3]), rate(&[100.0; 3])]);
    let comparison = compare(&before, &after);
    assert_eq!(comparison.added, ["burst.rate"]);
    assert_eq!(comparison.gone, [P50]);
    assert_eq!(comparison.changes.len(), 1);
}

#[test]
fn two_results_of_one_commit_agree_within_their_spreads() {
    let first = results(vec![p50(&[20.0, 21.0, 23.0]), writes(&[3.0; 3])]);
    let second = results(vec![p50(&[21.0, 22.0, 26.0]), writes(&[3.0; 3])]);
    assert_eq!(agreement(&first, &second), []);
}

#[test]
fn results_that_do_not_agree_say_where() {
    let first = results(vec![p50(&[20.0; 3]), writes(&[3.0; 3])]);
    let mut second = results(vec![p50(&[30.0; 3]), rate(&[100.0; 3])]);
    second.machine.commit = None;
    let found = agreement(&first, &second);
    let words: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "not of the same thing: 0.1.0, commit 0123456789ab and 0.1.0, commit not known",
            "ready.paced_12.p50: 20 / 20 / 20 ms and 30 / 30 / 30 ms (+50.0 %)",
            "writes.ready: not measured in the second",
            "burst.rate: not measured in the first",
        ]
    );
    assert!(matches!(found[1], Disagreement::Apart { .. }));
}

#[test]
fn numbers_have_three_digits_and_thousands_a_comma() {
    let words = |value| report::words::number(value);
    assert_eq!(words(0.0), "0");
    assert_eq!(words(3.0), "3");
    assert_eq!(words(0.0312), "0.0312");
    assert_eq!(words(1.057), "1.06");
    assert_eq!(words(21.94), "21.9");
    assert_eq!(words(99.97), "100");
    assert_eq!(words(367.4), "367");
    assert_eq!(words(1_234_567.0), "1,234,567");
    assert_eq!(words(-12.0), "−12");
}

#[test]
fn a_change_from_nothing_has_no_per_cent() {
    assert_eq!(report::words::change(0.0, 3.0), "0 → 3");
    assert_eq!(report::words::change(3.0, 3.0), "±0");
    assert_eq!(report::words::change(20.0, 17.0), "−15.0 %");
}

#[test]
fn the_table_has_a_row_for_each_figure_in_its_group() {
    let mut ratio = p50(&[320.0, 330.0, 310.0]).over("bare | start", vec![1.04, 1.06, 1.05]);
    ratio.id = "docker.cold".to_owned();
    let ready = p50(&[21.9, 22.2, 25.1]).note("bound by four writes");
    let mut after = results(vec![ready, writes(&[]), ratio, rate(&[80.0, 90.0, 92.0])]);
    after.series.push(cost_plot());
    let before = results(vec![p50(&[30.0; 3])]);
    let text = report::markdown::markdown(&after, Some(&compare(&before, &after)));
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
    let text = report::markdown::tables(&results(vec![p50(&[20.0; 3]), p50(&[])]), None);
    let widths = text.lines().filter(|line| line.starts_with('|'));
    let widths: Vec<usize> = widths.map(|line| line.chars().count()).collect();
    assert_eq!(widths.len(), 4);
    assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
}

#[test]
fn a_run_writes_its_files_and_says_what_moved_since_the_baseline() {
    let folder = folder("written");
    let baseline = folder.join("kept").join("baseline.json");
    let mut before = results(vec![p50(&[20.0, 20.5, 21.0]), writes(&[3.0; 3])]);
    before.series = vec![cost_plot()];
    let first = report::write(&before, &folder, Some(&baseline)).unwrap();
    assert!(first.comparison.is_none());
    assert!(
        first.text.contains("There is no baseline at"),
        "{}",
        first.text
    );
    report::save_baseline(&folder.join("results.json"), &baseline).unwrap();
    assert_eq!(report::read(&baseline).unwrap().series, []);

    let after = results(vec![p50(&[27.0, 27.4, 28.0]), writes(&[3.0; 3])]);
    let second = report::write(&after, &folder, Some(&baseline)).unwrap();
    assert_eq!(second.missed, [P50]);
    assert_eq!(second.comparison.unwrap().newly_missed, [P50]);
    for said in [
        "newly missed: ready.paced_12.p50: 27.4 ms, budget ≤ 25 ms",
        "against the baseline of 0.1.0, commit 0123456789ab, 2026-11-23T10:00:00Z",
        "worse  +33.7 %  create to Ready, p50 (ready.paced_12.p50): 20 / 20.5 / 21 ms → 27 / 27.4 / 28 ms",
        "1 of 2 figures did not move",
    ] {
        assert!(
            second.text.contains(said),
            "{said} is not in:\n{}",
            second.text
        );
    }
    assert!(folder.join("table.md").is_file());
    assert!(folder.join("plots/cost.svg").is_file());
}

#[test]
fn results_come_back_from_their_file_as_they_were_and_the_same_bytes_again() {
    let folder = folder("round_trip");
    let path = folder.join("results.json");
    let figure = p50(&[20.0, 21.123_456_789, 1.0 / 3.0]).over("bare start", vec![1.05; 3]);
    let mut written = results(vec![figure, rate(&[100.5])]);
    written.series = vec![cost_plot(), latency_plot()];
    report::write(&written, &folder, None).unwrap();
    let bytes = fs::read(&path).unwrap();
    let read = report::read(&path).unwrap();
    assert_eq!(read.figure(P50).unwrap().runs, [20.0, 21.1235, 0.333333]);
    assert_eq!(read.machine, written.machine);
    report::write(&read, &folder, None).unwrap();
    assert_eq!(report::read(&path).unwrap(), read);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_baseline_of_an_older_shape_is_an_error_and_none_is_not() {
    let folder = folder("baseline");
    let baseline = folder.join("baseline.json");
    fs::write(&baseline, "{\"figures\": []}").unwrap();
    let error = report::write(&results(vec![]), &folder, Some(&baseline)).unwrap_err();
    assert!(matches!(error, ReportError::Parse { .. }), "{error}");
    let error = report::read(&folder.join("nowhere.json")).unwrap_err();
    assert!(matches!(error, ReportError::Read { .. }), "{error}");
}

#[test]
fn figures_that_are_no_numbers_are_refused_after_they_are_saved() {
    let folder = folder("unsound");
    let mut unsound = results(vec![p50(&[f64::NAN]), p50(&[1.0])]);
    unsound.series = vec![cost_plot()];
    unsound.series[0].lines[0].points.push((0.0, 1.0));
    let error = report::write(&unsound, &folder, None)
        .unwrap_err()
        .to_string();
    for said in [
        "ready.paced_12.p50 has a run that is no number",
        "two figures are called ready.paced_12.p50",
        "the plot cost has no place for the point 0, 1",
    ] {
        assert!(error.contains(said), "{error}");
    }
    assert!(folder.join("results.json").is_file());
    assert!(!folder.join("table.md").exists());
}

#[test]
fn a_plot_has_its_labels_and_one_line_each_on_white() {
    for series in [cost_plot(), latency_plot()] {
        let svg = report::plot::draw(&series).unwrap();
        let axes = ["#222222"];
        let strokes: Vec<&str> = attributes(&svg, "<polyline", "stroke");
        let lines = strokes.iter().filter(|stroke| !axes.contains(stroke));
        assert_eq!(lines.count(), series.lines.len(), "{svg}");
        let names = series.lines.iter().map(|line| &line.name);
        for label in names.chain([&series.title, &series.x_label, &series.y_label]) {
            let label = label.replace('<', "&lt;");
            assert!(svg.contains(&label), "{label} is not in {svg}");
        }
        assert_eq!(attributes(&svg, "<rect", "fill")[0], "#FFFFFF");
        for size in attributes(&svg, "<text", "font-size") {
            assert!(size.parse::<f64>().unwrap() >= 14.0, "{size}");
        }
    }
}

/// The values of one attribute, of all elements that begin so.
fn attributes<'a>(svg: &'a str, element: &str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let elements = svg
        .lines()
        .filter(|line| line.trim_start().starts_with(element));
    let values = elements.filter_map(|line| line.split_once(&start)?.1.split_once('"'));
    values.map(|(value, _)| value).collect()
}

#[test]
fn axes_begin_and_end_at_round_numbers_around_the_values() {
    let marks = |values: &[f64], log| {
        let axis = report::axis::Axis::around(values.iter().copied(), log);
        axis.marks().to_vec()
    };
    assert_eq!(
        marks(&[3.0, 17.0], false),
        [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0]
    );
    assert_eq!(
        marks(&[100.0, 10_000.0], true),
        [100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0]
    );
    assert_eq!(marks(&[21.0, 63.0], true), [20.0, 50.0, 100.0]);
    assert_eq!(
        marks(&[1.0, 90_000.0], true),
        [1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0]
    );
    assert_eq!(marks(&[50.0, 50.0], true), [50.0, 100.0]);
    assert_eq!(marks(&[0.0], false).first(), Some(&0.0));
}

#[test]
fn the_machine_is_what_this_one_says_of_itself() {
    let components = machine().components;
    let here = Machine::read(components.clone()).unwrap();
    assert!(here.cores >= 1 && here.memory_mib > 0);
    assert!(!here.cpu.is_empty() && here.kernel.starts_with("Linux"));
    assert!(here.rustc.starts_with("rustc "), "{}", here.rustc);
    assert_eq!(here.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(here.components, components);
    assert!(load_average().unwrap() >= 0.0);
}
