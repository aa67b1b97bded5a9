//! S: the game is told to end, or was, and what follows from that. Any exit code is a clean stop.

use jiff::{SignedDuration, Timestamp};

use super::case::{Case, after, says, stop_message, warning};
use super::deletion::ask_then_force;
use super::ended;
use super::{Effect, Next, Phase, Plan, Report, Row, Wish};
use crate::session::facts::{Facts, Finish, RecordedExit, Stop, StopReason, whole_second};
use crate::session::reason::Reason;
use crate::session::seen::{Answer, Container, Exit};

/// A probe that failed by itself is held against the game only when this process has had time to ask twice.
const TIME_TO_ASK: SignedDuration = SignedDuration::from_secs(15);

/// What keeps a live game from being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing: it is.
    No,
    /// Nobody can ask it.
    Paused,
    /// It answered that it is not.
    NotReady,
    /// It could not be asked.
    CannotTell,
    /// Nobody asked it yet.
    NotAsked,
}

impl Held {
    pub(super) fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Ready => Held::No,
            Answer::NotReady(_) => Held::NotReady,
            Answer::CannotTell(_) => Held::CannotTell,
            Answer::NotAsked => Held::NotAsked,
        }
    }
}

/// S2–S6, of a game that lives.
pub(super) fn live(case: &Case<'_>, c: &Container, held: Held) -> Option<Plan> {
    if let Some(stop) = case.stop {
        return Some(enforce(case, c, stop));
    }
    wished(case)
        .or_else(|| active_deadline(case, c))
        .or_else(|| start_deadline(case, c, held))
}

/// S2: the wish is Stopped and nothing is on record of it.
fn wished(case: &Case<'_>) -> Option<Plan> {
    let new = case.wish == Wish::Stop && case.stop.is_none() && !case.recorded;
    new.then(|| record_stop(case, Row::S2, StopReason::Requested))
}

/// S3
fn active_deadline(case: &Case<'_>, c: &Container) -> Option<Plan> {
    let due = case.is_due(case.active_deadline(Some(c))?);
    due.then(|| record_stop(case, Row::S3, StopReason::DeadlineExceeded))
}

/// S4
fn start_deadline(case: &Case<'_>, c: &Container, held: Held) -> Option<Plan> {
    let counts = match held {
        Held::No | Held::Paused | Held::NotAsked => false,
        Held::NotReady => true,
        Held::CannotTell => case.now() >= after(case.o.limits.process_started, TIME_TO_ASK),
    };
    let due = counts && case.o.facts.ready_time().is_none() && case.is_due(case.start_deadline(c));
    due.then(|| record_stop(case, Row::S4, StopReason::StartDeadlineExceeded))
}

fn record_stop(case: &Case<'_>, row: Row, reason: StopReason) -> Plan {
    let facts = Facts {
        stop: case.attempt.map(|attempt| Stop {
            attempt,
            reason,
            time: case.record_time(),
        }),
        ..case.facts()
    };
    Plan::record(row, facts, in_progress(case, reason))
}

fn in_progress(case: &Case<'_>, reason: StopReason) -> Report {
    let message = stop_message(case, reason, case.seen.container());
    says(Phase::Stopping, Reason::Stopping, message)
}

/// S5, S6: ask, then force.
fn enforce(case: &Case<'_>, c: &Container, stop: &Stop) -> Plan {
    let report = in_progress(case, stop.reason);
    ask_then_force(case, (Row::S5, Row::S6), c, stop, report)
}

/// S2, S7, of a container that was never started.
pub(super) fn made(case: &Case<'_>, c: &Container) -> Option<Plan> {
    wished(case).or_else(|| {
        let stop = case.stop?;
        let remove = Effect::Remove(c.id.clone());
        let report = in_progress(case, stop.reason);
        Some(Plan::effect(Row::S7, remove, report, Next::Now))
    })
}

/// S1, S8, of a game that ended.
pub(super) fn exited(case: &Case<'_>, c: &Container, exit: &Exit) -> Option<Plan> {
    if let Some(stop) = case.stop {
        return Some(stopped(case, stop, Some((c, exit))));
    }
    (case.wish == Wish::Stop).then(|| {
        let facts = Facts {
            last_exit: Some(ended::cause(case, c, exit).exit),
            ..without_endpoints(case.facts())
        };
        Plan::record(Row::S1, facts, at_rest())
    })
}

/// S2, S8–S11, where no container is.
pub(super) fn gone(case: &Case<'_>) -> Option<Plan> {
    wished(case).or_else(|| {
        if let Some(stop) = case.stop.filter(|_| !case.recorded) {
            if case.has_id() {
                return Some(stopped(case, stop, None));
            }
            if let Some(reason) = stop.reason.finish() {
                return Some(finish_without_exit(case, stop.reason, reason));
            }
        }
        if case.wish == Wish::Stop {
            return Some(Plan::wait(Row::S10, at_rest(), case.in_ten_minutes()));
        }
        (case.stop.is_some() || case.recorded).then(|| resume(case))
    })
}

/// S8
fn stopped(case: &Case<'_>, stop: &Stop, end: Option<(&Container, &Exit)>) -> Plan {
    let c = end.map(|(c, _)| c);
    let exit = end.map(|(_, exit)| exit);
    let last_exit = RecordedExit {
        attempt: stop.attempt,
        reason: stop.reason.as_str().to_owned(),
        exit_code: exit.and_then(|e| e.code),
        signal: exit.and_then(Exit::signal),
        oom_killed: exit.is_some_and(|e| e.oom_killed),
        start_time: case.start_time_of(c),
        finish_time: Some(finish_time(case, exit)),
    };
    let mut facts = Facts {
        last_exit: Some(last_exit),
        ..without_endpoints(case.facts())
    };
    let (report, events) = match stop.reason.finish() {
        None => (at_rest(), Vec::new()),
        Some(reason) => {
            facts.finish = Some(Finish {
                time: case.record_time(),
                reason,
            });
            let mut message = stop_message(case, stop.reason, c);
            let phase = ended::phase(reason);
            let event = warning(reason, &message);
            if let Some(exit) = exit.filter(|_| phase == Phase::Failed) {
                message = ended::with_last_lines(message, &exit.last_lines);
            }
            (says(phase, reason, message), vec![event])
        }
    };
    Plan::record(Row::S8, facts, report).with_events(events)
}

/// S9
fn finish_without_exit(case: &Case<'_>, stop: StopReason, reason: Reason) -> Plan {
    ended::finish(case, Row::S9, None, reason, stop_message(case, stop, None))
}

/// S11: a new run, which waits for no back-off and has its whole budget.
fn resume(case: &Case<'_>) -> Plan {
    let Some(engine) = case.engine_of_now() else {
        return Plan::wait(Row::S11, Report::Unchanged, case.in_seconds(1));
    };
    let facts = Facts {
        engine: Some(engine),
        attempt: case.attempt.map(|n| n.saturating_add(1)),
        attempt_time: Some(case.record_time()),
        restarts: 0,
        interruptions: 0,
        container: None,
        stop: None,
        start_time: None,
        ..case.facts()
    };
    let report = says(Phase::Starting, Reason::Creating, "");
    Plan::record(Row::S11, facts, report).with_events(case.abandoned())
}

/// When a process ended, as a record keeps it.
pub(super) fn finish_time(case: &Case<'_>, exit: Option<&Exit>) -> Timestamp {
    whole_second(exit.and_then(|e| e.finished).unwrap_or(case.now()))
}

/// The container's end is on record: nobody can play there any more.
pub(super) fn without_endpoints(mut facts: Facts) -> Facts {
    if let Some(container) = &mut facts.container {
        container.endpoints.clear();
    }
    facts
}

fn at_rest() -> Report {
    says(Phase::Stopped, Reason::Stopped, "")
}
