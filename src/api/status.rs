//! What the controller writes back. Facts are recorded; phase and conditions are derived from them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the controller sees and has recorded. Written by the controller alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GameSessionStatus {
    /// metadata.generation that this status was made for; an older one means that an edit of the spec has not
    /// been looked at yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// One word for where the session stands: Pending, Starting, Running, Stopping, Stopped, Unknown, and
    /// finished Succeeded, Failed or TimedOut. Values may be added; the conditions say why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub phase: Option<String>,

    /// Where players connect, as host:port (an IPv6 address stands in square brackets): the Game's first port.
    /// Set while the game is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 280))]
    pub address: Option<String>,

    /// Where the game runs, Docker or Pod: chosen once, before the first container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub runtime: Option<String>,

    /// The one place that holds this session's container and storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineStatus>,

    /// Number of the container that should exist, from 0; it only grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub attempt: Option<i32>,

    /// When this attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_time: Option<Time>,

    /// How many times the game failed and was started again in this run; a resume counts from zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub restarts: Option<i32>,

    /// How many times in a row the game was interrupted from outside, by a reboot of the host, say; a run of
    /// 10 minutes ends the row. The fifth counts as a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub interruptions: Option<i32>,

    /// When the game was first ready in this run; kept over restarts, cleared by a resume.
    /// activeDeadlineSeconds counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When the session ended. Set once; a finished session never starts again. ttlSecondsAfterFinished
    /// counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<Time>,

    /// The Game that the container was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<GameStatus>,

    /// The container of this attempt. Set once it was ready, cleared with the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerStatus>,

    /// The last request to stop the game, recorded before it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopStatus>,

    /// How the last container ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<LastExit>,

    /// Where each port of the game is reached; a TCPUDP port has two entries with one number. Set while the
    /// game is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into(), "protocol".into()]))]
    pub endpoints: Option<Vec<Endpoint>>,

    /// Accepted (session and Game fit together), ImageReady, Started (the container runs), Ready (players can
    /// connect), Finished (it ended; the reason says how) and Stalled (only a person can mend it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Option<Vec<Condition>>,
}

/// The engine that holds a session's container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct EngineStatus {
    /// Id of the engine. Docker: 32 hexadecimal digits that the controller gave it; Pod: the UID of the
    /// kube-system namespace. The annotation dillinger.dev/abandon-engine with this id gives up an engine that
    /// is lost for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub id: Option<String>,

    /// Host name of a Docker Engine; unset for Pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
}

/// The Game behind a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct GameStatus {
    /// metadata.uid of the Game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uid: Option<String>,

    /// metadata.generation of the Game; an older one than the Game's own means that the Game was edited since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// The container of the attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Name of the container, on every runtime: the session's name and 10 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,

    /// Docker: id of the container; Pod: UID of the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub id: Option<String>,

    /// Image as the Game names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,

    /// Id of the image that it resolved to.
    #[serde(default, rename = "imageID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image_id: Option<String>,

    /// Docker: host name of the engine; Pod: the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node_name: Option<String>,

    /// When the container was started. startDeadlineSeconds counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When the game was first ready in this container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_time: Option<Time>,
}

/// A request to stop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct StopStatus {
    /// The attempt that is told to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,

    /// Requested (desiredState Stopped), Deleted, DeadlineExceeded or StartDeadlineExceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,

    /// When it was recorded; the game is killed terminationGracePeriodSeconds later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastExit {
    /// The attempt that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,

    /// Why: Completed, Error, OOMKilled, ExitedBeforeReady, StartFailed, ContainerLost, Interrupted, or the
    /// reason of the stop that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,

    /// Exit code of the process, where the runtime could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,

    /// Signal that ended the process, where one did: 9 is SIGKILL, 15 SIGTERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,

    /// The game used more memory than its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_killed: Option<bool>,

    /// When that container was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When it ended; the wait before a restart counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<Time>,
}

/// Where one port is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Endpoint {
    /// Name of the port, as the Game declares it.
    #[schemars(length(max = 15))]
    pub name: String,

    /// Protocol of the port: TCP or UDP.
    #[schemars(length(max = 8))]
    pub protocol: String,

    /// Host name or address that players connect to.
    #[schemars(length(max = 253))]
    pub host: String,

    /// Number that players connect to.
    pub port: i32,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// One condition of the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Name of the condition.
    #[serde(rename = "type")]
    #[schemars(length(max = 316))]
    pub type_: String,

    /// True, False, or Unknown while it cannot be told.
    pub status: ConditionStatus,

    /// Why, in one word that programs can compare.
    #[schemars(length(max = 1024))]
    pub reason: String,

    /// Why, for people: the thing, the value seen, what to do. Empty while nothing is wrong.
    #[schemars(length(max = 32768))]
    pub message: String,

    /// When status last changed.
    pub last_transition_time: Time,

    /// metadata.generation that the condition was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
