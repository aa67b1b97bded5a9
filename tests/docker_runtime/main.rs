//! The Docker runtime on a real engine: every effect with its odd answers, every Seen, and the traps that real
//! game servers set. Runs in a throw-away world: `tests/world --image testgame -- <this binary>`.
//!
//! Outside one it fails and says so: nothing here is skipped.

mod acts;
mod bed;
mod engine;
mod looks;
mod pulls;
mod readiness;
mod security;
