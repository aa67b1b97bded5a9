//! The rim: observes, plans, writes, reports. All I/O of the controller is below this folder.
//!
//! [`run`] puts the parts together and ends when it is told to stop; nothing it does touches a game then.

pub mod abandon;
pub mod backoff;
pub mod bucket;
pub mod cache;
pub mod claim;
pub mod client;
pub mod context;
pub mod diff;
pub mod events;
#[cfg(feature = "failpoints")]
pub mod failpoints;
mod feeds;
pub mod gate;
pub mod guard;
pub mod jitter;
pub mod keeper;
pub mod kept;
pub mod lease;
pub mod log_port;
mod looks;
pub mod memory;
pub mod named;
mod observe;
pub mod own_writes;
pub mod patch;
pub mod pulse;
pub mod reconcile;
mod renewed;
pub mod run;
pub mod scrape;
pub mod start;
pub mod sweep;
#[cfg(test)]
mod tests;
mod times;
mod trace;
mod tried;
pub mod triggers;
pub mod watches;
