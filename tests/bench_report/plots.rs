//! What is drawn.

use crate::report::axis::{Axis, mark};
use crate::report::series::distribution;
use crate::report::{Line, Series, plot};

pub fn latency_plot() -> Series {
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

pub fn cost_plot() -> Series {
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
fn a_plot_has_its_labels_and_one_line_each_on_white() {
    for series in [cost_plot(), latency_plot()] {
        let svg = plot::draw(&series).unwrap();
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
        let axis = Axis::around(values.iter().copied(), log);
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
fn a_mark_has_the_digits_that_it_needs() {
    let marks = [0.0, 0.5, 0.002, 2.5, 10_000.0, -0.2].map(mark);
    assert_eq!(marks, ["0", "0.5", "0.002", "2.5", "10,000", "−0.2"]);
}
