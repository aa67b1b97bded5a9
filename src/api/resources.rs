//! What a container may use: CPU, memory, identity, folders.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;
use super::game::yes;

/// CPU and memory of a Game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!has(self.limits) || !has(self.max) || !has(self.limits.memory) || !has(self.max.memory) || quantity(string(self.limits.memory)).compareTo(quantity(string(self.max.memory))) <= 0")
        .message("resources.limits.memory must not exceed resources.max.memory"),
    validation = Rule::new("!has(self.limits) || !has(self.max) || !has(self.limits.cpu) || !has(self.max.cpu) || quantity(string(self.limits.cpu)).compareTo(quantity(string(self.max.cpu))) <= 0")
        .message("resources.limits.cpu must not exceed resources.max.cpu"),
)]
pub struct GameResources {
    /// What a container gets where the session asks for nothing else. Default: 1 CPU and 512Mi of memory.
    #[serde(default = "GameResources::default_limits")]
    #[schemars(extend("default" = {}))]
    pub limits: ResourceList,

    /// The most that a session may ask for. Default: 4 CPUs and 4Gi of memory.
    #[serde(default = "GameResources::default_max")]
    #[schemars(extend("default" = {}))]
    pub max: ResourceList,
}

impl GameResources {
    fn default_limits() -> ResourceList {
        ResourceList {
            cpu: Some(Quantity("1".to_owned())),
            memory: Some(Quantity("512Mi".to_owned())),
        }
    }

    fn default_max() -> ResourceList {
        ResourceList {
            cpu: Some(Quantity("4".to_owned())),
            memory: Some(Quantity("4Gi".to_owned())),
        }
    }
}

impl Default for GameResources {
    fn default() -> Self {
        GameResources {
            limits: Self::default_limits(),
            max: Self::default_max(),
        }
    }
}

/// CPU and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ResourceList {
    /// CPUs, as a Kubernetes quantity: 2, 1500m (one and a half). Above zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,

    /// Memory in bytes, as a Kubernetes quantity: 512Mi, 2Gi. Above zero. A game that uses more is killed
    /// (OOMKilled). Scratch folders count in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

/// Who a game runs as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    /// User id of the game's processes; never 0. Default: 1000.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_user: i64,

    /// Group id of the game's processes; never 0. Default: 1000.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_group: i64,

    /// The game can write only to scratch and storage. Default: true.
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

/// One folder in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.mountPath.contains('..') && !self.mountPath.contains(':') && !self.mountPath.contains(',')").message("mountPath must not contain '..', ':' or ','"))]
pub struct Scratch {
    /// Absolute path of the folder inside the container, without '..', ':' or ','.
    #[schemars(length(max = 256), regex(pattern = "^/[!-~]+$"))]
    pub mount_path: String,

    /// Most that the folder holds, in bytes, as a Kubernetes quantity: 64Mi. Above zero; all scratch folders
    /// together must fit in the memory limit.
    pub size_limit: Quantity,
}

/// One folder that a session keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.mountPath.contains('..') && !self.mountPath.contains(':') && !self.mountPath.contains(',')").message("mountPath must not contain '..', ':' or ','"))]
pub struct Storage {
    /// Name of the storage: at most 15 lower-case letters, digits and '-'. It becomes part of the name of the
    /// session's volume; another name is another, empty volume.
    #[schemars(length(max = 15), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Absolute path of the folder inside the container, without '..', ':' or ','. On Docker a new volume
    /// begins with what the image has there, owner included: the image must have the folder, and it must belong to
    /// runAsUser, or the game cannot write there.
    #[schemars(length(max = 256), regex(pattern = "^/[!-~]+$"))]
    pub mount_path: String,

    /// Size of the volume in bytes, as a Kubernetes quantity. Above zero. It sizes the claim of a Pod; a
    /// Docker Engine sets its volumes no limit. Default: 1Gi.
    #[serde(default = "one_gibibyte")]
    pub size: Quantity,
}

fn one_gibibyte() -> Quantity {
    Quantity("1Gi".to_owned())
}
