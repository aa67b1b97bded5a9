//! How to tell that a game is ready.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How to tell that the game is ready; the same shape travels in the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.log), has(self.tcpSocket), has(self.httpGet), has(self.exec), has(self.exchange)].exists_one(x, x)").message("set exactly one of log, tcpSocket, httpGet, exec, exchange"))]
pub struct Readiness {
    /// Time in seconds between two questions. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 60))]
    pub period_seconds: i32,

    /// Time in seconds that one question may take. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: i32,

    /// Ready once a pattern is in the game's output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogProbe>,

    /// Ready once a TCP connection brings bytes from the game, or stays open for half a second. That a
    /// connection is accepted proves nothing: the engine's own proxy accepts before the game listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_socket: Option<TcpSocketProbe>,

    /// Ready once an HTTP GET is answered with a status from 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGetProbe>,

    /// Ready once a command inside the container exits with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecProbe>,

    /// Ready once the game answers a message as expected, over the port's own protocol (TCPUDP: TCP).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeProbe>,
}

fn one() -> i32 {
    1
}

/// A pattern in the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct LogProbe {
    /// Regular expression (Rust's syntax, over bytes; '.' is any byte) that is searched for in what the game
    /// writes to standard output and standard error. One that does not compile makes the Game invalid.
    #[schemars(length(min = 1, max = 256))]
    pub pattern: String,
}

/// A TCP connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct TcpSocketProbe {
    /// Name of a TCP or TCPUDP port of this game.
    #[schemars(length(max = 15))]
    pub port: String,
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct HttpGetProbe {
    /// Name of a TCP or TCPUDP port of this game.
    #[schemars(length(max = 15))]
    pub port: String,

    /// Path of the request. Default: /.
    #[serde(default = "root_path")]
    #[schemars(length(max = 256), regex(pattern = "^/[!-~]*$"))]
    pub path: String,
}

fn root_path() -> String {
    "/".to_owned()
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ExecProbe {
    /// The command and its arguments, one word an item, run inside the container; no shell splits or expands
    /// them. The program must be in the image.
    #[schemars(length(min = 1, max = 16), inner(length(max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub command: Vec<String>,
}

/// A message and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.send) != has(self.sendHex)").message("set exactly one of send, sendHex"))]
pub struct ExchangeProbe {
    /// Name of a port of this game.
    #[schemars(length(max = 15))]
    pub port: String,

    /// Text to send, as UTF-8. Exactly one of send and sendHex is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub send: Option<String>,

    /// Bytes to send, as pairs of hexadecimal digits: "00000000". Exactly one of send and sendHex is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096), regex(pattern = "^([0-9a-fA-F]{2})+$"))]
    pub send_hex: Option<String>,

    /// Regular expression (Rust's syntax, over bytes; '.' is any byte) that is searched for in the answer;
    /// "." takes any answer. One that does not compile makes the Game invalid.
    #[schemars(length(min = 1, max = 256))]
    pub expect: String,
}
