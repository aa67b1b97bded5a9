//! D: the session is being deleted. What it has goes first, the finalizer last.

use jiff::SignedDuration;

use super::before::doubted;
use super::case::{Case, after, says, seconds};
use super::{Act, Effect, Next, Phase, Plan, Report, Row};
use crate::api::RuntimeKind;
use crate::session::facts::{Facts, Stop, StopReason};
use crate::session::reason::Reason;
use crate::session::seen::{Container, Doubt, Seen};

/// D1–D3: nothing of ours holds the session.
pub(super) fn released(case: &Case<'_>) -> Option<Plan> {
    if !case.o.session.finalizer {
        return Some(Plan::object(Row::D1, Act::Nothing, Next::Never));
    }
    if case.runtime() == RuntimeKind::Pod {
        return Some(let_go(Row::D2));
    }
    let nothing_was_created = case.attempt.is_none() && matches!(case.seen, Seen::Unknown(_));
    nothing_was_created.then(|| let_go(Row::D3))
}

fn let_go(row: Row) -> Plan {
    Plan::object(row, Act::Finalizer(false), Next::Never)
}

/// D4
pub(super) fn doubt(case: &Case<'_>, doubt: &Doubt) -> Plan {
    doubted(case, Row::D4, doubt)
}

/// D5–D7: say why, ask, then force.
pub(super) fn running(case: &Case<'_>, c: &Container) -> Plan {
    if case.stop.is_none() && !case.is_stray(c) {
        return match record_stop(case, c) {
            Some(facts) => Plan::record(Row::D5, facts, stopping()),
            // Whose engine it is cannot be said in this instant.
            None => Plan::wait(Row::D4, Report::Unchanged, case.in_seconds(1)),
        };
    }
    match case.stop.filter(|_| !case.is_stray(c)) {
        Some(stop) => ask_then_force(case, (Row::D6, Row::D7), c, stop, stopping()),
        None => kill(Row::D7, c, stopping()),
    }
}

fn record_stop(case: &Case<'_>, c: &Container) -> Option<Facts> {
    let mut facts = case.facts();
    if facts.attempt.is_none() {
        facts.engine = Some(case.engine_of_now()?);
        facts.runtime = Some(case.runtime());
        facts.attempt = Some(c.attempt);
    }
    facts.stop = Some(Stop {
        attempt: facts.attempt?,
        reason: StopReason::Deleted,
        time: case.record_time(),
    });
    Some(facts)
}

/// D6 and D7, S5 and S6. Once a process, and not waited for; force comes when the grace since then is over. A game that
/// nobody told, since the one who was to tell it died or could not see it, is told late rather than killed untold.
pub(super) fn ask_then_force(
    case: &Case<'_>,
    (ask, force): (Row, Row),
    c: &Container,
    stop: &Stop,
    report: Report,
) -> Plan {
    // The engine kills by itself when the grace is over; its die event comes sooner than this.
    let next = |end| case.soonest([after(end, SignedDuration::from_secs(2))]);
    match case.grace_end(stop, c) {
        Some(end) if case.is_due(end) => kill(force, c, report),
        Some(end) => Plan::wait(ask, report, next(end)),
        None => {
            let grace = case.grace_seconds(c);
            let effect = Effect::Stop(c.id.clone(), grace);
            Plan::effect(ask, effect, report, next(after(case.now(), seconds(grace))))
        }
    }
}

fn kill(row: Row, c: &Container, report: Report) -> Plan {
    // How soon a kill that did not help is tried again.
    let again = Next::Doubling {
        first: SignedDuration::from_secs(2),
        most: SignedDuration::from_secs(30),
    };
    Plan::effect(row, Effect::Kill(c.id.clone()), report, again)
}

/// D8
pub(super) fn remains(_case: &Case<'_>, c: &Container) -> Plan {
    Plan::effect(Row::D8, Effect::Remove(c.id.clone()), stopping(), Next::Now)
}

/// D9
pub(super) fn going(case: &Case<'_>) -> Plan {
    Plan::wait(Row::D9, stopping(), case.in_seconds(2))
}

/// D10, D11
pub(super) fn gone(case: &Case<'_>) -> Plan {
    let storage = case.storage_left();
    if storage.is_empty() {
        return let_go(Row::D11).with_events(case.abandoned());
    }
    let remove = Effect::RemoveStorage(storage.to_vec());
    Plan::effect(Row::D10, remove, stopping(), Next::Now)
}

fn stopping() -> Report {
    says(Phase::Stopping, Reason::Terminating, "")
}
