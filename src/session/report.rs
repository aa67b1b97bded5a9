//! Phase, conditions, endpoints: the status that follows from an observation and the plan over it.
//!
//! The same observation makes the same status, and a status that was written makes no further
//! difference: whatever changes at every look is kept out of the messages, or kept as it stands.

mod conditions;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::facts::{Facts, RecordedContainer, RecordedExit, Stop};
use super::observation::Observation;
use super::plan::{Phase, Plan, Report, Says, finish_phase};
use crate::api::{
    Condition, ContainerStatus, Endpoint, EngineStatus, GameSessionStatus, GameStatus, LastExit,
    StopStatus,
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
            Some(conditions::conditions(o, facts, says)),
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

#[cfg(test)]
pub(in crate::session) mod tests;
