//! Ports that players connect to.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Transport protocols of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum PortProtocol {
    #[default]
    UDP,
    TCP,
    TCPUDP,
}

/// How a port gets its public number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum PortPolicy {
    #[default]
    Dynamic,
    Static,
    Passthrough,
}

/// One port of a game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.portPolicy == 'Passthrough' ? !has(self.containerPort) : has(self.containerPort)")
        .message("containerPort is required, except with portPolicy Passthrough, which chooses it"),
    validation = Rule::new("(self.portPolicy == 'Static') == has(self.hostPort)")
        .message("hostPort goes with portPolicy Static, and only with it"),
)]
pub struct GamePort {
    /// Name of the port: at most 15 lower-case letters, digits and '-'. args and env name its public number
    /// as $(PORT_NAME), upper-cased, '-' becomes '_'.
    #[schemars(length(max = 15), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Number that the game listens on inside its container. Required, except with portPolicy Passthrough,
    /// which chooses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: Option<i32>,

    /// UDP, TCP, or TCPUDP for one public number on both. Default: UDP.
    #[serde(default)]
    pub protocol: PortProtocol,

    /// How the public number is chosen: Dynamic takes a free one from the controller's range and keeps it
    /// over restarts while it is free; Static takes hostPort, so only one session at a time can run on one
    /// host; Passthrough is Dynamic with the same number inside the container, for games that tell players
    /// their own port: name it in args as $(PORT_NAME). Default: Dynamic.
    #[serde(default)]
    pub port_policy: PortPolicy,

    /// Public number of a Static port. Required with portPolicy Static, refused with any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub host_port: Option<i32>,
}
