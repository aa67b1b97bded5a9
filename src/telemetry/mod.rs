//! What the process says about itself: logs, metrics, health, and traces where they are asked for.

pub mod admin;
pub mod health;
pub mod logs;
pub mod metrics;
pub mod process;
pub mod stages;
#[cfg(feature = "otlp")]
pub mod traces;
