//! The files that are written and read again.

use std::fs;
use std::path::PathBuf;

use crate::plots::{cost_plot, latency_plot};
use crate::report::{self, ReportError};
use crate::{P50, p50, rate, results, writes};

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_run_writes_its_files_and_says_what_moved_since_the_baseline() {
    let folder = folder("written");
    let baseline = folder.join("kept").join("baseline.json");
    let mut before = results(vec![p50(&[20.0, 20.5, 21.0]), writes(&[3.0; 3])]);
    before.series = vec![cost_plot()];
    let first = report::write(&before, &folder, Some(&baseline)).unwrap();
    assert!(first.worse.is_empty() && first.missed.is_empty());
    assert!(
        first.text.contains("Every budget is kept."),
        "{}",
        first.text
    );
    assert!(
        first.text.contains("There is no baseline at"),
        "{}",
        first.text
    );
    report::save_baseline(&folder.join("results.json"), &baseline).unwrap();
    assert_eq!(report::read(&baseline).unwrap().series, []);

    let after = results(vec![p50(&[27.0, 27.4, 28.0]), writes(&[3.0; 3]), rate(&[])]);
    let second = report::write(&after, &folder, Some(&baseline)).unwrap();
    assert_eq!(second.missed, [P50]);
    assert_eq!(second.worse, [P50]);
    for said in [
        "newly missed: ready.paced_12.p50: 27.4 ms, budget ≤ 25 ms",
        "against the baseline of 0.1.0, commit 0123456789ab, 2026-11-23T10:00:00Z",
        "worse  +33.7 %  create to Ready, p50 (ready.paced_12.p50): 20.0 / 20.5 / 21.0 ms → 27.0 / 27.4 / 28.0 ms",
        "not run: burst.rate, budget ≥ 100/s",
        "1 of 3 figures did not move",
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
