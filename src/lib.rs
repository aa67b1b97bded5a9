//! dillinger-runner: makes one game container true to each `GameSession`, and writes what it sees back.
//!
//! `api` holds the two kinds, `session` decides (pure), `runtime` runs containers, `controller` observes,
//! plans, writes and reports.

#![forbid(unsafe_code)]

pub mod api;
pub mod runtime;
pub mod session;
