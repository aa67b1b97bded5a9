//! The controller on a real API server with a real Docker Engine. Runs inside `tests/world`; many tests at once.
//!
//! What breaks the engine or the API server for everybody is in the target `outage`.

mod harness;

mod by_hand;
mod catalog;
mod deadlines;
mod deletion;
mod ends;
mod engine_sharing;
mod kill;
mod kubectl;
mod lifecycle;
mod ports;
mod refusals;
mod standby;
mod start_failures;
mod writes;
