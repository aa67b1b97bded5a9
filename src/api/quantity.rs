//! A Kubernetes quantity as it stands in a manifest: `500m`, `1.5Gi`, `2`.

use serde::{Deserialize, Serialize};

/// A quantity, kept as written; an integer in the manifest is its decimal text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Quantity(pub String);

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number with one of the suffixes of Kubernetes.
    #[error("\"{0}\" is not a quantity (a number with an optional suffix such as m, k, Mi, G)")]
    NotAQuantity(String),
    /// Larger than what a 64-bit number of the unit holds.
    #[error("\"{0}\" is too large")]
    TooLarge(String),
}
