//! `Game`: an entry of the catalog, written by an administrator.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;

/// What a Game is made of.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dillinger.dev",
    version = "v1alpha1",
    kind = "Game",
    namespaced,
    category = "dillinger",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct GameSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub image: String,
    #[serde(default)]
    pub image_pull_policy: ImagePullPolicy,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterDeclaration>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<GamePort>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
    #[serde(default = "yes")]
    pub init_process: bool,
    #[serde(default = "every_runtime")]
    pub runtimes: Vec<RuntimeKind>,
    #[serde(default = "start_deadline")]
    pub start_deadline_seconds: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_active_deadline_seconds: Option<i32>,
    #[serde(default = "grace")]
    pub termination_grace_period_seconds: i32,
    #[serde(default)]
    pub resources: GameResources,
    #[serde(default)]
    pub security_context: SecurityContext,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scratch: Vec<Scratch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage: Vec<Storage>,
}

fn yes() -> bool {
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct EnvVar {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ParameterDeclaration {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    #[serde(default)]
    pub required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PortProtocol {
    #[default]
    UDP,
    TCP,
    TCPUDP,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PortPolicy {
    #[default]
    Dynamic,
    Static,
    Passthrough,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GamePort {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_port: Option<i32>,
    #[serde(default)]
    pub protocol: PortProtocol,
    #[serde(default)]
    pub port_policy: PortPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<i32>,
}

/// How to tell that the game is ready; the same shape travels in the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    #[serde(default = "one")]
    pub period_seconds: i32,
    #[serde(default = "one")]
    pub timeout_seconds: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogProbe>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_socket: Option<TcpSocketProbe>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGetProbe>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecProbe>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeProbe>,
}

fn one() -> i32 {
    1
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct LogProbe {
    pub pattern: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct TcpSocketProbe {
    pub port: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct HttpGetProbe {
    pub port: String,
    #[serde(default = "root_path")]
    pub path: String,
}

fn root_path() -> String {
    "/".to_owned()
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ExecProbe {
    pub command: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeProbe {
    pub port: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_hex: Option<String>,
    pub expect: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct GameResources {
    #[serde(default = "DefaultLimits::limits")]
    pub limits: ResourceList,
    #[serde(default = "DefaultLimits::max")]
    pub max: ResourceList,
}

struct DefaultLimits;

impl DefaultLimits {
    fn limits() -> ResourceList {
        ResourceList {
            cpu: Some(Quantity("1".to_owned())),
            memory: Some(Quantity("512Mi".to_owned())),
        }
    }
    fn max() -> ResourceList {
        ResourceList {
            cpu: Some(Quantity("4".to_owned())),
            memory: Some(Quantity("4Gi".to_owned())),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ResourceList {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    #[serde(default = "thousand")]
    pub run_as_user: i64,
    #[serde(default = "thousand")]
    pub run_as_group: i64,
    #[serde(default = "yes")]
    pub read_only_root_filesystem: bool,
}

fn thousand() -> i64 {
    1000
}

impl Default for SecurityContext {
    fn default() -> Self {
        SecurityContext {
            run_as_user: thousand(),
            run_as_group: thousand(),
            read_only_root_filesystem: true,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scratch {
    pub mount_path: String,
    pub size_limit: Quantity,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    pub name: String,
    pub mount_path: String,
    #[serde(default = "one_gibibyte")]
    pub size: Quantity,
}

fn one_gibibyte() -> Quantity {
    Quantity("1Gi".to_owned())
}
