//! Every scenario undisturbed, and with the controller killed once at each of its writes.

use std::time::Instant;

use crate::checker::violations;
use crate::faults::{FaultScript, Position};
use crate::scenarios::{self, Run, Scenario};

/// `SIM_LOG=debug` shows what the controller says.
fn play(scenario: &Scenario, script: &FaultScript) -> Run {
    if let Ok(level) = std::env::var("SIM_LOG") {
        let _ = tracing_subscriber::fmt().with_env_filter(level).with_test_writer().try_init();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(scenarios::run(scenario, script))
}

/// Scenarios that the environment chooses, all by default.
fn chosen() -> Vec<Scenario> {
    let only = std::env::var("SIM_SCENARIO").unwrap_or_default();
    scenarios::all().into_iter().filter(|scenario| scenario.name.contains(&only)).collect()
}

#[test]
fn every_scenario_ends_well_undisturbed() {
    let mut found = Vec::new();
    for scenario in chosen() {
        let began = Instant::now();
        let run = play(&scenario, &FaultScript::default());
        println!(
            "{}: {} writes {:?}, {:.0} virtual s, {:?}",
            scenario.name, run.writes.len(), run.writes, run.took, began.elapsed()
        );
        found.extend(violations(&run, None).into_iter().map(|v| format!("{}: {v}", scenario.name)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_controller_killed_at_any_one_write_changes_nothing_that_anybody_sees() {
    let began = Instant::now();
    let (mut schedules, mut virtual_seconds, mut found) = (0, 0.0, Vec::new());
    for scenario in chosen() {
        let clean = play(&scenario, &FaultScript::default());
        for write in 1..=u32::try_from(clean.writes.len()).unwrap() {
            for at in [Position::Before, Position::Between, Position::After] {
                let script = FaultScript::crash(write, at);
                let run = play(&scenario, &script);
                schedules += 1;
                virtual_seconds += run.took;
                if !run.left.0.is_empty() {
                    found.push(format!("{}: {script}: never struck", scenario.name));
                }
                for violation in violations(&run, Some(&clean)) {
                    found.push(format!("{}: {script}: {violation}", scenario.name));
                }
            }
        }
    }
    println!(
        "{} scenarios, {schedules} single crashes, {} violations, {virtual_seconds:.0} virtual s in {:?}",
        chosen().len(),
        found.len(),
        began.elapsed()
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}
