//! The definitions on a real API server: accepted without a warning, and each rule and each bound of them
//! accepts and refuses what it says.
//!
//! Runs inside `tests/world`; outside of one it fails.

mod bounds;
mod cluster_rules;
mod keywords;
mod objects;
mod rule_table;
mod rules;
mod schema;
mod server;
mod transitions;
