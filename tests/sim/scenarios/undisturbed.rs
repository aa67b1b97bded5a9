//! Every scenario as it goes when nothing goes wrong beside it, and which rows of the state table that meets.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use dillinger_runner::session::plan::Row;

use super::steps::NOT_DONE;
use super::{Run, Scenario, all};
use crate::faults::FaultScript;
use crate::history::What;
use crate::runner::{on_every_core, play};

/// All of them, each with its run; played once.
pub fn undisturbed() -> &'static [(Scenario, Run)] {
    static PLAYED: LazyLock<Vec<(Scenario, Run)>> = LazyLock::new(play_all);
    &PLAYED
}

fn play_all() -> Vec<(Scenario, Run)> {
    let scenarios = all();
    let runs = on_every_core(&scenarios, |scenario| {
        play(scenario, &FaultScript::default())
    });
    scenarios.into_iter().zip(runs).collect()
}

#[test]
fn every_row_of_the_table_is_met_by_some_scenario_in_which_nothing_else_goes_wrong() {
    let met: BTreeSet<Row> = undisturbed()
        .iter()
        .flat_map(|(_, run)| run.rows.iter().copied())
        .collect();
    let missed: Vec<&Row> = Row::ALL.iter().filter(|row| !met.contains(row)).collect();
    println!(
        "{} scenarios meet {} rows of {}",
        undisturbed().len(),
        met.len(),
        Row::ALL.len()
    );
    for row in Row::ALL {
        let of = undisturbed()
            .iter()
            .filter(|(_, run)| run.rows.contains(&row));
        println!("{row:?}: {} scenarios", of.count());
    }
    assert!(missed.is_empty(), "never met: {missed:?}");
}

#[test]
fn whatever_somebody_does_in_a_scenario_can_be_done() {
    for (scenario, run) in undisturbed() {
        let failed = run.history.iter().find_map(|entry| match &entry.what {
            What::Note(text) => text.starts_with(NOT_DONE).then(|| entry.line()),
            What::Stored { .. }
            | What::Container { .. }
            | What::Volume { .. }
            | What::Engine(_)
            | What::Died(_) => None,
        });
        assert_eq!(failed, None, "{}", scenario.name);
    }
}
