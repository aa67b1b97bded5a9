//! What differs from run to run by more than noise.

use crate::figure::{Figure, Ratios, Unit};
use crate::report::agreement;
use crate::report::agreement::{Disagreement, by_chance};
use crate::report::compare::{Verdict, compare};
use crate::{P50, p50, rate, results, writes};

/// The verdict on one figure, then and now.
fn verdict(before: Figure, after: Figure) -> Verdict {
    let id = after.id.clone();
    let comparison = compare(&results(vec![before]), &results(vec![after]));
    comparison.change(&id).expect("both were run").verdict
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
    assert!(compare(&kept, &kept).newly_missed.is_empty());
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
    let found = agreement(&first, &second);
    assert!(found.holds() && found.apart.is_empty(), "{found:?}");
}

#[test]
fn results_that_do_not_agree_say_where() {
    let first = results(vec![p50(&[20.0; 3]), writes(&[3.0; 3])]);
    let mut second = results(vec![p50(&[30.0; 3]), rate(&[100.0; 3])]);
    second.machine.commit = None;
    let found = agreement(&first, &second);
    let words = |of: &[Disagreement]| of.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        words(&found.against),
        [
            "not of the same thing: 0.1.0, commit 0123456789ab and 0.1.0, commit not known",
            "writes.ready: not measured in the second",
            "burst.rate: not measured in the first",
        ]
    );
    assert_eq!(
        words(&found.apart),
        ["ready.paced_12.p50: 20 / 20 / 20 ms and 30 / 30 / 30 ms (+50.0 %)"]
    );
    assert!(!found.holds());
}

#[test]
fn a_count_that_differs_is_never_chance() {
    let results = |count| results(vec![writes(&[count; 3])]);
    let found = agreement(&results(3.0), &results(4.0));
    assert_eq!(found.against.len(), 1);
    assert!(!found.holds());
}

#[test]
fn of_many_figures_some_lie_apart_by_chance_and_more_than_that_do_not_agree() {
    let figures = |apart: usize| {
        let figure = |place: usize| {
            let value = if place < apart { 30.0 } else { 20.0 };
            let mut figure = p50(&[value; 3]);
            figure.id = format!("ready.{place}");
            figure
        };
        results((0..200).map(figure).collect())
    };
    // Of 200, 6.7 are expected; more than 13 come in fewer than one pair of benches in a hundred.
    assert_eq!(by_chance(200), 13);
    assert_eq!(by_chance(0), 0);
    assert!(agreement(&figures(0), &figures(13)).holds());
    assert!(!agreement(&figures(0), &figures(14)).holds());
}

/// A load at so many times the pace: what the driver alone took, a figure with a ratio over it, and one without.
fn at_pace(pace: f64, ratio: f64, size: f64) -> Vec<Figure> {
    let figure = |id: &str, unit, value: f64| {
        let mut figure = Figure::new(id, id, unit);
        figure.runs = vec![value; 3];
        figure
    };
    let floor = figure("ready.paced_12.floor", Unit::Milliseconds, 20.0 * pace);
    let mut own = figure(P50, Unit::Milliseconds, 22.0 * pace);
    own.ratios = Some(Ratios {
        over: "the driver alone".to_owned(),
        runs: vec![ratio; 3],
    });
    let plain = figure("cpu.paced_12.controller", Unit::Milliseconds, 2.0 * pace);
    let rss = figure("rss.2000.live", Unit::Mebibytes, size);
    vec![floor, own, plain, rss]
}

#[test]
fn a_machine_that_moved_under_both_is_no_disagreement_of_ours() {
    let first = results(at_pace(1.0, 1.1, 23.0));
    let found = agreement(&first, &results(at_pace(1.6, 1.1, 23.0)));
    assert!(found.holds() && found.apart.is_empty(), "{found:?}");
    assert_eq!(found.moved, ["ready.paced_12.floor"]);
    assert_eq!((found.compared, found.unjudged), (2, 2));
    // What does not hang on its pace is judged as ever.
    for second in [at_pace(1.6, 1.4, 23.0), at_pace(1.6, 1.1, 30.0)] {
        let found = agreement(&first, &results(second));
        assert_eq!(found.apart.len(), 1, "{found:?}");
    }
    // The same pace: a plain time is judged.
    let mut second = at_pace(1.0, 1.1, 23.0);
    second[2].runs = vec![3.0; 3];
    let found = agreement(&first, &results(second));
    assert_eq!((found.apart.len(), found.moved.len()), (1, 0));
}
