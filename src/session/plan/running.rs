//! R: the game runs, and nothing speaks against it.

use jiff::{SignedDuration, Timestamp};

use super::case::{Case, after, says};
use super::{Next, Phase, Plan, Report, Row, Says};
use crate::api::RuntimeKind;
use crate::session::facts::{Facts, RecordedContainer, whole_second};
use crate::session::reason::Reason;
use crate::session::seen::{Answer, Container};

/// A game that is ready sooner is not reported as waiting.
const WAITING_SHOWN_AFTER: SignedDuration = SignedDuration::from_secs(1);
/// A kubelet tells the start of a container in whole seconds, rounded down, and asks a game once a second.
const KUBELET_SLACK: SignedDuration = SignedDuration::from_secs(3);
/// A first answer that takes longer is not waited for with the report, which is better with its words.
const UNASKED_SHOWN_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// What a game answers while it is not ready is shown anew after these many seconds.
const SHOWN_ANEW_AFTER: [i64; 4] = [30, 120, 600, 3600];

/// R1
pub(super) fn paused(case: &Case<'_>, c: &Container) -> Plan {
    let message = format!(
        "container {} was paused outside of this controller: unpause it to play on",
        c.name
    );
    let report = says(Phase::Running, Reason::PausedOutside, message);
    Plan::wait(Row::R1, report, next_deadline(case, c))
}

/// R2–R4
pub(super) fn answered(case: &Case<'_>, c: &Container, answer: &Answer) -> Plan {
    if case.o.facts.ready_time().is_some() {
        return moved(case, c)
            .unwrap_or_else(|| Plan::wait(Row::R4, ready(), next_deadline(case, c)));
    }
    match answer {
        Answer::Ready => record_ready(case, c),
        Answer::NotReady(words) => {
            let message = not_ready(case, c, words);
            not_yet(
                case,
                c,
                WAITING_SHOWN_AFTER,
                Reason::WaitingForReady,
                message,
            )
        }
        Answer::NotAsked => {
            let message = case
                .standing_message(Reason::WaitingForReady)
                .unwrap_or_else(|| "not ready yet: it has not answered its probe".to_owned());
            let reason = Reason::WaitingForReady;
            not_yet(case, c, UNASKED_SHOWN_AFTER, reason, message)
        }
        Answer::CannotTell(words) => {
            let message = case
                .standing_message(Reason::ProbeFailed)
                .unwrap_or_else(|| format!("the readiness probe could not be made: {words}"));
            not_yet(case, c, WAITING_SHOWN_AFTER, Reason::ProbeFailed, message)
        }
    }
}

/// R4 where the address of the Pod's node changed: told anew, and the game is left alone. An engine's ports are as they
/// were made.
fn moved(case: &Case<'_>, c: &Container) -> Option<Plan> {
    let known = case.o.facts.container.as_ref()?;
    let on_node = case.runtime() == RuntimeKind::Pod;
    let differ = !c.endpoints.is_empty() && c.endpoints != known.endpoints;
    (on_node && differ).then(|| {
        let facts = Facts {
            container: Some(RecordedContainer {
                endpoints: c.endpoints.clone(),
                ..known.clone()
            }),
            ..case.facts()
        };
        Plan::record(Row::R4, facts, ready())
    })
}

/// R2
fn not_yet(
    case: &Case<'_>,
    c: &Container,
    shown_after: SignedDuration,
    reason: Reason,
    message: String,
) -> Plan {
    let slack = match case.runtime() {
        RuntimeKind::Docker => SignedDuration::ZERO,
        RuntimeKind::Pod => KUBELET_SLACK,
    };
    let shown = after(started(c), shown_after + slack);
    let report = Report::Says(Says {
        phase: Phase::Starting,
        ready: reason,
        message,
        not_before: Some(shown),
    });
    let looks = [shown].into_iter().filter(|t| *t > case.now());
    let deadlines = deadlines(case, c).chain([case.start_deadline(c)]);
    Plan::wait(Row::R2, report, case.soonest(looks.chain(deadlines)))
}

/// The same words for as long as the same span lasts: an answer may differ at every probe, and each
/// difference would be a write.
fn not_ready(case: &Case<'_>, c: &Container, words: &str) -> String {
    let running = case.now().duration_since(started(c)).as_secs();
    let span = SHOWN_ANEW_AFTER.into_iter().rfind(|span| running >= *span);
    let head = match span {
        Some(span) => format!("not ready after {span} s: "),
        None => "not ready yet: ".to_owned(),
    };
    case.standing_message(Reason::WaitingForReady)
        .filter(|standing| standing.starts_with(&head))
        .unwrap_or_else(|| format!("{head}{words}"))
}

/// R3
fn record_ready(case: &Case<'_>, c: &Container) -> Plan {
    let now = case.record_time();
    let facts = Facts {
        container: Some(RecordedContainer {
            name: c.name.clone(),
            id: c.id.0.clone(),
            image: c.image.clone(),
            image_id: c.image_id.clone(),
            node_name: c.node_name.clone(),
            start_time: c.started.map(whole_second),
            ready_time: Some(now),
            endpoints: c.endpoints.clone(),
        }),
        start_time: case.o.facts.start_time.or(Some(now)),
        game: case
            .terms(Some(c))
            .map(|t| (t.game_uid.clone(), t.game_generation)),
        ..case.facts()
    };
    let next = case.soonest(
        case.active_deadline_seconds(Some(c))
            .and_then(|limit| Some(after(facts.start_time?, super::case::seconds(limit)))),
    );
    Plan {
        next,
        ..Plan::record(Row::R3, facts, ready())
    }
}

fn ready() -> Report {
    says(Phase::Running, Reason::Ready, "")
}

fn started(c: &Container) -> Timestamp {
    c.started.unwrap_or(c.created)
}

fn next_deadline(case: &Case<'_>, c: &Container) -> Next {
    case.soonest(deadlines(case, c))
}

fn deadlines(case: &Case<'_>, c: &Container) -> impl Iterator<Item = Timestamp> {
    case.active_deadline(Some(c)).into_iter()
}
