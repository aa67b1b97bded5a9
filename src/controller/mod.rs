//! The rim: observes, plans, writes, reports. All I/O of the controller is below this folder.

pub mod backoff;
pub mod cache;
pub mod claim;
pub mod client;
pub mod clock;
pub mod diff;
#[cfg(feature = "failpoints")]
pub mod failpoints;
pub mod gate;
pub mod guard;
pub mod jitter;
pub mod lease;
pub mod own_writes;
pub mod patch;
pub mod triggers;
pub mod watches;
