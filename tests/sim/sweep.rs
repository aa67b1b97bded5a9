//! The whole of it: every scenario under every schedule, and a table of what came of it.
//!
//! `SIM_SCENARIO` and `SIM_KIND` choose by a name or a part of some; `SIM_FULL=1` plays all, and nowhere every so many-th;
//! `SIM_SHARE=N` plays every N-th of what is left, and `SIM_QUICK=1` of some kinds their shares. What `open.txt` names is played
//! and counted apart: nobody has said yet whether the controller, the simulation or the judgement is wrong there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dillinger_runner::session::plan::Row;

use crate::faults::{Fault, FaultScript};
use crate::oracles::Undisturbed;
use crate::runner::{Played, chosen, on_every_core, play, played};
use crate::scenarios::Scenario;
use crate::schedules::Kind;
use crate::striking::Met;

/// So many findings are shown whole.
const SHOWN: usize = 400;

/// A story that takes more virtual seconds than this is long.
const LONG: f64 = 300.0;

/// Kinds and scenarios with findings that nobody has explained yet, a line each, and how many at most:
/// `kind | scenario | findings`.
const OPEN: &str = include_str!("open.txt");

/// Undisturbed, with and without an election.
const ELECTED: &[Fault] = &[];
const UNELECTED: &[Fault] = &[Fault::Unelected];

/// One schedule to play.
struct Plan<'a> {
    kind: Kind,
    scenario: &'a Scenario,
    clean: &'a Undisturbed<'a>,
    script: FaultScript,
}

#[derive(Default)]
struct Table {
    schedules: BTreeMap<Kind, usize>,
    violations: BTreeMap<Kind, usize>,
    open: BTreeMap<(Kind, &'static str), usize>,
    took: BTreeMap<Kind, Duration>,
    late_starts: BTreeMap<(Kind, &'static str), usize>,
    rows: BTreeSet<Row>,
    seconds: f64,
    found: Vec<String>,
}

#[test]
#[ignore = "long: make sim"]
fn whatever_goes_wrong_every_session_ends_as_it_would_have() {
    quiet_about_scripted_panics();
    let began = Instant::now();
    let scenarios = chosen();
    let kinds = chosen_kinds();
    let mut table = Table::default();
    let clean = on_every_core(&scenarios, |scenario| {
        [ELECTED, UNELECTED].map(|script| play(scenario, &FaultScript(script.to_vec())))
    });
    let clean: Vec<[Undisturbed<'_>; 2]> = clean
        .iter()
        .map(|runs| runs.each_ref().map(Undisturbed::of))
        .collect();
    for Undisturbed { run, .. } in clean.iter().flatten() {
        table.rows.extend(&run.rows);
    }
    let mut crashed: BTreeMap<&str, Vec<(FaultScript, Met)>> = BTreeMap::new();
    if kinds
        .iter()
        .any(|kind| [Kind::Crashes, Kind::CrashAndCall].contains(kind))
    {
        let mut first = Vec::new();
        for (scenario, [_, clean]) in scenarios.iter().zip(&clean) {
            let scripts = Kind::Crash.scripts(&clean.run.met, &[], false);
            first.extend(scripts.into_iter().map(|script| (scenario, script)));
        }
        let all = on_every_core(&first, |(scenario, script)| play(scenario, script).met);
        for ((scenario, script), met) in first.into_iter().zip(all) {
            crashed
                .entry(scenario.name)
                .or_default()
                .push((script, met));
        }
    }
    let plans = plans(&kinds, &scenarios, &clean, &crashed);
    let all = on_every_core(&plans, |plan| timed(plan));
    for (plan, (took, played)) in plans.iter().zip(all) {
        table.add(plan, took, played);
    }
    table.print(scenarios.len(), began.elapsed());
    assert!(table.found.is_empty(), "{} violations", table.found.len());
}

fn timed(plan: &Plan<'_>) -> (Duration, Played) {
    let before = on_core();
    let played = played(plan.scenario, plan.clean, &plan.script);
    (on_core().saturating_sub(before), played)
}

/// So long this thread has had a core, whoever else wanted one.
fn on_core() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says");
    let first = stat.split(' ').next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(first.expect("nanoseconds come first"))
}

fn chosen_kinds() -> Vec<Kind> {
    let only = std::env::var("SIM_KIND").unwrap_or_default();
    let mut all = Kind::ALL.to_vec();
    if all.iter().any(|kind| kind.name() == only) {
        all.retain(|kind| kind.name() == only);
    }
    all.retain(|kind| kind.name().contains(&only));
    if is_quick() {
        all.retain(|kind| kind.quick().is_some());
    }
    assert!(!all.is_empty(), "no kind of schedules is called {only}");
    all
}

fn plans<'a>(
    kinds: &[Kind],
    scenarios: &'a [Scenario],
    clean: &'a [[Undisturbed<'a>; 2]],
    crashed: &BTreeMap<&str, Vec<(FaultScript, Met)>>,
) -> Vec<Plan<'a>> {
    let full = std::env::var("SIM_FULL").is_ok_and(|full| full == "1");
    let mut plans = Vec::new();
    let mut seen: BTreeSet<Vec<&str>> = BTreeSet::new();
    for (scenario, clean) in scenarios.iter().zip(clean) {
        let writes = clean[1].run.met.writes.iter();
        let is_new = seen.insert(writes.map(|(class, _)| class.as_str()).collect());
        let crashed = crashed.get(scenario.name).map_or(&[][..], Vec::as_slice);
        for kind in kinds {
            let elected = kind.is_elected(clean[0].run.converged > LONG);
            let clean = &clean[usize::from(!elected)];
            let scripts = kind.scripts(&clean.run.met, crashed, elected);
            let most = match (full, is_new) {
                (true, _) => usize::MAX,
                (false, true) => kind.most().0,
                (false, false) => kind.most().1,
            };
            let step = scripts.len().div_ceil(most).max(1);
            plans.extend(scripts.into_iter().step_by(step).map(|script| Plan {
                kind: *kind,
                scenario,
                clean,
                script,
            }));
        }
    }
    if is_quick() {
        let mut nth: BTreeMap<Kind, usize> = BTreeMap::new();
        plans.retain(|plan| {
            let nth = nth.entry(plan.kind).or_default();
            *nth += 1;
            plan.kind
                .quick()
                .is_some_and(|of| (*nth - 1).is_multiple_of(of))
        });
    }
    plans.into_iter().step_by(share()).collect()
}

/// Some kinds, and of each its share.
fn is_quick() -> bool {
    std::env::var("SIM_QUICK").is_ok_and(|quick| quick == "1")
}

fn share() -> usize {
    let share = std::env::var("SIM_SHARE").ok();
    let share = share.map(|text| text.parse().expect("SIM_SHARE is a number from 1"));
    share.unwrap_or(1)
}

/// What is open: kind, scenario, findings at most.
fn open() -> impl Iterator<Item = (&'static str, &'static str, usize)> {
    let lines = OPEN.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [kind, scenario, findings] = parts[..] else {
            panic!("not kind | scenario | findings: {line}");
        };
        (kind, scenario, findings.parse().expect("a number"))
    })
}

fn most_open(kind: Kind, scenario: &str) -> usize {
    let mut all = open();
    let line = all.find(|(of, named, _)| *of == kind.name() && *named == scenario);
    line.map_or(0, |(_, _, findings)| findings)
}

#[test]
fn whatever_is_open_names_a_kind_and_a_scenario() {
    let scenarios = crate::scenarios::all();
    let kinds = Kind::ALL.map(Kind::name);
    for (kind, scenario, findings) in open() {
        assert!(kinds.contains(&kind), "{kind}");
        assert!(scenarios.iter().any(|s| s.name == scenario), "{scenario}");
        assert!(findings > 0, "{kind} | {scenario}");
    }
}

impl Table {
    fn add(&mut self, plan: &Plan<'_>, took: Duration, played: Played) {
        *self.schedules.entry(plan.kind).or_default() += 1;
        *self.took.entry(plan.kind).or_default() += took;
        if played.judged.late_starts > 0 {
            let place = (plan.kind, plan.scenario.name);
            *self.late_starts.entry(place).or_default() += played.judged.late_starts;
        }
        self.rows.extend(played.rows);
        self.seconds += played.seconds;
        if played.judged.wrong.is_empty() {
            return;
        }
        let place = (plan.kind, plan.scenario.name);
        let open = self.open.entry(place).or_default();
        if *open < most_open(plan.kind, plan.scenario.name) {
            *open += 1;
            return;
        }
        *self.violations.entry(plan.kind).or_default() += 1;
        self.found.push(format!(
            "{}: SIM_SCENARIO='{}' SIM_SCRIPT='{}'\n    {}",
            plan.kind.name(),
            plan.scenario.name,
            plan.script,
            played.judged.wrong.join("\n    ")
        ));
    }

    fn print(&self, scenarios: usize, real: Duration) {
        for found in self.found.iter().take(SHOWN) {
            println!("{found}");
        }
        if self.found.len() > SHOWN {
            println!("… and {} more", self.found.len() - SHOWN);
        }
        println!(
            "\n{:<42} {:>9} {:>10} {:>6} {:>11}",
            "schedules", "played", "violations", "open", "ms of core"
        );
        for (kind, played) in &self.schedules {
            let each = self.took[kind].as_secs_f64() * 1000.0 / *played as f64;
            println!(
                "  {:<40} {played:>9} {:>10} {:>6} {each:>11.1}",
                kind.name(),
                self.violations.get(kind).copied().unwrap_or_default(),
                self.opened(*kind),
            );
        }
        let all: usize = self.schedules.values().sum();
        println!(
            "  {:<40} {all:>9} {:>10} {:>6}",
            "all",
            self.violations.values().sum::<usize>(),
            self.open.values().sum::<usize>()
        );
        println!("scenarios: {scenarios}");
        println!(
            "late starts, each ended again (the one residual that is stated): {}",
            self.late_starts.values().sum::<usize>()
        );
        for ((kind, scenario), times) in &self.late_starts {
            println!("  {times:>3} {}: {scenario}", kind.name());
        }
        self.print_rows();
        println!(
            "virtual time: {:.0} h; real time: {:.0} s",
            self.seconds / 3600.0,
            real.as_secs_f64()
        );
    }

    fn opened(&self, kind: Kind) -> usize {
        let of_kind = self.open.iter().filter(|((of, _), _)| *of == kind);
        of_kind.map(|(_, findings)| findings).sum()
    }

    fn print_rows(&self) {
        let missing: Vec<String> = Row::ALL
            .iter()
            .filter(|row| !self.rows.contains(*row))
            .map(|row| format!("{row:?}"))
            .collect();
        println!(
            "rows of the table met: {} of {}; not met: {}",
            Row::ALL.len() - missing.len(),
            Row::ALL.len(),
            if missing.is_empty() {
                "none".to_owned()
            } else {
                missing.join(", ")
            }
        );
    }
}

/// A panic that the script asks for is caught, and told by nobody.
fn quiet_about_scripted_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some("scripted") {
            before(info);
        }
    }));
}
