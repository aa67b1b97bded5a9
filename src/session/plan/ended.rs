//! E: the game ended by itself, or from outside, without anybody having told it to.

use jiff::{SignedDuration, Timestamp};

use super::case::{Case, says, warning};
use super::stopping::{finish_time, without_endpoints};
use super::{Phase, Plan, Report, Row};
use crate::api::{RestartPolicy, RuntimeKind};
use crate::session::facts::{Facts, Finish, RecordedExit, whole_second};
use crate::session::reason::Reason;
use crate::session::seen::{Container, End, Exit, Made};

/// So many interruptions in a row count as a failure: a host that keeps killing the game
/// must not loop for ever.
const INTERRUPTIONS_THAT_FAIL: i32 = 5;
/// A run that was Ready for so long breaks the row.
const STEADY: SignedDuration = SignedDuration::from_mins(10);
/// Most bytes of the log in a message.
const LOG_BYTES: usize = 1024;

/// How an attempt ended, as it goes on record.
pub(super) struct Cause {
    pub exit: RecordedExit,
    /// The reason to finish with.
    pub reason: Reason,
    /// Names what was seen and what to do, in one line.
    pub message: String,
    /// The last lines of the log, where they help.
    pub last_lines: String,
}

/// The phase that a finished session shows.
pub(in crate::session) fn phase(reason: Reason) -> Phase {
    if reason == Reason::Completed {
        Phase::Succeeded
    } else if reason == Reason::DeadlineExceeded {
        Phase::TimedOut
    } else {
        Phase::Failed
    }
}

/// E1–E4 of a container that exited.
pub(super) fn by_itself(case: &Case<'_>, c: &Container, exit: &Exit) -> Plan {
    let cause = cause(case, c, exit);
    match exit.end() {
        End::Interrupted if !too_often(case, c, exit) => interrupted(case, cause, ran(c, exit)),
        End::Clean if was_ready(case, c, exit) => completed(case, cause),
        End::Interrupted | End::Clean | End::Failed => failed(case, cause),
    }
}

/// E3, E4 of a container whose start failed.
pub(super) fn never_started(case: &Case<'_>, made: &Made) -> Option<Plan> {
    match made {
        Made::Fresh | Made::PortClash(..) | Made::Awaited(..) => None,
        Made::Failed(words) => {
            let message = format!("the container could not be started: {words}");
            Some(failed(
                case,
                without_exit(case, Reason::StartFailed, message),
            ))
        }
    }
}

/// E1 by decree, and of a Pod: it stays, however its game ends, until somebody takes it away. E3 and E4 of any other
/// container that is gone.
pub(super) fn lost(case: &Case<'_>) -> Option<Plan> {
    if case.decreed {
        return Some(interrupted(case, lost_with_engine(case), None));
    }
    case.has_id().then(|| {
        if case.runtime() == RuntimeKind::Pod && interruptions(case, None) < INTERRUPTIONS_THAT_FAIL
        {
            let message = "its Pod was taken away, and how its game ended was not seen".to_owned();
            return interrupted(case, without_exit(case, Reason::Interrupted, message), None);
        }
        let message = "the container was removed by somebody else".to_owned();
        failed(case, without_exit(case, Reason::ContainerLost, message))
    })
}

/// How this exit goes on record, whoever wished what.
pub(super) fn cause(case: &Case<'_>, c: &Container, exit: &Exit) -> Cause {
    let (word, message) = match exit.end() {
        End::Interrupted if too_often(case, c, exit) => (
            Reason::Error,
            format!(
                "the game was interrupted from outside {INTERRUPTIONS_THAT_FAIL} times in a row ({}): \
                 look at the host",
                outside(exit)
            ),
        ),
        End::Interrupted => (
            Reason::Interrupted,
            format!("interrupted from outside ({})", outside(exit)),
        ),
        End::Clean if was_ready(case, c, exit) => (Reason::Completed, String::new()),
        End::Clean | End::Failed => failure(case, c, exit),
    };
    Cause {
        exit: RecordedExit {
            attempt: c.attempt,
            reason: word.as_str().to_owned(),
            exit_code: exit.code,
            signal: exit.signal(),
            oom_killed: exit.oom_killed,
            start_time: case.start_time_of(Some(c)),
            finish_time: Some(finish_time(case, Some(exit))),
        },
        reason: word,
        message,
        last_lines: exit.last_lines.clone(),
    }
}

fn failure(case: &Case<'_>, c: &Container, exit: &Exit) -> (Reason, String) {
    let code = code(exit);
    if exit.oom_killed {
        let message = format!("the game used more memory than its limit and was killed ({code})");
        (Reason::OomKilled, message)
    } else if was_ready(case, c, exit) {
        (Reason::Error, format!("the game failed ({code})"))
    } else {
        let message = format!("the game ended before it was ready ({code})");
        (Reason::ExitedBeforeReady, message)
    }
}

fn was_ready(case: &Case<'_>, c: &Container, exit: &Exit) -> bool {
    let asked_for_nothing = case.terms(Some(c)).is_some_and(|t| t.readiness.is_none());
    let known = case.o.facts.ready_time().is_some() || case.o.memo.ready_since.is_some();
    known || exit.ready_in_log || asked_for_nothing
}

/// The row of interruptions with this one in it.
fn interruptions(case: &Case<'_>, ran: Option<SignedDuration>) -> i32 {
    let ready_for = case
        .o
        .facts
        .ready_time()
        .map(|t| case.now().duration_since(t));
    // Each span by one clock, ours or the engine's: the two may be an hour apart. Ours counts on while nobody looks, the
    // engine's begins before Ready.
    let steady = ready_for.is_some_and(|ours| ran.unwrap_or(ours).min(ours) >= STEADY);
    if steady {
        1
    } else {
        case.o.facts.interruptions.saturating_add(1)
    }
}

/// How long this run lasted by the engine's clock; None where it does not say, or was set back meanwhile.
fn ran(c: &Container, exit: &Exit) -> Option<SignedDuration> {
    let ran = exit.finished?.duration_since(c.started?);
    (!ran.is_negative()).then_some(ran)
}

fn too_often(case: &Case<'_>, c: &Container, exit: &Exit) -> bool {
    interruptions(case, ran(c, exit)) >= INTERRUPTIONS_THAT_FAIL
}

fn lost_with_engine(case: &Case<'_>) -> Cause {
    let message = "the engine that held the game was declared lost".to_owned();
    without_exit(case, Reason::Interrupted, message)
}

fn without_exit(case: &Case<'_>, reason: Reason, message: String) -> Cause {
    Cause {
        exit: RecordedExit {
            attempt: case.attempt.unwrap_or(0),
            reason: reason.as_str().to_owned(),
            exit_code: None,
            signal: None,
            oom_killed: false,
            start_time: case.start_time_of(None),
            finish_time: Some(case.record_time()),
        },
        reason,
        message,
        last_lines: String::new(),
    }
}

/// E1
fn interrupted(case: &Case<'_>, cause: Cause, ran: Option<SignedDuration>) -> Plan {
    let Some(engine) = case.engine_of_now() else {
        return Plan::wait(Row::E1, Report::Unchanged, case.in_seconds(1));
    };
    let facts = Facts {
        interruptions: interruptions(case, ran),
        engine: Some(engine),
        ..next_attempt(case, cause.exit)
    };
    let message = format!("{}; the game comes back by itself", cause.message);
    let report = says(Phase::Starting, Reason::Interrupted, message.clone());
    let mut events = case.abandoned();
    if events.is_empty() {
        events.push(warning(Reason::Interrupted, &message));
    }
    Plan::record(Row::E1, facts, report).with_events(events)
}

fn next_attempt(case: &Case<'_>, exit: RecordedExit) -> Facts {
    Facts {
        last_exit: Some(exit),
        attempt: case.attempt.map(|n| n.saturating_add(1)),
        attempt_time: Some(case.record_time()),
        container: None,
        start_time: begun(case),
        ..case.facts()
    }
}

/// When the first game of this run was ready: on record, or seen when that could not be recorded.
fn begun(case: &Case<'_>) -> Option<Timestamp> {
    let seen = case.o.memo.ready_since.map(whole_second);
    case.o.facts.start_time.or(seen)
}

/// E2
fn completed(case: &Case<'_>, cause: Cause) -> Plan {
    finish(
        case,
        Row::E2,
        Some(cause.exit),
        Reason::Completed,
        String::new(),
    )
}

/// E3 while the budget lasts, then E4.
fn failed(case: &Case<'_>, cause: Cause) -> Plan {
    let restarts = case.o.facts.restarts;
    let limit = case.o.session.backoff_limit;
    let Cause {
        exit,
        reason,
        message,
        last_lines,
    } = cause;
    match case.o.session.restart_policy {
        RestartPolicy::OnFailure if restarts < limit => {
            let message = format!("{message}; restart {} of {limit} follows", restarts + 1);
            let event = warning(reason, &message);
            let facts = Facts {
                restarts: restarts + 1,
                ..next_attempt(case, exit)
            };
            let message = with_last_lines(message, &last_lines);
            let report = says(Phase::Starting, Reason::BackOff, message);
            Plan::record(Row::E3, facts, report).with_events(vec![event])
        }
        RestartPolicy::OnFailure => {
            let message = format!("{message}; all {limit} restarts are used up");
            let message = with_last_lines(message, &last_lines);
            finish(case, Row::E4, Some(exit), reason, message)
        }
        RestartPolicy::Never => {
            let message = with_last_lines(message, &last_lines);
            finish(case, Row::E4, Some(exit), reason, message)
        }
    }
}

/// The end of the session goes on record.
pub(super) fn finish(
    case: &Case<'_>,
    row: Row,
    exit: Option<RecordedExit>,
    reason: Reason,
    message: String,
) -> Plan {
    let facts = case.facts();
    let facts = Facts {
        last_exit: exit.or(facts.last_exit.clone()),
        finish: Some(Finish {
            time: case.record_time(),
            reason,
        }),
        start_time: begun(case),
        ..without_endpoints(facts)
    };
    let events = if reason == Reason::Completed {
        Vec::new()
    } else {
        vec![warning(reason, headline(&message))]
    };
    Plan::record(row, facts, says(phase(reason), reason, message)).with_events(events)
}

fn code(exit: &Exit) -> String {
    match (exit.code, exit.signal()) {
        (Some(code), Some(signal)) => format!("exit code {code}, signal {signal}"),
        (Some(code), None) => format!("exit code {code}"),
        (None, _) => "exit code unknown".to_owned(),
    }
}

fn outside(exit: &Exit) -> String {
    match &exit.interrupted {
        Some(cause) => cause.clone(),
        None => code(exit),
    }
}

/// Stands between what was seen and what the game said.
const LAST_WORDS: &str = "; its last words:\n";

/// Adds what the game said last, for the person who has to mend it.
pub(super) fn with_last_lines(message: String, lines: &str) -> String {
    let lines = lines.trim_end();
    if lines.is_empty() {
        return message;
    }
    let mut start = lines.len().saturating_sub(LOG_BYTES);
    while !lines.is_char_boundary(start) {
        start += 1;
    }
    format!("{message}{LAST_WORDS}{}", &lines[start..])
}

/// The message without the log.
pub(in crate::session) fn headline(message: &str) -> &str {
    message.split(LAST_WORDS).next().unwrap_or_default()
}
