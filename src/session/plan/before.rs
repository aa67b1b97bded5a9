//! U, A and P: doubt, what nobody recorded, and what comes before anything exists.

use jiff::SignedDuration;

use super::case::{Case, after, says};
use super::{Act, Effect, Next, Phase, Plan, Report, Row, Says, Wish};
use crate::api::RuntimeKind;
use crate::session::contract::Refusal;
use crate::session::facts::{Facts, whole_second};
use crate::session::reason::Reason;
use crate::session::seen::{Container, Doubt};

/// A doubt that is over sooner is not shown.
const DOUBT_SHOWN_AFTER: SignedDuration = SignedDuration::from_secs(15);
/// Sessions and Games come by two watches, in either order: a Game that was there first may be known a moment later.
const REFUSAL_SHOWN_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// U1
pub(super) fn doubt(case: &Case<'_>, doubt: &Doubt) -> Plan {
    doubted(case, Row::U1, doubt)
}

/// U1 and D4: nothing is done, nothing is forgotten.
pub(super) fn doubted(case: &Case<'_>, row: Row, doubt: &Doubt) -> Plan {
    let (reason, message) = match doubt {
        Doubt::EngineUnreachable(what) => (
            Reason::EngineUnreachable,
            format!("the engine does not answer ({what}); the game may well be running"),
        ),
        Doubt::EngineMismatch { recorded, found } => (
            Reason::EngineMismatch,
            format!(
                "the session belongs to engine {recorded}, and engine {found} answers: bring the first \
                 one back, or give up what it held with `dillinger-runner engine abandon {recorded}`"
            ),
        ),
        Doubt::NodeLost(node) => (
            Reason::NodeLost,
            format!("node {node} does not report; the game may well be running there"),
        ),
    };
    let since = case.o.memo.doubt_since.unwrap_or(case.now());
    let report = Report::Says(Says {
        phase: Phase::Unknown,
        ready: reason,
        message: case.standing_message(reason).unwrap_or(message),
        not_before: Some(after(since, DOUBT_SHOWN_AFTER)),
    });
    let next = Next::Doubling {
        first: SignedDuration::from_secs(1),
        most: SignedDuration::from_secs(30),
    };
    Plan::wait(row, report, next)
}

/// A1–A3: a container of ours that the record does not call for.
pub(super) fn adoption(case: &Case<'_>, c: &Container) -> Option<Plan> {
    if case.is_new(c) {
        return Some(adopt(case, c));
    }
    if !case.is_stray(c) {
        return None;
    }
    let (row, effect) = if case.seen.is_live() {
        (Row::A2, Effect::Kill(c.id.clone()))
    } else {
        (Row::A3, Effect::Remove(c.id.clone()))
    };
    Some(Plan::effect(row, effect, Report::Unchanged, Next::Now))
}

/// A1: the status was lost, or the API server's data were set back.
fn adopt(case: &Case<'_>, c: &Container) -> Plan {
    if case.o.memo.confirmed.as_deref() != Some(&case.o.session.resource_version) {
        return Plan::object(Row::A1, Act::Confirm, Next::Now);
    }
    let Some(engine) = case.engine_of_now() else {
        return Plan::wait(Row::A1, Report::Unchanged, case.in_seconds(1));
    };
    let facts = Facts {
        runtime: Some(case.runtime()),
        engine: Some(engine),
        attempt: Some(c.attempt),
        attempt_time: Some(whole_second(c.created)),
        container: None,
        ..case.facts()
    };
    Plan::record(Row::A1, facts, says(Phase::Starting, Reason::Creating, ""))
}

/// P1–P3: nothing of the session exists, and nothing is on record.
pub(super) fn nothing_made(case: &Case<'_>) -> Option<Plan> {
    let facts = &case.o.facts;
    let complete = facts.attempt.is_some() && facts.engine.is_some() && facts.runtime.is_some();
    if complete || (case.attempt.is_some() && case.wish == Wish::Stop) {
        return None;
    }
    if case.wish == Wish::Stop {
        let report = says(Phase::Stopped, Reason::Stopped, "");
        return Some(Plan::wait(Row::P1, report, case.in_ten_minutes()));
    }
    Some(match (&case.o.contract, case.engine_of_now()) {
        (Err(refusal), _) => refused(case, Row::P2, Phase::Pending, refusal, 600),
        (Ok(_), None) => Plan::wait(Row::P3, Report::Unchanged, case.in_seconds(1)),
        (Ok(contract), Some(engine)) => {
            let facts = Facts {
                runtime: Some(facts.runtime.unwrap_or(contract.runtime)),
                engine: Some(engine),
                attempt: Some(case.attempt.unwrap_or(0)),
                attempt_time: Some(case.record_time()),
                ..case.facts()
            };
            let report = says(Phase::Starting, Reason::Pending, "");
            Plan::record(Row::P3, facts, report)
        }
    })
}

/// P2 and C4: session and Game make no contract.
pub(super) fn refused(
    case: &Case<'_>,
    row: Row,
    phase: Phase,
    refusal: &Refusal,
    look_in_seconds: i64,
) -> Plan {
    let able = case.o.memo.able_since.unwrap_or(case.now());
    let shown = after(able, REFUSAL_SHOWN_AFTER);
    let report = Report::Says(Says {
        phase,
        ready: refusal.reason,
        message: refusal.message.clone(),
        not_before: Some(shown),
    });
    if case.now() < shown {
        return Plan::wait(row, report, Next::At(shown));
    }
    Plan::wait(row, report, case.in_seconds(look_in_seconds))
        .with_events(case.warn_once(refusal.reason, &refusal.message))
}

/// P4: before a container or storage can exist, and where one does.
pub(super) fn finalizer(case: &Case<'_>) -> Option<Plan> {
    let needed = case.wish == Wish::Run || case.seen.container().is_some();
    let missing = case.runtime() == RuntimeKind::Docker && !case.o.session.finalizer;
    (needed && missing).then(|| Plan::object(Row::P4, Act::Finalizer(true), Next::Now))
}
