//! C: from the wish to a container that was started, one write after the other.

use jiff::{SignedDuration, Timestamp};

use super::before::refused;
use super::case::{Case, after, says, seconds, stop_message};
use super::ended;
use super::{Effect, Next, Phase, Plan, Report, Row, Says};
use crate::api::{ImagePullPolicy, RuntimeKind};
use crate::session::container;
use crate::session::contract::Contract;
use crate::session::facts::{Engine, StopReason};
use crate::session::observation::Image;
use crate::session::reason::Reason;
use crate::session::seen::{Container, Made, Seen};

/// Back-off after a failure of the game: doubles with each restart.
const FIRST_BACK_OFF_SECONDS: i64 = 10;
const LONGEST_BACK_OFF_SECONDS: i64 = 300;
/// Wait after an interruption: the host has just come back.
const AFTER_INTERRUPTION: SignedDuration = SignedDuration::from_secs(10);

/// A Pod that runs sooner is not reported as being created.
const CREATING_SHOWN_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// How often a Pod that does not run yet is looked at, should its watch lose a word.
const LOOK_AT_PENDING: SignedDuration = SignedDuration::from_secs(60);

/// C1, C2: it took too long.
pub(super) fn overdue(case: &Case<'_>) -> Option<Plan> {
    let c = case.seen.container();
    if case.active_deadline(c).is_some_and(|end| case.is_due(end)) {
        let message = stop_message(case, StopReason::DeadlineExceeded, c);
        return Some(ended::finish(
            case,
            Row::C1,
            None,
            Reason::DeadlineExceeded,
            message,
        ));
    }
    let limit = case.o.limits.provision_deadline_seconds;
    let wait = back_off(case).map_or(SignedDuration::ZERO, |wait| wait.length);
    let asked = after(case.o.facts.attempt_time?, wait);
    // Time in which nobody could have got it a container is not held against it.
    let able = case.o.memo.able_since.unwrap_or(case.now());
    let end = after(asked.max(able), seconds(limit));
    case.is_due(end).then(|| {
        let (reason, what) = waits_for(case);
        let message = format!("no container within {limit} s: {what}");
        ended::finish(case, Row::C2, None, reason, message)
    })
}

/// What a container is still waited for, as a reason to finish with.
fn waits_for(case: &Case<'_>) -> (Reason, String) {
    let started = "the engine did not get it started".to_owned();
    match case.seen {
        Seen::Foreign(holder) => (Reason::NameConflict, name_conflict(case, holder)),
        Seen::Created(_, Made::PortClash(_, words)) => (Reason::PortsExhausted, words.clone()),
        Seen::Created(_, Made::Failed(words)) => (Reason::StartFailed, words.clone()),
        Seen::Created(_, Made::Awaited(Reason::Creating, words)) if words.is_empty() => (
            Reason::StartFailed,
            "the cluster did not get it started".to_owned(),
        ),
        Seen::Created(_, Made::Awaited(reason, words)) => (*reason, words.clone()),
        Seen::Created(_, Made::Fresh)
        | Seen::Unknown(_)
        | Seen::Running(..)
        | Seen::Paused(_)
        | Seen::Going
        | Seen::Exited(..) => (Reason::StartFailed, started),
        Seen::Absent => match (&case.o.contract, &case.o.image, &case.o.ports) {
            (Err(refusal), _, _) => (refusal.reason, refusal.message.clone()),
            (Ok(contract), Image::Failed { message, .. }, _) => {
                (Reason::ImagePullFailed, pull_failed(contract, message))
            }
            (Ok(contract), Image::Missing | Image::Pulling(_), _) => (
                Reason::ImagePullFailed,
                format!("image {} is not there yet", contract.image),
            ),
            (Ok(_), Image::Present | Image::Unchecked, Err(none)) => {
                (Reason::PortsExhausted, none.message.clone())
            }
            (Ok(_), Image::Present | Image::Unchecked, Ok(_)) => match &case.o.memo.quota {
                Some(words) => (Reason::QuotaExceeded, words.clone()),
                None => (Reason::StartFailed, started),
            },
        },
    }
}

/// C3
pub(super) fn name_taken(case: &Case<'_>, holder: &str) -> Plan {
    let message = name_conflict(case, holder);
    let events = case.warn_once(Reason::NameConflict, &message);
    let report = says(Phase::Starting, Reason::NameConflict, message);
    Plan::wait(Row::C3, report, case.in_seconds(300)).with_events(events)
}

fn name_conflict(case: &Case<'_>, holder: &str) -> String {
    format!(
        "the name {} is taken by something that is not ours ({holder}): remove or rename it",
        case.o.session.container_name
    )
}

/// C4–C13, the first that is still to be done.
pub(super) fn next_step(case: &Case<'_>) -> Plan {
    let contract = match &case.o.contract {
        Ok(contract) => contract,
        Err(refusal) => return refused(case, Row::C4, Phase::Starting, refusal, 300),
    };
    // A record without an engine was completed by P3 before this row is met.
    let (Some(engine), Some(attempt)) = (&case.o.facts.engine, case.attempt) else {
        return Plan::wait(Row::P3, Report::Unchanged, case.in_seconds(1));
    };
    waiting(case)
        .or_else(|| on_docker(case, || image(case, contract)))
        .or_else(|| no_port(case))
        .or_else(|| rejected(case))
        .or_else(|| storage(case, contract, engine))
        .unwrap_or_else(|| create(case, contract, engine, attempt))
}

/// On a cluster the kubelet pulls.
fn on_docker(case: &Case<'_>, rows: impl FnOnce() -> Option<Plan>) -> Option<Plan> {
    match case.runtime() {
        RuntimeKind::Docker => rows(),
        RuntimeKind::Pod => None,
    }
}

/// How long the next attempt waits, from when, and why.
struct BackOff {
    reason: Reason,
    length: SignedDuration,
    from: Timestamp,
}

/// The wait before attempt n; None where the attempt before it was no failure and no interruption, or
/// a person resumed the session (that sets both counts back).
fn back_off(case: &Case<'_>) -> Option<BackOff> {
    let facts = &case.o.facts;
    let last = facts
        .last_exit
        .as_ref()
        .filter(|last| Some(last.attempt.saturating_add(1)) == case.attempt)?;
    let interrupted = last.reason == Reason::Interrupted.as_str();
    let (reason, length) = if interrupted && facts.interruptions > 0 {
        (Reason::Interrupted, AFTER_INTERRUPTION)
    } else if !interrupted && facts.restarts > 0 {
        let doublings = u32::try_from(facts.restarts - 1).unwrap_or(0).min(16);
        let length = FIRST_BACK_OFF_SECONDS.saturating_mul(1 << doublings);
        let length = SignedDuration::from_secs(length.min(LONGEST_BACK_OFF_SECONDS));
        (Reason::BackOff, length)
    } else {
        return None;
    };
    // By our own clock: the end was read off the engine's, which may be an hour behind or ahead of it.
    let from = facts.attempt_time.unwrap_or(case.now());
    Some(BackOff {
        reason,
        length,
        from,
    })
}

/// C5
fn waiting(case: &Case<'_>) -> Option<Plan> {
    let wait = back_off(case)?;
    let end = after(wait.from, wait.length);
    if case.now() >= end {
        return None;
    }
    // What E1 or E3 said stands, the last lines of the log with it.
    let message = case.standing_message(wait.reason).unwrap_or_else(|| {
        format!(
            "the last run ended ({}); the next starts at {end}",
            case.o
                .facts
                .last_exit
                .as_ref()
                .map_or("", |last| last.reason.as_str())
        )
    });
    let report = says(Phase::Starting, wait.reason, message);
    Some(Plan::wait(Row::C5, report, case.soonest([end])))
}

/// C6–C9
fn image(case: &Case<'_>, contract: &Contract) -> Option<Plan> {
    let name = &contract.image;
    let never = contract.image_pull_policy == ImagePullPolicy::Never;
    match &case.o.image {
        Image::Missing if never => {
            let message = format!(
                "image {name} is not on the engine and imagePullPolicy is Never: load it there, or \
                 change the Game"
            );
            Some(no_image(case, Row::C6, message, case.in_seconds(300)))
        }
        Image::Pulling(progress) => {
            let message = match progress.as_str() {
                "" => format!("pulling {name}"),
                progress => format!("pulling {name}: {progress}"),
            };
            let report = says(Phase::Starting, Reason::PullingImage, message);
            Some(Plan::wait(Row::C7, report, case.in_seconds(30)))
        }
        Image::Failed { times, at, message } => {
            let wait = 5_i64.saturating_mul(1 << (*times).min(16)).min(300);
            let end = after(*at, SignedDuration::from_secs(wait));
            if case.now() >= end {
                return Some(pull(case, contract));
            }
            let message = pull_failed(contract, message);
            Some(no_image(case, Row::C8, message, case.soonest([end])))
        }
        Image::Missing => Some(pull(case, contract)),
        Image::Present | Image::Unchecked => {
            let always = contract.image_pull_policy == ImagePullPolicy::Always;
            let stale = always && case.o.memo.pulled != case.attempt;
            stale.then(|| pull(case, contract))
        }
    }
}

fn no_image(case: &Case<'_>, row: Row, message: String, next: Next) -> Plan {
    let events = case.warn_once(Reason::ImagePullFailed, &message);
    let report = says(Phase::Starting, Reason::ImagePullFailed, message);
    Plan::wait(row, report, next).with_events(events)
}

fn pull_failed(contract: &Contract, words: &str) -> String {
    format!("image {} could not be pulled: {words}", contract.image)
}

/// C9
fn pull(case: &Case<'_>, contract: &Contract) -> Plan {
    let effect = Effect::Pull {
        image: contract.image.clone(),
        policy: contract.image_pull_policy,
    };
    let message = format!("pulling {}", contract.image);
    let report = says(Phase::Starting, Reason::PullingImage, message);
    Plan::effect(Row::C9, effect, report, case.in_seconds(30))
}

/// C10
fn no_port(case: &Case<'_>) -> Option<Plan> {
    let none = case.o.ports.as_ref().err()?;
    let events = case.warn_once(Reason::PortsExhausted, &none.message);
    let report = says(
        Phase::Starting,
        Reason::PortsExhausted,
        none.message.clone(),
    );
    Some(Plan::wait(Row::C10, report, case.in_seconds(10)).with_events(events))
}

/// C11
fn rejected(case: &Case<'_>) -> Option<Plan> {
    let (attempt, words) = case.o.memo.refused.as_ref()?;
    (Some(*attempt) == case.attempt).then(|| {
        let (reason, message) = match case.runtime() {
            RuntimeKind::Docker => (
                Reason::StartFailed,
                format!("the engine refused the container: {words}"),
            ),
            RuntimeKind::Pod => (
                Reason::PodRejected,
                format!("the cluster refused the Pod: {words}"),
            ),
        };
        ended::finish(case, Row::C11, None, reason, message)
    })
}

/// C12
fn storage(case: &Case<'_>, contract: &Contract, engine: &Engine) -> Option<Plan> {
    let missing = &case.o.storage.missing;
    let volumes: Vec<_> = container::volumes(case.o, contract, engine)
        .into_iter()
        .filter(|volume| missing.contains(&volume.name))
        .collect();
    if volumes.is_empty() {
        return None;
    }
    let effect = Effect::CreateStorage(volumes);
    Some(Plan::effect(Row::C12, effect, creating(), Next::Now))
}

/// C13
fn create(case: &Case<'_>, contract: &Contract, engine: &Engine, attempt: i32) -> Plan {
    let ports = case.o.ports.clone().unwrap_or_default();
    let spec = container::spec(case.o, contract, &ports, engine, attempt);
    let effect = Effect::Create(Box::new(spec));
    let report = match &case.o.memo.quota {
        Some(words) => says(Phase::Starting, Reason::QuotaExceeded, words.clone()),
        None => creating(),
    };
    Plan::effect(Row::C13, effect, report, Next::Now)
}

/// C14, C15
pub(super) fn start(case: &Case<'_>, c: &Container, made: &Made) -> Plan {
    let (row, effect) = match made {
        Made::Awaited(reason, words) => return awaited(case, c, *reason, words),
        Made::PortClash(..) => (Row::C14, Effect::Remove(c.id.clone())),
        // A failed start was answered by E3 and E4.
        Made::Fresh | Made::Failed(_) => (Row::C15, Effect::Start(c.id.clone())),
    };
    Plan::effect(row, effect, creating(), Next::Now)
}

/// C15 on a cluster: scheduler and kubelet start it, and their words are shown.
fn awaited(case: &Case<'_>, c: &Container, reason: Reason, words: &str) -> Plan {
    let wrong = reason != Reason::Creating;
    // The kubelet says the same in turns of two: what stands is good enough.
    let standing = case
        .standing_message(reason)
        .filter(|_| reason == Reason::ImagePullFailed);
    let message = standing.unwrap_or_else(|| words.to_owned());
    let events = if wrong {
        case.warn_once(reason, &message)
    } else {
        Vec::new()
    };
    let report = Report::Says(Says {
        phase: Phase::Starting,
        ready: reason,
        message,
        not_before: (!wrong).then(|| after(c.created, CREATING_SHOWN_AFTER)),
    });
    let shown = after(c.created, CREATING_SHOWN_AFTER);
    let looks = [shown].into_iter().filter(|at| *at > case.now());
    let next = case.soonest(looks.chain([after(case.now(), LOOK_AT_PENDING)]));
    Plan::wait(Row::C15, report, next).with_events(events)
}

/// C16
pub(super) fn going(case: &Case<'_>) -> Plan {
    let report = match case.stop {
        // Its end is on record, and said: what is left of it goes by itself.
        Some(_) | None if case.recorded => Report::Unchanged,
        None if case.o.facts.container.is_none() && back_off(case).is_some() => Report::Unchanged,
        Some(stop) => says(
            Phase::Stopping,
            Reason::Stopping,
            stop_message(case, stop.reason, None),
        ),
        None => says(
            Phase::Starting,
            Reason::Disrupted,
            "the container is being removed",
        ),
    };
    Plan::wait(Row::C16, report, case.in_seconds(2))
}

fn creating() -> Report {
    says(Phase::Starting, Reason::Creating, "")
}
