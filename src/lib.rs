//! dillinger-runner: makes one game container true to each `GameSession`, and writes what it sees back.
//!
//! `api` holds the two kinds, `session` decides (pure), `runtime` runs containers, `controller` observes,
//! plans, writes and reports, `gateway` serves REST, `telemetry` tells what the process does, `config` reads the
//! flags, `together` makes a process of them, `check` explains a Game before anybody plays it.

#![forbid(unsafe_code)]

pub mod api;
pub mod check;
pub mod clock;
pub mod config;
pub mod controller;
pub mod gateway;
#[cfg(test)]
pub(crate) mod hostile;
pub mod runtime;
pub mod session;
pub mod telemetry;
pub mod together;
