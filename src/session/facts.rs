//! Status fields that cannot be looked up again, recorded before the effect that they justify.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::reason::Reason;
use crate::api::{ConditionStatus, ContainerStatus, GameSessionStatus, LastExit, RuntimeKind};

/// Id of an engine: 32 random hex digits (Docker), or the UID of kube-system (Pod).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EngineId(pub String);

/// The engine that a session belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    pub id: EngineId,
    /// Host name of a Docker Engine; None for Pods.
    pub name: Option<String>,
}

/// What is on record for one session. `Default` is a session that nobody has looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub runtime: Option<RuntimeKind>,
    pub engine: Option<Engine>,
    /// n: number of the container that should exist; only grows.
    pub attempt: Option<i32>,
    pub attempt_time: Option<Timestamp>,
    pub restarts: i32,
    pub interruptions: i32,
    /// Recorded for attempt n only; cleared with each new attempt.
    pub container: Option<RecordedContainer>,
    pub stop: Option<Stop>,
    pub last_exit: Option<RecordedExit>,
    /// First Ready of this run.
    pub start_time: Option<Timestamp>,
    /// Set once, together with the reason.
    pub finish: Option<Finish>,
    /// uid and generation of the Game that the container was made from.
    pub game: Option<(String, i64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedContainer {
    pub name: String,
    /// Empty where the record has lost it: then it does not prove that a container was there.
    pub id: String,
    pub image: String,
    pub image_id: Option<String>,
    pub node_name: Option<String>,
    pub start_time: Option<Timestamp>,
    pub ready_time: Option<Timestamp>,
    pub endpoints: Vec<crate::api::Endpoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    pub attempt: i32,
    pub reason: StopReason,
    pub time: Timestamp,
}

/// Why a running game is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// `desiredState: Stopped`.
    Requested,
    /// The session is being deleted.
    Deleted,
    /// The active deadline passed.
    DeadlineExceeded,
    /// It was not ready in time.
    StartDeadlineExceeded,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedExit {
    pub attempt: i32,
    /// As E1–E4 and S8 name it.
    pub reason: String,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub oom_killed: bool,
    pub start_time: Option<Timestamp>,
    pub finish_time: Option<Timestamp>,
}

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    pub time: Timestamp,
    pub reason: Reason,
}

/// A status that this version cannot read: the session is left alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("status.{field} is \"{value}\", which this version does not know")]
pub struct Unreadable {
    pub field: &'static str,
    pub value: String,
}

impl StopReason {
    const ALL: [StopReason; 4] = [
        StopReason::Requested,
        StopReason::Deleted,
        StopReason::DeadlineExceeded,
        StopReason::StartDeadlineExceeded,
    ];

    /// The word that stands in `status.stop.reason` and `status.lastExit.reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            StopReason::Requested => "Requested",
            StopReason::Deleted => "Deleted",
            StopReason::DeadlineExceeded => "DeadlineExceeded",
            StopReason::StartDeadlineExceeded => "StartDeadlineExceeded",
        }
    }

    /// The reason that the session finishes with once the container is gone; None: it does not finish.
    pub fn finish(self) -> Option<Reason> {
        match self {
            StopReason::Requested | StopReason::Deleted => None,
            StopReason::DeadlineExceeded => Some(Reason::DeadlineExceeded),
            StopReason::StartDeadlineExceeded => Some(Reason::StartDeadlineExceeded),
        }
    }
}

/// The instant as a record keeps it. Times are written in whole seconds; rounded up, no deadline that is
/// counted from one can act early.
pub fn whole_second(time: Timestamp) -> Timestamp {
    let up = i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(time.as_second() + up).unwrap_or(Timestamp::MAX)
}

impl Facts {
    /// Reads what is on record.
    ///
    /// # Errors
    /// A runtime or a reason to stop that this version does not know. Fields that are merely missing
    /// count as not recorded.
    pub fn parse(status: &GameSessionStatus) -> Result<Facts, Unreadable> {
        Ok(Facts {
            runtime: runtime(status)?,
            engine: engine(status),
            attempt: status.attempt,
            attempt_time: at(status.attempt_time.as_ref()),
            restarts: status.restarts.unwrap_or(0),
            interruptions: status.interruptions.unwrap_or(0),
            container: status
                .container
                .as_ref()
                .map(|container| recorded(container, status)),
            stop: stop(status)?,
            last_exit: status.last_exit.as_ref().and_then(last_exit),
            start_time: at(status.start_time.as_ref()),
            finish: at(status.finish_time.as_ref()).map(|time| Finish {
                time,
                reason: finish_reason(status),
            }),
            game: status
                .game
                .as_ref()
                .and_then(|game| Some((game.uid.clone()?, game.generation?))),
        })
    }

    /// The stop that is on record for the present attempt.
    pub fn stop_of_attempt(&self) -> Option<&Stop> {
        self.stop
            .as_ref()
            .filter(|stop| Some(stop.attempt) == self.attempt)
    }

    /// The end of the present attempt is on record.
    pub fn exit_recorded(&self) -> bool {
        self.last_exit
            .as_ref()
            .is_some_and(|exit| Some(exit.attempt) == self.attempt)
    }

    /// Id of the container of attempt n, while its end is not on record.
    pub fn unended_id(&self) -> Option<&str> {
        let container = self.container.as_ref()?;
        let unended = !self.exit_recorded() && !container.id.is_empty();
        unended.then_some(container.id.as_str())
    }

    /// When the present attempt was Ready first.
    pub fn ready_time(&self) -> Option<Timestamp> {
        self.container.as_ref().and_then(|c| c.ready_time)
    }
}

fn at(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

fn runtime(status: &GameSessionStatus) -> Result<Option<RuntimeKind>, Unreadable> {
    let Some(word) = &status.runtime else {
        return Ok(None);
    };
    [RuntimeKind::Docker, RuntimeKind::Pod]
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .map(Some)
        .ok_or_else(|| Unreadable {
            field: "runtime",
            value: word.clone(),
        })
}

fn engine(status: &GameSessionStatus) -> Option<Engine> {
    let engine = status.engine.as_ref()?;
    Some(Engine {
        id: EngineId(engine.id.clone()?),
        name: engine.name.clone(),
    })
}

fn recorded(container: &ContainerStatus, status: &GameSessionStatus) -> RecordedContainer {
    RecordedContainer {
        id: container.id.clone().unwrap_or_default(),
        name: container.name.clone().unwrap_or_default(),
        image: container.image.clone().unwrap_or_default(),
        image_id: container.image_id.clone(),
        node_name: container.node_name.clone(),
        start_time: at(container.start_time.as_ref()),
        ready_time: at(container.ready_time.as_ref()),
        endpoints: status.endpoints.clone().unwrap_or_default(),
    }
}

fn stop(status: &GameSessionStatus) -> Result<Option<Stop>, Unreadable> {
    let Some(stop) = &status.stop else {
        return Ok(None);
    };
    let (Some(attempt), Some(word), Some(time)) = (stop.attempt, &stop.reason, &stop.time) else {
        return Ok(None);
    };
    let reason = StopReason::ALL
        .into_iter()
        .find(|reason| reason.as_str() == word)
        .ok_or_else(|| Unreadable {
            field: "stop.reason",
            value: word.clone(),
        })?;
    Ok(Some(Stop {
        attempt,
        reason,
        time: time.0,
    }))
}

fn last_exit(exit: &LastExit) -> Option<RecordedExit> {
    Some(RecordedExit {
        attempt: exit.attempt?,
        reason: exit.reason.clone().unwrap_or_default(),
        exit_code: exit.exit_code,
        signal: exit.signal,
        oom_killed: exit.oom_killed.unwrap_or(false),
        start_time: at(exit.start_time.as_ref()),
        finish_time: at(exit.finish_time.as_ref()),
    })
}

/// The reason stands on the condition Finished. Where that is lost, or from a newer version, the phase
/// tells enough: a finished session stays finished.
fn finish_reason(status: &GameSessionStatus) -> Reason {
    let written = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == "Finished" && c.status == ConditionStatus::True)
        .and_then(|c| c.reason.parse().ok());
    written.unwrap_or(match status.phase.as_deref() {
        Some("Succeeded") => Reason::Completed,
        Some("TimedOut") => Reason::DeadlineExceeded,
        Some(_) | None => Reason::Error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Condition, StopStatus};

    fn finished(phase: &str, conditions: Option<Vec<Condition>>) -> Facts {
        let status = GameSessionStatus {
            phase: Some(phase.to_owned()),
            finish_time: Some(Time(Timestamp::UNIX_EPOCH)),
            conditions,
            ..GameSessionStatus::default()
        };
        Facts::parse(&status).expect("readable")
    }

    fn condition(reason: &str) -> Condition {
        Condition {
            type_: "Finished".to_owned(),
            status: ConditionStatus::True,
            reason: reason.to_owned(),
            message: String::new(),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            observed_generation: None,
        }
    }

    #[test]
    fn an_empty_status_holds_no_fact() {
        let facts = Facts::parse(&GameSessionStatus::default());
        assert_eq!(facts, Ok(Facts::default()));
    }

    #[test]
    fn a_session_that_finished_for_a_reason_of_a_newer_version_stays_finished() {
        let reason = |facts: Facts| facts.finish.expect("an end").reason;
        let newer = Some(vec![condition("Melted")]);
        assert_eq!(reason(finished("Failed", newer.clone())), Reason::Error);
        assert_eq!(reason(finished("Succeeded", newer)), Reason::Completed);
        assert_eq!(reason(finished("TimedOut", None)), Reason::DeadlineExceeded);
        let known = Some(vec![condition("OOMKilled")]);
        assert_eq!(reason(finished("Failed", known)), Reason::OomKilled);
    }

    #[test]
    fn a_runtime_or_a_stop_of_a_newer_version_is_named_as_unreadable() {
        let runtime = GameSessionStatus {
            runtime: Some("Jail".to_owned()),
            ..GameSessionStatus::default()
        };
        let error = Facts::parse(&runtime).expect_err("unreadable");
        assert_eq!(
            error.to_string(),
            "status.runtime is \"Jail\", which this version does not know"
        );
        let stop = GameSessionStatus {
            stop: Some(StopStatus {
                attempt: Some(0),
                reason: Some("Bored".to_owned()),
                time: Some(Time(Timestamp::UNIX_EPOCH)),
            }),
            ..GameSessionStatus::default()
        };
        assert_eq!(
            Facts::parse(&stop).expect_err("unreadable").field,
            "stop.reason"
        );
    }

    #[test]
    fn a_container_whose_end_is_on_record_is_not_asked_for_at_every_look_of_a_stopped_session() {
        use crate::session::fixtures::recorded;
        let facts = recorded().ready_since(60).facts;
        let id = facts.container.as_ref().map(|c| c.id.as_str());
        assert_eq!(facts.unended_id(), id);
        let of = |attempt| {
            recorded()
                .ready_since(60)
                .ended(attempt, "Requested", 1)
                .facts
        };
        assert_eq!(of(0).unended_id(), None);
        assert_eq!(of(-1).unended_id(), id, "that was another attempt");
    }

    #[test]
    fn a_record_has_whole_seconds_rounded_up() {
        let time = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let rounded = time("2030-01-01T00:00:02Z");
        assert_eq!(
            whole_second(time("2030-01-01T00:00:01.000000001Z")),
            rounded
        );
        assert_eq!(whole_second(rounded), rounded);
        assert_eq!(whole_second(Timestamp::MAX), Timestamp::MAX);
        assert_eq!(
            whole_second(time("1969-12-31T23:59:58.5Z")),
            time("1969-12-31T23:59:59Z")
        );
    }
}
