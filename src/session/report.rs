//! Phase, conditions, endpoints: the status that follows from an observation and the plan over it.
//!
//! The same observation makes the same status, and a status that was written makes no further
//! difference: whatever changes at every look is kept out of the messages, or kept as it stands.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::contract::Contract;
use super::facts::{Facts, RecordedContainer, RecordedExit, Stop};
use super::observation::{Image, Observation};
use super::plan::{Phase, Plan, Report, Says, finish_phase, headline};
use super::reason::Reason;
use super::seen::Seen;
use crate::api::{
    Condition, ConditionStatus, ContainerStatus, Endpoint, EngineStatus, GameSessionStatus,
    GameStatus, LastExit, StopStatus,
};

/// The whole status as it should stand after the plan's act; `facts` are those after the act.
/// The rim writes only what differs from `o.status`.
pub fn status(o: &Observation, facts: &Facts, plan: &Plan) -> GameSessionStatus {
    // What a finished session says was written with its end, and is a fact.
    let report = match &o.facts.finish {
        Some(_) => &Report::Unchanged,
        None => &plan.report,
    };
    let (phase, conditions, generation) = match report {
        Report::Says(says) => (
            Some(phase(facts, says).as_str().to_owned()),
            Some(conditions(o, facts, says)),
            Some(o.session.generation),
        ),
        // Whoever is being deleted needs no note of which edit was seen last.
        Report::Unchanged if o.session.deleted => (
            o.status.phase.clone(),
            o.status.conditions.clone(),
            o.status.observed_generation,
        ),
        Report::Unchanged => (
            o.status.phase.clone(),
            o.status.conditions.clone().map(|c| observed(c, o)),
            o.status.conditions.as_ref().map(|_| o.session.generation),
        ),
    };
    let endpoints = facts
        .container
        .as_ref()
        .map(|c| c.endpoints.clone())
        .filter(|endpoints| !endpoints.is_empty());
    GameSessionStatus {
        observed_generation: generation,
        phase,
        address: endpoints.as_ref().and_then(|e| e.first()).map(address),
        runtime: facts.runtime.map(|kind| kind.as_str().to_owned()),
        engine: facts.engine.as_ref().map(|engine| EngineStatus {
            id: Some(engine.id.0.clone()),
            name: engine.name.clone(),
        }),
        attempt: facts.attempt,
        attempt_time: facts.attempt_time.map(Time),
        restarts: count(facts.restarts, facts),
        interruptions: count(facts.interruptions, facts),
        start_time: facts.start_time.map(Time),
        finish_time: facts.finish.as_ref().map(|finish| Time(finish.time)),
        game: facts.game.as_ref().map(|(uid, generation)| GameStatus {
            uid: Some(uid.clone()),
            generation: Some(*generation),
        }),
        container: facts.container.as_ref().map(container),
        stop: facts.stop.as_ref().map(stop),
        last_exit: facts.last_exit.as_ref().map(last_exit),
        endpoints,
        conditions,
    }
}

/// The condition of this type as it stands.
pub fn standing<'a>(status: &'a GameSessionStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().flatten().find(|c| c.type_ == kind)
}

/// The phase of a finished session comes from its reason and never changes.
fn phase(facts: &Facts, says: &Says) -> Phase {
    match &facts.finish {
        Some(finish) => finish_phase(finish.reason),
        None => says.phase,
    }
}

impl Phase {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Starting => "Starting",
            Phase::Running => "Running",
            Phase::Stopping => "Stopping",
            Phase::Stopped => "Stopped",
            Phase::Unknown => "Unknown",
            Phase::Succeeded => "Succeeded",
            Phase::Failed => "Failed",
            Phase::TimedOut => "TimedOut",
        }
    }
}

/// A count of 0 is shown from the first attempt on.
fn count(count: i32, facts: &Facts) -> Option<i32> {
    (facts.attempt.is_some() || count != 0).then_some(count)
}

/// `host:port`, an IPv6 address in brackets.
fn address(endpoint: &Endpoint) -> String {
    let Endpoint { host, port, .. } = endpoint;
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn container(container: &RecordedContainer) -> ContainerStatus {
    let RecordedContainer {
        name,
        id,
        image,
        image_id,
        node_name,
        start_time,
        ready_time,
        endpoints: _,
    } = container;
    ContainerStatus {
        name: text(name),
        id: text(id),
        image: text(image),
        image_id: image_id.clone(),
        node_name: node_name.clone(),
        start_time: start_time.map(Time),
        ready_time: ready_time.map(Time),
    }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn stop(stop: &Stop) -> StopStatus {
    StopStatus {
        attempt: Some(stop.attempt),
        reason: Some(stop.reason.as_str().to_owned()),
        time: Some(Time(stop.time)),
    }
}

fn last_exit(exit: &RecordedExit) -> LastExit {
    LastExit {
        attempt: Some(exit.attempt),
        reason: Some(exit.reason.clone()),
        exit_code: exit.exit_code,
        signal: exit.signal,
        oom_killed: Some(exit.oom_killed),
        start_time: exit.start_time.map(Time),
        finish_time: exit.finish_time.map(Time),
    }
}

fn observed(conditions: Vec<Condition>, o: &Observation) -> Vec<Condition> {
    conditions
        .into_iter()
        .map(|condition| Condition {
            observed_generation: Some(o.session.generation),
            ..condition
        })
        .collect()
}

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
fn conditions(o: &Observation, facts: &Facts, says: &Says) -> Vec<Condition> {
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
    let standing = standing(&o.status, kind).filter(|c| c.status == said.status);
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
    if o.seen.container().is_some() {
        return present;
    }
    match &o.image {
        Image::Present => present,
        Image::Failed { message, .. } => {
            said(ConditionStatus::False, Reason::ImagePullFailed, message)
        }
        Image::Pulling(_) => said(ConditionStatus::False, Reason::PullingImage, ""),
        Image::Unchecked | Image::Missing => standing(&o.status, "ImageReady")
            .and_then(|c| Some(said(c.status, c.reason.parse().ok()?, &c.message)))
            .unwrap_or_else(|| said(ConditionStatus::Unknown, Reason::NotChecked, "")),
    }
}

fn started(o: &Observation, facts: &Facts, says: &Says) -> Said {
    let live = match &o.seen {
        Seen::Running(..) | Seen::Paused(_) => true,
        Seen::Unknown(_)
        | Seen::Foreign(_)
        | Seen::Absent
        | Seen::Created(..)
        | Seen::Going
        | Seen::Exited(..) => false,
    };
    if live {
        return said(ConditionStatus::True, Reason::ContainerRunning, "");
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
