//! Quick runs: each scenario undisturbed, the schedules that once found a fault, and one schedule from its line.

use crate::faults::{Fault, FaultScript};
use crate::oracles::{Undisturbed, judge};
use crate::runner::{chosen, on_every_core, play, played};
use crate::scenarios;

#[test]
fn every_scenario_ends_well_undisturbed() {
    let mut found = Vec::new();
    let scenarios = chosen();
    let runs = on_every_core(&scenarios, |scenario| {
        play(scenario, &FaultScript::default())
    });
    for (scenario, run) in scenarios.iter().zip(&runs) {
        println!(
            "{}: {} writes, {:.0} virtual s",
            scenario.name,
            run.met.writes.len(),
            run.took
        );
        let judged = judge(scenario, &FaultScript::default(), run, None);
        let wrong = judged.wrong.iter();
        found.extend(wrong.map(|v| format!("{}: {v}", scenario.name)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_schedule_that_once_found_a_fault_finds_none_now() {
    let scenarios = scenarios::all();
    let lines = include_str!("found.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    for line in lines {
        let (name, script) = line.split_once('|').expect("scenario | script");
        let scenario = scenarios.iter().find(|s| s.name == name.trim());
        let scenario = scenario.unwrap_or_else(|| panic!("no scenario {name}"));
        let script: FaultScript = script.parse().unwrap();
        let clean = play(scenario, &undisturbed(&script));
        let played = played(scenario, &Undisturbed::of(&clean), &script);
        let wrong = played.judged.wrong;
        assert!(wrong.is_empty(), "{line}:\n{}", wrong.join("\n"));
    }
}

/// What this script is held against.
fn undisturbed(script: &FaultScript) -> FaultScript {
    let mut script = script.clone();
    script.0.retain(|fault| *fault == Fault::Unelected);
    script
}

/// `SIM_SCRIPT='crash write=3 at=between' SIM_SCENARIO='cold start'` replays one schedule and prints all that happened.
#[test]
fn one_schedule_can_be_replayed_from_its_line() {
    let line =
        std::env::var("SIM_SCRIPT").unwrap_or_else(|_| "crash write=4 at=between".to_owned());
    let script: FaultScript = line.parse().unwrap();
    let scenario = &chosen()[0];
    let clean = play(scenario, &undisturbed(&script));
    let run = play(scenario, &script);
    for entry in &run.history {
        println!("{}", entry.line());
    }
    let wrong = judge(scenario, &script, &run, Some(&Undisturbed::of(&clean))).wrong;
    assert!(
        wrong.is_empty(),
        "{}: {script}:\n{}",
        scenario.name,
        wrong.join("\n")
    );
}
