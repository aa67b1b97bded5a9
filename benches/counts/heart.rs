//! The pure heart, function by function: decisions, reports, contracts, parses. Nothing waits.

use std::hint::black_box;

use dillinger_runner::api::{Game, GameSession, GameSessionStatus, RuntimeKind};
use dillinger_runner::controller::guard::Guarded;
use dillinger_runner::controller::patch;
use dillinger_runner::session::contract::{self, Contract};
use dillinger_runner::session::facts::Facts;
use dillinger_runner::session::observation::Observation;
use dillinger_runner::session::plan::{Plan, Row};
use dillinger_runner::session::{plan as planning, report as reporting};
use gungraun::{library_benchmark, library_benchmark_group};

use super::sights;

#[library_benchmark(setup = sights::of)]
#[bench::p3_first_record(Row::P3)]
#[bench::c13_create(Row::C13)]
#[bench::c15_start(Row::C15)]
#[bench::r3_ready(Row::R3)]
#[bench::r4_at_rest(Row::R4)]
#[bench::e3_exited(Row::E3)]
#[bench::s2_stop(Row::S2)]
#[bench::d8_deleted(Row::D8)]
fn plan(o: Observation) -> (Observation, Plan) {
    let plan = planning::plan(black_box(&o));
    (o, plan)
}

#[library_benchmark(setup = sights::planned)]
#[bench::p3_first_record(Row::P3)]
#[bench::c13_create(Row::C13)]
#[bench::r3_ready(Row::R3)]
#[bench::r4_at_rest(Row::R4)]
#[bench::e3_exited(Row::E3)]
#[bench::d8_deleted(Row::D8)]
fn report(
    (o, facts, plan): (Observation, Facts, Plan),
) -> (GameSessionStatus, Observation, Facts, Plan) {
    let status = reporting::status(black_box(&o), &facts, &plan);
    (status, o, facts, plan)
}

fn wish() -> (GameSession, Game) {
    (sights::session(), sights::game())
}

#[library_benchmark(setup = wish)]
#[bench::ordinary()]
fn resolve((session, game): (GameSession, Game)) -> (Contract, GameSession, Game) {
    let resolved = contract::resolve(
        black_box(&session),
        Some(&game),
        None,
        &[RuntimeKind::Docker],
    );
    (resolved.expect("no refusal"), session, game)
}

#[library_benchmark(setup = sights::to_write)]
#[bench::nothing_new(Row::R4)]
#[bench::ready(Row::R3)]
fn differs(
    (session, status): (GameSession, GameSessionStatus),
) -> (bool, GameSession, GameSessionStatus) {
    let differs = patch::differs(black_box(&session), &status);
    (differs, session, status)
}

#[library_benchmark(setup = sights::ready_session)]
#[bench::ready()]
fn facts(session: GameSession) -> (Facts, GameSession) {
    let status = session.status.as_ref().expect("it runs");
    let facts = Facts::parse(black_box(status)).expect("readable");
    (facts, session)
}

#[library_benchmark(setup = sights::watch_line)]
#[bench::ready()]
fn parse(line: String) -> (Guarded<GameSession>, String) {
    let parsed: Guarded<GameSession> = serde_json::from_str(black_box(&line)).expect("readable");
    assert!(parsed.read().is_some());
    (parsed, line)
}

library_benchmark_group!(
    name = heart,
    benchmarks = [plan, report, resolve, differs, facts, parse]
);
