//! The six conditions: each in the words that the API allows it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{Condition, ConditionStatus, RuntimeKind};
use crate::session::contract::Contract;
use crate::session::facts::Facts;
use crate::session::observation::{Image, Observation};
use crate::session::plan::{Phase, Says, finish_phase, headline};
use crate::session::reason::Reason;
use crate::session::seen::{Made, Seen};

/// One condition before it is compared with what stands.
struct Said {
    status: ConditionStatus,
    reason: Reason,
    message: String,
}

fn said(status: ConditionStatus, reason: Reason, message: impl Into<String>) -> Said {
    Said {
        status,
        reason,
        message: message.into(),
    }
}

/// All six, in one order, and behind them those that somebody else wrote.
pub(super) fn conditions(o: &Observation, facts: &Facts, says: &Says) -> Vec<Condition> {
    let accepted = accepted(o);
    let stalled = stalled(facts, says, &accepted);
    let ours = [
        ("Accepted", accepted),
        ("ImageReady", image_ready(o, says)),
        ("Started", started(o, facts, says)),
        ("Ready", ready(facts, says)),
        ("Finished", finished(facts, says)),
        ("Stalled", stalled),
    ];
    let foreign = o
        .status
        .conditions
        .iter()
        .flatten()
        .filter(|c| ours.iter().all(|(kind, _)| c.type_ != *kind))
        .cloned();
    let written: Vec<_> = ours
        .iter()
        .map(|(kind, said)| stamp(o, kind, said))
        .collect();
    written.into_iter().chain(foreign).collect()
}

/// lastTransitionTime moves with the status alone.
fn stamp(o: &Observation, kind: &str, said: &Said) -> Condition {
    let standing = o.status.condition(kind).filter(|c| c.status == said.status);
    Condition {
        type_: kind.to_owned(),
        status: said.status,
        reason: said.reason.as_str().to_owned(),
        message: said.message.clone(),
        last_transition_time: standing.map_or_else(
            || Time(Timestamp::from_second(o.now.as_second()).unwrap_or(o.now)),
            |c| c.last_transition_time.clone(),
        ),
        observed_generation: Some(o.session.generation),
    }
}

fn accepted(o: &Observation) -> Said {
    match &o.contract {
        Err(refusal) => said(ConditionStatus::False, refusal.reason, &refusal.message),
        Ok(contract) => match too_long(o, contract) {
            Some(message) => said(ConditionStatus::False, Reason::DeadlineTooLong, message),
            None => said(ConditionStatus::True, Reason::Accepted, survives(contract)),
        },
    }
}

/// A deadline that was edited above the maximum which the container was made under.
fn too_long(o: &Observation, contract: &Contract) -> Option<String> {
    let terms = o
        .seen
        .container()
        .and_then(|c| c.terms.as_ref())
        .unwrap_or(&contract.terms);
    let most = terms.max_active_deadline_seconds?;
    let wished = o.session.active_deadline_seconds?;
    (wished > most).then(|| {
        format!(
            "spec.activeDeadlineSeconds is {wished}, and the Game allows at most {most}, which applies: \
             set it to {most} or less"
        )
    })
}

fn survives(contract: &Contract) -> &'static str {
    if contract.storage.is_empty() {
        "the Game has no storage: nothing in the game's files survives a stop, a crash or a restart"
    } else {
        ""
    }
}

fn image_ready(o: &Observation, says: &Says) -> Said {
    if says.ready == Reason::PullingImage || says.ready == Reason::ImagePullFailed {
        return said(ConditionStatus::False, says.ready, headline(&says.message));
    }
    let present = said(ConditionStatus::True, Reason::ImagePresent, "");
    match &o.seen {
        // The kubelet pulls, and does not say yet.
        Seen::Created(_, Made::Awaited(..)) => return standing_image(o),
        seen if seen.container().is_some() => return present,
        Seen::Unknown(_)
        | Seen::Foreign(_)
        | Seen::Absent
        | Seen::Created(..)
        | Seen::Running(..)
        | Seen::Paused(_)
        | Seen::Going
        | Seen::Exited(..) => {}
    }
    match &o.image {
        // Which node it will be, and what that one has, nobody knows yet.
        Image::Present if o.facts.runtime == Some(RuntimeKind::Pod) => standing_image(o),
        Image::Present => present,
        Image::Failed { message, .. } => {
            said(ConditionStatus::False, Reason::ImagePullFailed, message)
        }
        Image::Pulling(_) => said(ConditionStatus::False, Reason::PullingImage, ""),
        Image::Unchecked | Image::Missing => standing_image(o),
    }
}

/// What was said of the image before.
fn standing_image(o: &Observation) -> Said {
    standing(o, "ImageReady")
        .unwrap_or_else(|| said(ConditionStatus::Unknown, Reason::NotChecked, ""))
}

/// What this condition said before, if it is a word of ours.
fn standing(o: &Observation, kind: &str) -> Option<Said> {
    let standing = o.status.condition(kind)?;
    let reason = standing.reason.parse().ok()?;
    Some(said(standing.status, reason, &standing.message))
}

fn started(o: &Observation, facts: &Facts, says: &Says) -> Said {
    if o.seen.is_live() {
        return said(ConditionStatus::True, Reason::ContainerRunning, "");
    }
    // A Pod on its way out may run until its grace is over.
    let goes = o.seen == Seen::Going && o.facts.runtime == Some(RuntimeKind::Pod);
    if let Some(standing) = standing(o, "Started").filter(|_| goes) {
        return standing;
    }
    let ready = facts.finish.as_ref().map_or(says.ready, |f| f.reason);
    let (status, reason) = not_started(ready, facts.attempt.is_some());
    let message = if reason == ready {
        headline(&says.message)
    } else {
        ""
    };
    said(status, reason, message)
}

/// What the condition Started says where no container runs, by the word that Ready has for it.
fn not_started(ready: Reason, attempted: bool) -> (ConditionStatus, Reason) {
    let reason = match ready {
        Reason::Pending | Reason::EngineUnreachable | Reason::EngineMismatch | Reason::NodeLost => {
            return (ConditionStatus::Unknown, ready);
        }
        Reason::GameNotFound
        | Reason::GameInvalid
        | Reason::ParametersInvalid
        | Reason::ResourcesTooLarge
        | Reason::DeadlineTooLong
        | Reason::RuntimeNotAllowed
            if !attempted =>
        {
            return (ConditionStatus::Unknown, Reason::Pending);
        }
        Reason::Creating
        | Reason::BackOff
        | Reason::Interrupted
        | Reason::PortsExhausted
        | Reason::NameConflict
        | Reason::StartFailed
        | Reason::Unschedulable
        | Reason::PodRejected
        | Reason::QuotaExceeded
        | Reason::ContainerExited
        | Reason::Stopped => ready,
        Reason::Stopping
        | Reason::Terminating
        | Reason::DeadlineExceeded
        | Reason::StartDeadlineExceeded => Reason::Stopped,
        Reason::Disrupted
        | Reason::Completed
        | Reason::Error
        | Reason::OomKilled
        | Reason::ExitedBeforeReady
        | Reason::ContainerLost => Reason::ContainerExited,
        Reason::Accepted
        | Reason::GameNotFound
        | Reason::GameInvalid
        | Reason::ParametersInvalid
        | Reason::ResourcesTooLarge
        | Reason::DeadlineTooLong
        | Reason::RuntimeNotAllowed
        | Reason::ImagePresent
        | Reason::PullingImage
        | Reason::ImagePullFailed
        | Reason::NotChecked
        | Reason::ContainerRunning
        | Reason::Ready
        | Reason::WaitingForReady
        | Reason::ProbeFailed
        | Reason::PausedOutside
        | Reason::NotFinished
        | Reason::NotStalled
        | Reason::Abandoned
        | Reason::Unreadable
        | Reason::StrayContainer => Reason::Creating,
    };
    (ConditionStatus::False, reason)
}

fn ready(facts: &Facts, says: &Says) -> Said {
    if let Some(finish) = &facts.finish {
        let message = headline(&says.message);
        return said(ConditionStatus::False, finish.reason, message);
    }
    let status = if says.ready == Reason::Ready {
        ConditionStatus::True
    } else if [
        Reason::Pending,
        Reason::EngineUnreachable,
        Reason::EngineMismatch,
        Reason::NodeLost,
    ]
    .contains(&says.ready)
    {
        ConditionStatus::Unknown
    } else {
        ConditionStatus::False
    };
    said(status, says.ready, &says.message)
}

fn finished(facts: &Facts, says: &Says) -> Said {
    match &facts.finish {
        Some(finish) => said(ConditionStatus::True, finish.reason, &says.message),
        None => said(ConditionStatus::False, Reason::NotFinished, ""),
    }
}

/// What only a person can mend. A Game that was broken or removed under a running game stalls nothing.
fn stalled(facts: &Facts, says: &Says, accepted: &Said) -> Said {
    let stalled = |reason, message| said(ConditionStatus::True, reason, message);
    if let Some(finish) = &facts.finish {
        return match finish_phase(finish.reason) {
            Phase::Failed => stalled(finish.reason, headline(&says.message)),
            Phase::Pending
            | Phase::Starting
            | Phase::Running
            | Phase::Stopping
            | Phase::Stopped
            | Phase::Unknown
            | Phase::Succeeded
            | Phase::TimedOut => said(ConditionStatus::False, Reason::NotStalled, ""),
        };
    }
    let held = [
        Reason::GameInvalid,
        Reason::ParametersInvalid,
        Reason::ResourcesTooLarge,
        Reason::DeadlineTooLong,
        Reason::RuntimeNotAllowed,
        Reason::NameConflict,
        Reason::PodRejected,
    ];
    if held.contains(&says.ready) {
        return stalled(says.ready, headline(&says.message));
    }
    if accepted.reason == Reason::DeadlineTooLong {
        return stalled(accepted.reason, &accepted.message);
    }
    said(ConditionStatus::False, Reason::NotStalled, "")
}
