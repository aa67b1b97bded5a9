//! F: the session has finished. Nothing starts again; what is left is cleared, then the session itself.

use jiff::Timestamp;

use super::case::{Case, after, seconds, warning};
use super::{Act, Effect, Next, Plan, Report, Row};
use crate::session::reason::Reason;
use crate::session::seen::Container;

/// F1
pub(super) fn stray(c: &Container) -> Plan {
    let message = format!(
        "container {} ran after the session had finished and was killed",
        c.name
    );
    let kill = Effect::Kill(c.id.clone());
    Plan::effect(Row::F1, kill, Report::Unchanged, Next::Now)
        .with_events(vec![warning(Reason::StrayContainer, &message)])
}

/// F2
pub(super) fn remains(c: &Container) -> Plan {
    let remove = Effect::Remove(c.id.clone());
    Plan::effect(Row::F2, remove, Report::Unchanged, Next::Now)
}

/// F3
pub(super) fn going(case: &Case<'_>) -> Plan {
    Plan::wait(Row::F3, Report::Unchanged, case.in_seconds(2))
}

/// F4: the finalizer is on as long as a container or storage may exist.
pub(super) fn released(case: &Case<'_>) -> Option<Plan> {
    (case.o.session.finalizer && case.storage_left().is_empty()).then(|| {
        Plan::object(Row::F4, Act::Finalizer(false), Next::Now).with_events(case.abandoned())
    })
}

/// F5
pub(super) fn expired(case: &Case<'_>) -> Option<Plan> {
    expiry(case)
        .filter(|end| case.is_due(*end))
        .map(|_| Plan::object(Row::F5, Act::DeleteSession, Next::Never))
}

/// F5 while nothing can be said: without our finalizer nothing of the session is left.
pub(super) fn expired_in_doubt(case: &Case<'_>) -> Option<Plan> {
    if case.o.session.finalizer {
        return None;
    }
    expired(case)
}

/// F6
pub(super) fn rest(case: &Case<'_>) -> Plan {
    let next = match expiry(case) {
        Some(end) if end > case.now() => Next::At(end),
        // Due, and the clock is not trusted.
        Some(_) => case.in_seconds(30),
        None => Next::Never,
    };
    Plan::wait(Row::F6, Report::Unchanged, next)
}

/// F6 while nothing can be said.
pub(super) fn rest_in_doubt(case: &Case<'_>) -> Plan {
    Plan::wait(Row::F6, Report::Unchanged, case.in_seconds(30))
}

fn expiry(case: &Case<'_>) -> Option<Timestamp> {
    let finish = case.o.facts.finish.as_ref()?;
    Some(after(finish.time, seconds(case.o.session.ttl_seconds?)))
}
