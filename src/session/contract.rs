//! Session + Game resolved to the values that one container is made from, or the reasons why not.
//!
//! Parse once: nobody downstream sees the raw resources' wishes again.

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::api::{ImagePullPolicy, PortPolicy, PortProtocol, Readiness, RuntimeKind};

/// What one container is made from. Texts still hold `$(PORT_…)`: ports are chosen later.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    pub runtime: RuntimeKind,
    pub game: String,
    /// GAME_ID, SESSION_ID and USER_ID as the container sees them.
    pub game_id: String,
    pub session_id: String,
    pub user_id: String,
    pub image: String,
    pub image_pull_policy: ImagePullPolicy,
    pub command: Vec<Text>,
    pub args: Vec<Text>,
    pub env: Vec<(String, Text)>,
    pub init: bool,
    pub cpu_millis: i64,
    pub memory_bytes: i64,
    pub user: i64,
    pub group: i64,
    pub read_only_root: bool,
    pub scratch: Vec<ScratchMount>,
    pub storage: Vec<StorageMount>,
    pub terms: Terms,
}

/// A text whose parameters are filled in and whose ports are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    /// Public number of the port of this (the Game's own) name.
    Port(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScratchMount {
    pub path: String,
    pub size_bytes: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageMount {
    pub name: String,
    pub path: String,
    pub size_bytes: i64,
}

/// What must be read again later and so travels with the container, as JSON of at most 8 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    pub ports: Vec<PortTerms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
    pub start_deadline_seconds: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_active_deadline_seconds: Option<i32>,
    pub termination_grace_period_seconds: i32,
    pub game_uid: String,
    pub game_generation: i64,
    /// sha256 of everything else in the contract, hex.
    pub digest: String,
}

/// One port as the Game declares it. Which host number it got is looked up, not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortTerms {
    pub name: String,
    /// None: Passthrough, the host's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_port: Option<u16>,
    pub protocol: PortProtocol,
    pub policy: PortPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
}

/// Why session and Game make no contract: the first reason, and a message that names the field, the value and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
}
