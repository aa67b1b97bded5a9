//! The old runner's view of a session, and what we add to it. Pure: a resource in, its JSON shape out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::request::Kept;
use crate::api::{DesiredState, Endpoint, GameSession, GameSessionStatus, keys};

/// The five words that the old runner's clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Starting,
    Running,
    Stopping,
    Stopped,
    Error,
}

impl Status {
    pub const ALL: [Status; 5] = [
        Status::Starting,
        Status::Running,
        Status::Stopping,
        Status::Stopped,
        Status::Error,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Starting => "starting",
            Status::Running => "running",
            Status::Stopping => "stopping",
            Status::Stopped => "stopped",
            Status::Error => "error",
        }
    }

    /// The old word for where a session stands.
    pub fn of(session: &GameSession) -> Status {
        if session.metadata.deletion_timestamp.is_some() {
            return Status::Stopping;
        }
        let status = session.status.as_ref();
        let was_ready = || {
            let container = status.and_then(|s| s.container.as_ref());
            container.is_some_and(|container| container.ready_time.is_some())
        };
        match status.and_then(|s| s.phase.as_deref()).unwrap_or("Pending") {
            "Running" => Status::Running,
            "Stopping" => Status::Stopping,
            "Stopped" | "Succeeded" | "TimedOut" => Status::Stopped,
            "Failed" => Status::Error,
            "Unknown" if was_ready() => Status::Running,
            // Pending, Starting, Unknown before it was ready, and phases of a newer version.
            _ => Status::Starting,
        }
    }
}

/// A session as `GET /sessions/:id` gives it. An old client reads the first members and ignores the rest.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Name of the resource: a UUID where this service made it.
    pub id: String,
    pub game_id: String,
    pub user_id: String,
    /// As it was sent.
    #[schema(value_type = Object)]
    pub game_config: Value,
    pub status: Status,
    /// ISO 8601, as all times here.
    pub created: String,
    /// First Ready of this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// When it ended or was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// What went wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Name of the Game.
    pub game: String,
    /// status.phase of the resource.
    pub phase: String,
    /// Reason of the condition Ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Message of the condition Ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    pub ready: bool,
    /// Running or Stopped.
    #[schema(value_type = String)]
    pub desired_state: DesiredState,
    /// `host:port` to play at, once it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Reached>>)]
    pub endpoints: Option<Vec<Endpoint>>,
    pub restarts: i32,
    /// Members of gameConfig that the Game has no parameter for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Where one port is reached.
#[derive(ToSchema)]
#[schema(as = Endpoint)]
pub struct Reached {
    /// Name of the port, as the Game declares it.
    pub name: String,
    /// TCP or UDP.
    pub protocol: String,
    pub host: String,
    pub port: i32,
}

/// A container as the old runner listed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub image: String,
    pub state: &'static str,
    pub status: &'static str,
    /// Milliseconds since 1970.
    pub created: i64,
    pub ports: Vec<Port>,
    #[schema(value_type = BTreeMap<String, String>)]
    pub labels: BTreeMap<&'static str, String>,
}

/// A port of a container that players connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Port {
    pub name: String,
    pub host: String,
    #[serde(rename = "publicPort")]
    pub public_port: i32,
    #[serde(rename = "type")]
    pub protocol: String,
}

impl Session {
    /// What the resource says.
    pub fn of(session: &GameSession) -> Session {
        let nothing = GameSessionStatus::default();
        let shown = session.status.as_ref().unwrap_or(&nothing);
        let status = Status::of(session);
        let Kept {
            game_id,
            game_config,
            warnings,
        } = Kept::of(session);
        let ready = shown.condition("Ready");
        let message = ready.map(|condition| condition.message.clone());
        Session {
            id: session.name_any(),
            game_id,
            user_id: session.spec.user.clone(),
            game_config,
            status,
            created: text(created(session)),
            started: shown.start_time.as_ref().map(|time| text(time.0)),
            stopped: match status {
                Status::Stopped | Status::Error => stopped(shown).map(text),
                Status::Starting | Status::Running | Status::Stopping => None,
            },
            container: Container::of(session),
            error: match status {
                Status::Error => message.clone(),
                Status::Starting | Status::Running | Status::Stopping | Status::Stopped => None,
            },
            game: session.spec.game_ref.name.clone(),
            phase: shown.phase.clone().unwrap_or_else(|| "Pending".to_owned()),
            reason: ready.map(|condition| condition.reason.clone()),
            message: message.filter(|message| !message.is_empty()),
            ready: ready.is_some_and(|c| c.status == crate::api::ConditionStatus::True),
            desired_state: session.spec.desired_state,
            address: shown.address.clone(),
            endpoints: shown.endpoints.clone(),
            restarts: shown.restarts.unwrap_or_default(),
            warnings,
        }
    }
}

impl Container {
    /// The container of a session, if it has one now.
    pub fn of(session: &GameSession) -> Option<Container> {
        let status = session.status.as_ref()?;
        let container = status.container.as_ref()?;
        let id = container.id.clone()?;
        let (state, words) = match Status::of(session) {
            Status::Starting => ("created", "Starting"),
            Status::Running => ("running", "Up"),
            Status::Stopping => ("running", "Stopping"),
            Status::Stopped | Status::Error => ("exited", "Exited"),
        };
        let since = container
            .start_time
            .as_ref()
            .or(status.attempt_time.as_ref());
        let at = since.map_or_else(|| created(session), |time| time.0);
        let kept = Kept::of(session);
        let labels = [
            (keys::OLD_TYPE, "game-session".to_owned()),
            (keys::OLD_GAME_ID, kept.game_id),
            (keys::OLD_SESSION_ID, session.name_any()),
            (keys::OLD_USER_ID, session.spec.user.clone()),
            (keys::OLD_CREATED, text(at)),
        ];
        let port = |endpoint: &Endpoint| Port {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            public_port: endpoint.port,
            protocol: endpoint.protocol.to_lowercase(),
        };
        Some(Container {
            id,
            name: container.name.clone().unwrap_or_default(),
            image: container.image.clone().unwrap_or_default(),
            state,
            status: words,
            created: at.as_millisecond(),
            ports: status.endpoints.iter().flatten().map(port).collect(),
            labels: labels.into(),
        })
    }
}

/// When the session was made; the epoch for one that no API server has seen.
pub fn created(session: &GameSession) -> Timestamp {
    let made = session.metadata.creation_timestamp.as_ref();
    made.map_or(Timestamp::UNIX_EPOCH, |Time(at)| *at)
}

fn stopped(status: &GameSessionStatus) -> Option<Timestamp> {
    let exit = status
        .last_exit
        .as_ref()
        .and_then(|exit| exit.finish_time.as_ref());
    let stop = status.stop.as_ref().and_then(|stop| stop.time.as_ref());
    let ended = status.finish_time.as_ref().or(exit).or(stop);
    ended.map(|time| time.0)
}

/// ISO 8601 in UTC with milliseconds, as JavaScript's `toISOString` writes it.
pub fn text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The time that an answer carries.
#[expect(
    clippy::disallowed_methods,
    reason = "a client is told when it was answered; nothing is decided by it"
)]
pub fn now() -> String {
    text(Timestamp::now())
}

#[cfg(test)]
mod tests;
