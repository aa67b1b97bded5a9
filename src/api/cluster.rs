//! Fields of a Game that speak of a cluster: where its Pods may run and with what. Docker ignores them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the ports of a Pod reach players.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
// An optional field would show the enum's description instead of its own.
#[schemars(inline, description = "")]
pub enum Exposure {
    // As ports of the node that it runs on.
    HostPort,
    // By a Service, at one port of every node.
    NodePort,
    // By a Service with an address of its own, which something beside the cluster gives it.
    LoadBalancer,
    // Not at all: at the address of the Pod, for those who reach it.
    None,
}

impl Exposure {
    pub const ALL: [Exposure; 4] = [
        Exposure::HostPort,
        Exposure::NodePort,
        Exposure::LoadBalancer,
        Exposure::None,
    ];

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Exposure::HostPort => "HostPort",
            Exposure::NodePort => "NodePort",
            Exposure::LoadBalancer => "LoadBalancer",
            Exposure::None => "None",
        }
    }

    /// A Service of the session leads to the game.
    pub fn by_service(self) -> bool {
        match self {
            Exposure::NodePort | Exposure::LoadBalancer => true,
            Exposure::HostPort | Exposure::None => false,
        }
    }
}

/// One taint that the game's Pods bear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.operator == 'Equal' || !has(self.value)")
        .message("value goes with operator Equal, and only with it"),
    validation = Rule::new("has(self.key) || self.operator == 'Exists'")
        .message("key is required, except with operator Exists, which then bears every taint"),
    validation = Rule::new("!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')")
        .message("tolerationSeconds goes with effect NoExecute, and only with it"),
)]
pub struct Toleration {
    /// Key of the taint. Required, except with operator Exists, where none stands for every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub key: Option<String>,

    /// Equal compares the taint's value with value; Exists takes any value. Default: Equal.
    #[serde(default)]
    pub operator: TolerationOperator,

    /// Value of the taint. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,

    /// Effect of the taint. Default: none; every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,

    /// Time in seconds that a Pod stays on a node which got a taint with the effect NoExecute.
    /// Default: none; it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub toleration_seconds: Option<i64>,
}

/// How a toleration compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum TolerationOperator {
    #[default]
    Equal,
    Exists,
}

/// What a taint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
// An optional field would show the enum's description instead of its own.
#[schemars(inline, description = "")]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

impl TolerationOperator {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            TolerationOperator::Equal => "Equal",
            TolerationOperator::Exists => "Exists",
        }
    }
}

impl TaintEffect {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::PreferNoSchedule => "PreferNoSchedule",
            TaintEffect::NoExecute => "NoExecute",
        }
    }
}

/// A Secret of the Game's namespace, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct PullSecret {
    /// Name of a Secret of the type kubernetes.io/dockerconfigjson.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
