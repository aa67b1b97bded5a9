//! Every scenario undisturbed, and with the controller killed once at each of its writes.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::checker::violations;
use crate::faults::{Failure, Fate, Fault, FaultScript, Position};
use crate::scenarios::{self, Run, Scenario};

/// Virtual seconds that a fault may cost. A crash: the restart, and the Lease of the one that died.
const CRASH: f64 = 10.0;
/// A failed call: its longest deadline, and the wait after it.
const FAILURE: f64 = 120.0;
/// A lost event: until the next list, ten minutes apart; twice where the found one is lost again.
const LIST: f64 = 660.0;

/// `SIM_LOG=debug` shows what the controller says.
fn play(scenario: &Scenario, script: &FaultScript) -> Run {
    if let Ok(level) = std::env::var("SIM_LOG") {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(level)
            .with_test_writer()
            .try_init();
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
    scenarios::all()
        .into_iter()
        .filter(|scenario| scenario.name.contains(&only))
        .collect()
}

#[test]
fn every_scenario_ends_well_undisturbed() {
    let mut found = Vec::new();
    for scenario in chosen() {
        let began = Instant::now();
        let run = play(&scenario, &FaultScript::default());
        println!(
            "{}: {} writes {:?}, {:.0} virtual s, {:?}",
            scenario.name,
            run.writes.len(),
            run.writes,
            run.took,
            began.elapsed()
        );
        found.extend(
            violations(&scenario, &run, None, 0.0)
                .into_iter()
                .map(|v| format!("{}: {v}", scenario.name)),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Runs the scripts on every core; what is wrong comes back in their order.
fn judge(plans: &[(&Scenario, &Run, FaultScript)], slack: f64) -> (Vec<String>, f64) {
    let next = AtomicUsize::new(0);
    let found: Mutex<BTreeMap<usize, Vec<String>>> = Mutex::default();
    let seconds = Mutex::new(0.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..cores {
            threads.spawn(|| {
                while let Some((scenario, clean, script)) =
                    plans.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let run = play(scenario, script);
                    *seconds.lock().unwrap() += run.took;
                    let mut wrong = violations(scenario, &run, Some(clean), slack);
                    if !run.left.0.is_empty() {
                        wrong.push(format!("{} never struck", run.left));
                    }
                    let wrong: Vec<String> = wrong
                        .iter()
                        .map(|v| format!("{}: {script}: {v}", scenario.name))
                        .collect();
                    if !wrong.is_empty() {
                        let place = found.lock().unwrap().len();
                        found.lock().unwrap().insert(place, wrong);
                    }
                }
            });
        }
    });
    let found = found
        .into_inner()
        .unwrap()
        .into_values()
        .flatten()
        .collect();
    (found, seconds.into_inner().unwrap())
}

/// Prints the figures, and fails if anything is wrong.
fn report(
    kind: &str,
    scenarios: usize,
    schedules: usize,
    judged: (Vec<String>, f64),
    began: Instant,
) {
    let (found, seconds) = judged;
    println!(
        "{scenarios} scenarios, {schedules} {kind}, {} violations, {seconds:.0} virtual s in {:?}",
        found.len(),
        began.elapsed()
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_controller_killed_at_any_one_write_changes_nothing_that_anybody_sees() {
    let began = Instant::now();
    let scenarios = chosen();
    let clean: Vec<Run> = scenarios
        .iter()
        .map(|s| play(s, &FaultScript::default()))
        .collect();
    let mut plans = Vec::new();
    for (scenario, clean) in scenarios.iter().zip(&clean) {
        for write in 1..=u32::try_from(clean.writes.len()).unwrap() {
            for at in [Position::Before, Position::Between, Position::After] {
                plans.push((scenario, clean, FaultScript::crash(write, at)));
            }
        }
    }
    report(
        "single crashes",
        scenarios.len(),
        plans.len(),
        judge(&plans, CRASH),
        began,
    );
}

/// Calls whose failures are worth a schedule of their own: those about sessions, and all to the engine but its name.
fn is_worth_failing(call: &str) -> bool {
    let ours = ["gamesessions", "games", "effect:", "look:"];
    ours.iter().any(|part| call.contains(part)) && !["look:engine", "look:list"].contains(&call)
}

#[test]
#[ignore = "long: make sim"]
fn any_one_call_that_fails_in_any_way_changes_nothing_that_anybody_sees() {
    let began = Instant::now();
    let scenarios = chosen();
    let clean: Vec<Run> = scenarios
        .iter()
        .map(|s| play(s, &FaultScript::default()))
        .collect();
    let mut plans = Vec::new();
    for (scenario, clean) in scenarios.iter().zip(&clean) {
        for (call, times) in clean
            .calls
            .iter()
            .filter(|(call, _)| is_worth_failing(call))
        {
            for nth in 1..=(*times).min(12) {
                let mut ways = vec![Failure::Code(500), Failure::Refused, Failure::Hangs];
                if !call.starts_with("look:") {
                    ways.extend([
                        Failure::CommittedCode(504),
                        Failure::Lost,
                        Failure::CommittedHangs,
                    ]);
                }
                if call.contains("games") {
                    ways.extend([Failure::Code(429), Failure::Code(503)]);
                }
                // A signal that never reaches the game is followed by a kill: that fault ends the game otherwise.
                ways.retain(|with| call != "effect:stop" || *with != Failure::Hangs);
                for with in ways {
                    let call = call.clone();
                    plans.push((
                        scenario,
                        clean,
                        FaultScript(vec![Fault::Fail { call, nth, with }]),
                    ));
                }
            }
        }
    }
    report(
        "single failures",
        scenarios.len(),
        plans.len(),
        judge(&plans, FAILURE),
        began,
    );
}

#[test]
#[ignore = "long: make sim"]
fn any_one_event_lost_doubled_late_or_out_of_order_changes_nothing_that_anybody_sees() {
    let began = Instant::now();
    let scenarios = chosen();
    let clean: Vec<Run> = scenarios
        .iter()
        .map(|s| play(s, &FaultScript::default()))
        .collect();
    let mut plans = Vec::new();
    for (scenario, clean) in scenarios.iter().zip(&clean) {
        for (of, times) in clean.events.iter().filter(|(of, _)| of.starts_with("game")) {
            for event in 1..=*times {
                for does in [
                    Fate::Drop,
                    Fate::Double,
                    Fate::Swap,
                    Fate::Freeze,
                    Fate::Gone,
                    Fate::Delay { ms: 3000 },
                    Fate::Hold { more: 1 },
                    Fate::Hold { more: 2 },
                    Fate::Hold { more: 3 },
                ] {
                    let of = of.clone();
                    plans.push((
                        scenario,
                        clean,
                        FaultScript(vec![Fault::Event { of, event, does }]),
                    ));
                }
            }
        }
    }
    report(
        "events",
        scenarios.len(),
        plans.len(),
        judge(&plans, LIST),
        began,
    );
}

#[test]
fn every_schedule_that_once_found_a_fault_finds_none_now() {
    let scenarios = scenarios::all();
    let lines = include_str!("found.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let plans: Vec<(&Scenario, FaultScript)> = lines
        .map(|line| {
            let (name, script) = line.split_once('|').unwrap();
            let scenario = scenarios.iter().find(|s| s.name == name.trim());
            (scenario.unwrap(), script.parse().unwrap())
        })
        .collect();
    for (scenario, script) in plans {
        let clean = play(scenario, &FaultScript::default());
        let run = play(scenario, &script);
        assert_eq!(
            run.left,
            FaultScript::default(),
            "{}: {script}: never struck",
            scenario.name
        );
        let found = violations(scenario, &run, Some(&clean), LIST);
        assert!(
            found.is_empty(),
            "{}: {script}:\n{}",
            scenario.name,
            found.join("\n")
        );
    }
}

/// `SIM_SCRIPT='crash write=3 at=between' SIM_SCENARIO='cold start'` replays one schedule and prints all that happened.
#[test]
fn one_schedule_can_be_replayed_from_its_line() {
    let line =
        std::env::var("SIM_SCRIPT").unwrap_or_else(|_| "crash write=4 at=between".to_owned());
    let script: FaultScript = line.parse().unwrap();
    let scenario = &chosen()[0];
    let clean = play(scenario, &FaultScript::default());
    let run = play(scenario, &script);
    for entry in &run.history {
        println!("{}", entry.line());
    }
    let found = violations(scenario, &run, Some(&clean), LIST);
    assert!(
        found.is_empty(),
        "{}: {script}:\n{}",
        scenario.name,
        found.join("\n")
    );
}
