//! The pure heart: values in, values out.
//!
//! Nothing below this folder is async, reads a clock, or knows a client or an engine;
//! `tests/house.rs` holds that. The world comes in as an [`Observation`] and leaves as a [`plan::Plan`].

pub mod container;
pub mod contract;
pub mod explained;
pub mod facts;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod observation;
pub mod pattern;
pub mod plan;
pub mod ports;
pub mod quoted;
pub mod reason;
pub mod report;
pub mod seen;

pub use observation::Observation;
