//! What `make bench` says of its figures: spreads, budgets, what moved and what is noise, the files it writes. Here and
//! not beside the sources, since a benchmark of its own harness runs no tests.

#![forbid(unsafe_code)]

#[path = "../../benches/figures/figure.rs"]
mod figure;
#[path = "../../benches/figures/report/mod.rs"]
mod report;

mod moved;
mod plots;
mod words;
mod written;

use figure::{Figure, Spread, Unit, percentile, spread};
use report::machine::{Commit, load_average};
use report::{Components, Machine, Results};

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
