//! What the process says about itself: logs, metrics, health.

pub mod admin;
pub mod health;
pub mod logs;
pub mod metrics;
