//! dillinger-runner: makes one game container true to each `GameSession`, and writes what it sees back.
//!
//! `api` holds the two kinds, `session` decides (pure), `runtime` runs containers, `controller` observes,
//! plans, writes and reports, `telemetry` tells what the process does, `config` reads the flags.

#![forbid(unsafe_code)]

pub mod api;
pub mod clock;
pub mod config;
pub mod controller;
#[cfg(test)]
pub(crate) mod hostile;
pub mod runtime;
pub mod session;
pub mod telemetry;
