//! The lines of the journal: one JSON object each, with one key that says what happened. Plain data.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::Endpoint;
use crate::session::contract::Terms;

/// One thing that happened on the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    /// The first line, and no other.
    Engine {
        id: String,
        name: String,
    },
    Created(Box<Created>),
    Started {
        uid: String,
        id: String,
        at: Timestamp,
    },
    /// Without an id, as a hand writes it: whatever container of the session runs.
    Exited {
        uid: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        code: i32,
        at: Timestamp,
    },
    Removed {
        uid: String,
        id: String,
    },
    StorageMade(Stored),
    StorageRemoved {
        uid: String,
        name: String,
    },
}

/// Whose a container or storage is: what a real engine keeps in labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Belongs {
    pub(super) cluster: String,
    pub(super) controller: String,
    pub(super) namespace: String,
    pub(super) session: String,
    pub(super) uid: String,
}

/// A container as it was made: all that a look tells of it but its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Created {
    pub(super) of: Belongs,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) attempt: i32,
    pub(super) image: String,
    pub(super) image_id: String,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) terms: Option<Terms>,
    pub(super) at: Timestamp,
}

/// Storage of a session: a name, and no bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub(super) of: Belongs,
    pub(super) name: String,
}
