//! `Game`: an entry of the catalog, written by an administrator.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Affinity, Exposure, GamePort, GameResources, ParameterDeclaration, PullSecret, Readiness,
    Scratch, SecurityContext, Storage, Toleration, TopologySpreadConstraint,
};

/// What the game is made of: its image, how it is started, how to tell that it is ready, and what a
/// session may set.
///
/// An edit never touches a container that exists; the next container, after a restart or a resume, is made
/// from the Game as it is then.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dillinger.dev",
    version = "v1alpha1",
    kind = "Game",
    namespaced,
    category = "dillinger",
    derive = "PartialEq",
    doc = "A game that sessions can run: an entry of the catalog, written by an administrator.\n\nA GameSession in the same namespace names it in spec.gameRef and may set only what the Game leaves open: a session can never name an image, a mount, a device or a capability.",
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')")
        .message("metadata.name must be a DNS label: at most 63 lower-case letters, digits and '-'")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.readiness) || !has(self.readiness.tcpSocket) || (has(self.ports) && self.ports.exists(p, p.name == self.readiness.tcpSocket.port && p.protocol != 'UDP'))")
        .message("readiness.tcpSocket.port must name a TCP port of this game"),
    validation = Rule::new("!has(self.readiness) || !has(self.readiness.httpGet) || (has(self.ports) && self.ports.exists(p, p.name == self.readiness.httpGet.port && p.protocol != 'UDP'))")
        .message("readiness.httpGet.port must name a TCP port of this game"),
    validation = Rule::new("!has(self.scratch) || !has(self.storage) || self.scratch.all(a, !self.storage.exists(b, b.mountPath == a.mountPath))")
        .message("a mountPath is either scratch or storage"),
    validation = Rule::new("!has(self.readiness) || !has(self.readiness.exchange) || (has(self.ports) && self.ports.exists(p, p.name == self.readiness.exchange.port))")
        .message("readiness.exchange.port must name a port of this game"),
    validation = Rule::new("!has(self.exposure) || self.exposure == 'HostPort' || !has(self.ports) || self.ports.all(p, p.portPolicy == 'Dynamic')")
        .message("exposure other than HostPort needs portPolicy Dynamic for every port"),
)]
pub struct GameSpec {
    /// Name for people, as a catalog shows it: "The Battle for Wesnoth". At most 128 characters.
    /// Default: none; metadata.name is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub title: Option<String>,

    /// Image of the game server, as a container engine names it: registry/name:tag or name@sha256:digest.
    /// A tag can come to mean another image later; a digest cannot.
    #[schemars(length(min = 1, max = 512), regex(pattern = "^[!-~]+$"))]
    pub image: String,

    /// When to pull the image: IfNotPresent pulls it where the engine does not have it; Always pulls before
    /// each new container; Never uses only what the engine has, and a session waits with ImagePullFailed
    /// until somebody puts it there. Default: IfNotPresent.
    #[serde(default)]
    pub image_pull_policy: ImagePullPolicy,

    /// Program to run instead of the image's entrypoint, one word an item; no shell splits or expands it.
    /// $(NAME) is expanded as in args. Default: the image's entrypoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub command: Vec<String>,

    /// Arguments of the program, one word an item; no shell splits or expands them.
    ///
    /// $(NAME) stands for the value of the parameter NAME, $(PORT_NAME) for the public number of the port
    /// called name (upper-cased, '-' becomes '_'), $(GAME_ID), $(SESSION_ID) and $(USER_ID) for what the
    /// environment variables of these names hold. A parameter without a value is empty. A name that stands
    /// for nothing makes the Game invalid. $$( is a plain $( and any other $ is itself. What a user wrote is
    /// put in as it is and never expanded again. Default: the image's arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub args: Vec<String>,

    /// Environment variables of the game. Beside these every container has GAME_ID (the Game's name, or the
    /// value of its parameter of that name), SESSION_ID (the session's name) and USER_ID (the session's
    /// user). Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,

    /// What a session may set. A parameter reaches the game only where command, args or env name it as
    /// $(NAME). Default: none; the session can set no parameter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub parameters: Vec<ParameterDeclaration>,

    /// Ports that players connect to. The first one is the session's status.address. Default: none; nothing
    /// is reachable from outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(p, !has(p.containerPort) || self.exists_one(q, has(q.containerPort) && q.containerPort == p.containerPort))")
            .message("containerPort must be unique; use TCPUDP for one number on both protocols"),
        validation = Rule::new("self.all(p, !has(p.hostPort) || self.exists_one(q, has(q.hostPort) && q.hostPort == p.hostPort))")
            .message("hostPort must be unique; use TCPUDP for one number on both protocols"),
    )]
    pub ports: Vec<GamePort>,

    /// How to tell that the game is ready for players. Exactly one way is set. Default: none; the game counts
    /// as ready as soon as its process runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,

    /// Run a small init as process 1 of the container, which passes signals on and collects what the game's
    /// children leave. Many game servers ignore the signal to stop without it. Default: true.
    #[serde(default = "yes")]
    pub init_process: bool,

    /// Where the game may run: Docker (the Docker Engine of a controller) or Pod (the cluster). A session
    /// that names none gets the first one that its controller serves, and keeps it; where the Game lists it no
    /// longer, no new container is made for that session (RuntimeNotAllowed). Default: Docker, Pod.
    #[serde(default = "every_runtime")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub runtimes: Vec<RuntimeKind>,

    /// Longest time in seconds from the container's start until the game is ready; past it the session fails
    /// with StartDeadlineExceeded. A session may set its own. Default: 300.
    #[serde(default = "start_deadline")]
    #[schemars(range(min = 1, max = 86400))]
    pub start_deadline_seconds: i32,

    /// Longest activeDeadlineSeconds that a session may set, in seconds, and the one of a session that sets
    /// none: counted from status.startTime, past it the game is stopped and the session ends as TimedOut.
    /// Default: none; sessions run without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_592_000))]
    pub max_active_deadline_seconds: Option<i32>,

    /// Time in seconds between the request to stop (the image's stop signal, SIGTERM if it names none) and
    /// the kill: what the game needs to save its world. A session may set its own. Default: 30.
    #[serde(default = "grace")]
    #[schemars(range(min = 0, max = 3600))]
    pub termination_grace_period_seconds: i32,

    /// CPU and memory of a container, and the most that a session may ask for.
    /// Default: 1 CPU and 512Mi, at most 4 CPUs and 4Gi.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub resources: GameResources,

    /// Who the game runs as. Every container also has all capabilities dropped and cannot gain privileges;
    /// that cannot be changed. Default: user 1000, group 1000, read-only root.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub security_context: SecurityContext,

    /// Empty folders in memory that the game may write to (tmpfs). They count in the memory limit and are
    /// gone with every stop. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["mountPath".into()]))]
    pub scratch: Vec<Scratch>,

    /// Folders that the session keeps: its world, its saves. They survive stop, restart, crash and resume,
    /// and go with the session. Default: none; everything that the game wrote ends with its container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub storage: Vec<Storage>,

    /// How the ports of a Pod reach players. HostPort: as ports of the node that it runs on, numbers out of the controller's
    /// range. NodePort: by a Service of the session, which has one number on every node and keeps it for as long as the
    /// session lives. LoadBalancer: by a Service of the session with an address of its own, at the containerPorts; the session
    /// is not Ready before the address is there. None: at the address of the Pod and its containerPorts, for those who
    /// reach it. All but HostPort need portPolicy Dynamic. On a cluster only, as all that follows; Docker ignores it.
    /// Default: none; the controller's --pod-exposure, for a game whose ports allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,

    /// Labels that a node must have for the game's Pods to run there. Default: none; any node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub node_selector: BTreeMap<String, String>,

    /// Taints of nodes that the game's Pods bear. Default: none, but the cluster's own: a Pod leaves a node that is
    /// unreachable or not ready for 300 seconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tolerations: Vec<Toleration>,

    /// Nodes and neighbours that the game's Pods want, or must have. Default: none; near other games, so that nodes without
    /// one can be given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// How evenly the game's Pods are spread over nodes, zones or other places. Default: none; rather packed than
    /// spread.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,

    /// PriorityClass of the game's Pods: who gives way when a cluster is full. One that does not exist makes
    /// a session fail with PodRejected. Default: none; the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,

    /// RuntimeClass of the game's Pods (gVisor, Kata Containers). One that does not exist makes a session fail
    /// with PodRejected. Default: none; the node's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub runtime_class_name: Option<String>,

    /// Secrets of this namespace with the credentials of the image's registry. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<PullSecret>,

    /// false runs the game's Pods in a user namespace of their own, where user ids inside are not those of the node; the
    /// node must be able to. Default: none; the cluster's default, which is the node's own user ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_users: Option<bool>,

    /// StorageClass of the storage on a cluster. A claim that exists keeps its own. Default: none; the cluster's
    /// default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

pub(super) fn yes() -> bool {
    true
}

fn every_runtime() -> Vec<RuntimeKind> {
    vec![RuntimeKind::Docker, RuntimeKind::Pod]
}

fn start_deadline() -> i32 {
    300
}

fn grace() -> i32 {
    30
}

/// When to pull an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ImagePullPolicy {
    #[default]
    IfNotPresent,
    Always,
    Never,
}

/// Where a container runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
// An optional field would show the enum's description instead of its own.
#[schemars(inline, description = "")]
pub enum RuntimeKind {
    /// On the Docker Engine of the controller.
    Docker,
    /// As a Pod of the cluster.
    Pod,
}

impl RuntimeKind {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            RuntimeKind::Docker => "Docker",
            RuntimeKind::Pod => "Pod",
        }
    }
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!(self.name in ['SESSION_ID', 'USER_ID', 'GAME_ID']) && !self.name.startsWith('PORT_')").message("name is reserved"))]
pub struct EnvVar {
    /// Name of the variable: letters, digits and '_', no digit first. SESSION_ID, USER_ID, GAME_ID and names
    /// that begin with PORT_ are reserved.
    #[schemars(length(max = 128), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,

    /// Value of the variable. $(NAME) is expanded as in args; other variables cannot be named.
    #[schemars(length(max = 4096))]
    pub value: String,
}
