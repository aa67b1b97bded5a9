//! `GameSession`: one user's wish to have one game running.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GameSessionStatus, ResourceList, RuntimeKind};

/// What the user wishes for. gameRef, user, runtime, parameters, resources and restartPolicy cannot be
/// changed later; the rest can, and is followed while the session runs.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dillinger.dev",
    version = "v1alpha1",
    kind = "GameSession",
    namespaced,
    status = "GameSessionStatus",
    shortname = "gsess",
    category = "dillinger",
    derive = "PartialEq",
    doc = "One user's wish to have one game running. The controller keeps at most one container true to it and writes what it sees to status.\n\nstatus.address is where players connect once the condition Ready is True: kubectl wait --for=condition=Ready gamesession/NAME. Deleting the session stops the game and removes its storage.",
    selectable = ".spec.gameRef.name",
    selectable = ".spec.user",
    selectable = ".status.phase",
    printcolumn(name = "Game", type_ = "string", json_path = ".spec.gameRef.name"),
    printcolumn(name = "User", type_ = "string", json_path = ".spec.user"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", priority = 1, json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Restarts", type_ = "integer", priority = 1, json_path = ".status.restarts"),
    printcolumn(name = "Runtime", type_ = "string", priority = 1, json_path = ".status.runtime"),
    printcolumn(name = "Host", type_ = "string", priority = 1, json_path = ".status.container.nodeName"),
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$')")
        .message("metadata.name must be a DNS label of at most 52 characters"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.finishTime) || self.spec.desiredState == oldSelf.spec.desiredState || self.spec.desiredState == 'Stopped'")
        .message("the session has finished; create a new one to play again"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.finishTime) || (has(self.status) && has(self.status.finishTime) && self.status.finishTime == oldSelf.status.finishTime)")
        .message("status.finishTime is set once")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.runtime) == has(oldSelf.runtime) && (!has(self.runtime) || self.runtime == oldSelf.runtime)")
        .message("runtime is immutable"),
    validation = Rule::new("has(self.parameters) == has(oldSelf.parameters) && (!has(self.parameters) || self.parameters == oldSelf.parameters)")
        .message("parameters are immutable"),
    validation = Rule::new("has(self.resources) == has(oldSelf.resources) && (!has(self.resources) || self.resources == oldSelf.resources)")
        .message("resources are immutable"),
)]
pub struct GameSessionSpec {
    /// The Game to run, in the same namespace. Immutable. One that does not exist yet is waited for.
    #[x_kube(validation = Rule::new("self == oldSelf").message("gameRef is immutable"))]
    pub game_ref: GameRef,

    /// Who plays: any text of at most 253 characters without control characters, no space at either end.
    /// The game sees it as USER_ID. A claim, not a proof: an admission policy of the cluster ties it to the
    /// requester. Immutable.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[^\s\pC]([^\pC]*[^\s\pC])?$")
    )]
    #[x_kube(validation = Rule::new("self == oldSelf").message("user is immutable"))]
    pub user: String,

    /// Where the game runs: Docker (the Docker Engine of a controller) or Pod (the cluster). Immutable.
    /// Default: the first of the Game's runtimes that the controller serves; status.runtime shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimeKind>,

    /// Running, or Stopped to end the game and keep the session with its storage; Running again resumes it
    /// with a new container. A finished session cannot be resumed. Default: Running.
    #[serde(default)]
    pub desired_state: DesiredState,

    /// Values for parameters that the Game declares. Immutable. Default: the Game's defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub parameters: Option<Vec<Parameter>>,

    /// CPU and memory for this session, up to the Game's resources.max. Immutable.
    /// Default: the Game's resources.limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<SessionResources>,

    /// Longest time in seconds from the container's start until the game is ready; past it the session fails
    /// with StartDeadlineExceeded. Default: the Game's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub start_deadline_seconds: Option<i32>,

    /// Longest time in seconds that the game may run, from status.startTime, restarts included; past it the
    /// game is stopped and the session ends as TimedOut. At most the Game's maxActiveDeadlineSeconds.
    /// Default: that maximum; without one, no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_592_000))]
    pub active_deadline_seconds: Option<i32>,

    /// Time in seconds between the request to stop and the kill. Default: the Game's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub termination_grace_period_seconds: Option<i32>,

    /// Time in seconds after its end when the session is deleted, its storage with it; 0 is at once. A
    /// stopped session has not ended. Default: none; it stays until somebody deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: Option<i32>,

    /// What to do when the game fails by itself: Never ends the session as Failed; OnFailure starts it again,
    /// up to backoffLimit times, with growing waits. An interruption from outside (a reboot of the host, a
    /// restart of the engine) is no failure: the game comes back under both. Immutable. Default: Never.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("restartPolicy is immutable"))]
    pub restart_policy: RestartPolicy,

    /// How many times a failed game is started again under OnFailure before the session ends as Failed.
    /// A resume counts from zero. Default: 3.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 20))]
    pub backoff_limit: i32,
}

fn three() -> i32 {
    3
}

/// Names a Game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct GameRef {
    /// Name of a Game in the session's namespace.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
}

/// Whether the game shall run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum DesiredState {
    #[default]
    Running,
    Stopped,
}

/// What to do when the game fails by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum RestartPolicy {
    #[default]
    Never,
    OnFailure,
}

/// One parameter and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Parameter {
    /// Name of a parameter that the Game declares.
    #[schemars(length(max = 63), regex(pattern = "^[A-Z][A-Z0-9_]*$"))]
    pub name: String,

    /// Its value: any text that the Game's enum or pattern allows. It is put into the game's arguments and
    /// environment as it is; nothing in it is expanded.
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// CPU and memory of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SessionResources {
    /// What the container gets. At least one of cpu and memory is set; the other is the Game's.
    #[schemars(extend("minProperties" = 1))]
    pub limits: ResourceList,
}
