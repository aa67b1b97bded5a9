//! Status fields that cannot be looked up again, recorded before the effect that they justify.

use jiff::Timestamp;

use super::reason::Reason;
use crate::api::RuntimeKind;

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
