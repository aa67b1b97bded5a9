//! Where in a cluster a game may run, and on what: passed on as the Game has it. A Docker Engine knows nothing of it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::{Affinity, Exposure, GameSpec, Toleration, TopologySpreadConstraint};

/// The Game's fields for clusters. The API server holds their form; what the cluster makes of them it says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// None: as the controller's flag says.
    pub exposure: Option<Exposure>,
    pub node_selector: BTreeMap<String, String>,
    pub tolerations: Vec<Toleration>,
    pub affinity: Option<Affinity>,
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    pub priority_class_name: Option<String>,
    pub runtime_class_name: Option<String>,
    /// Names of Secrets.
    pub image_pull_secrets: Vec<String>,
    pub host_users: Option<bool>,
    pub storage_class_name: Option<String>,
}

impl Placement {
    pub(super) fn of(game: &GameSpec) -> Placement {
        Placement {
            exposure: game.exposure,
            node_selector: game.node_selector.clone(),
            tolerations: game.tolerations.clone(),
            affinity: game.affinity.clone(),
            topology_spread_constraints: game.topology_spread_constraints.clone(),
            priority_class_name: game.priority_class_name.clone(),
            runtime_class_name: game.runtime_class_name.clone(),
            image_pull_secrets: game
                .image_pull_secrets
                .iter()
                .map(|secret| secret.name.clone())
                .collect(),
            host_users: game.host_users,
            storage_class_name: game.storage_class_name.clone(),
        }
    }

    /// Nothing is set: the digests of contracts without placement are as they were before there was any.
    pub fn is_default(&self) -> bool {
        *self == Placement::default()
    }
}
