//! Contract -> ContainerSpec: an allow-list type that cannot express a privilege.
//!
//! There is no field here for a capability, a device, a host path, a host namespace or a
//! security option: both runtimes drop everything, always.

use std::collections::BTreeMap;

/// Everything that a runtime may vary in one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    pub name: String,
    pub attempt: i32,
    pub labels: BTreeMap<String, String>,
    pub image: String,
    /// Empty: the image's own entrypoint.
    pub command: Vec<String>,
    /// Empty: the image's own, where `command` is empty too.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub user: i64,
    pub group: i64,
    pub read_only_root: bool,
    pub init: bool,
    pub cpu_millis: i64,
    pub memory_bytes: i64,
    pub scratch: Vec<Scratch>,
    pub volumes: Vec<Volume>,
    pub ports: Vec<Published>,
    /// Seconds between the request to stop and the kill.
    pub grace_seconds: i32,
}

/// A tmpfs, counted in the memory limit, gone with every stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratch {
    pub path: String,
    pub size_bytes: i64,
}

/// A volume that belongs to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// `<container name>-<storage name>`.
    pub name: String,
    pub path: String,
    pub size_bytes: i64,
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    Tcp,
    Udp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub name: String,
    pub container_port: u16,
    pub host_port: u16,
    pub transport: Transport,
}
