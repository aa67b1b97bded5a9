//! The two kinds of `dillinger.dev/v1alpha1` and the names that are fixed for ever.
//!
//! Types only: no client, no decisions. What a field means is said in its description,
//! which `kubectl explain` shows.

mod affinity;
mod cluster;
mod game;
mod parameter;
mod port;
mod quantity;
mod readiness;
pub mod reference;
mod resources;
mod schema;
mod session;
mod status;
pub mod strict;

pub use affinity::*;
pub use cluster::*;
pub use game::*;
pub use parameter::*;
pub use port::*;
pub use quantity::{Quantity, QuantityError};
pub use readiness::*;
pub use resources::*;
pub use schema::{crds, files, print_crds};
pub use session::*;
pub use status::*;

/// Our finalizer: on while a container or storage of the session may exist on a Docker Engine.
pub const FINALIZER: &str = "dillinger.dev/container";

/// Annotation: `<recorded engine id>` declares that this engine, and all it held, is lost.
pub const ABANDON_ENGINE: &str = "dillinger.dev/abandon-engine";

/// Keys of the labels (Docker, Pod) and annotations (Pod) that our containers and volumes carry.
pub mod keys {
    /// UID of the kube-system namespace of the cluster that owns the container.
    pub const CLUSTER: &str = "dillinger.dev/cluster";
    /// `--controller-name` of the controller that made it.
    pub const CONTROLLER: &str = "dillinger.dev/controller";
    /// Id of the engine that holds it.
    pub const ENGINE: &str = "dillinger.dev/engine";
    /// Namespace of the session.
    pub const NAMESPACE: &str = "dillinger.dev/namespace";
    /// Name of the session.
    pub const SESSION: &str = "dillinger.dev/session";
    /// UID of the session.
    pub const UID: &str = "dillinger.dev/uid";
    /// Number of the attempt.
    pub const ATTEMPT: &str = "dillinger.dev/attempt";
    /// Name of the Game.
    pub const GAME: &str = "dillinger.dev/game";
    /// Name of the storage, on volumes.
    pub const STORAGE: &str = "dillinger.dev/storage";
    /// The terms of the contract, as JSON.
    pub const CONTRACT: &str = "dillinger.dev/contract";
    /// Labels of the old runner, kept for its users' scripts.
    pub const OLD_TYPE: &str = "dillinger.type";
    /// GAME_ID as the container sees it.
    pub const OLD_GAME_ID: &str = "dillinger.game-id";
    /// SESSION_ID as the container sees it.
    pub const OLD_SESSION_ID: &str = "dillinger.session-id";
    /// USER_ID as the container sees it.
    pub const OLD_USER_ID: &str = "dillinger.user-id";
    /// When the container was asked for, RFC 3339.
    pub const OLD_CREATED: &str = "dillinger.created";
}
