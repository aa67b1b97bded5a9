//! The REST gateway: the old runner's calls over resources. A client of the API server like any other: it keeps a copy of
//! what it shows, writes resources, and has no state of its own, so that several may run.

pub mod door;
pub mod events;
pub mod hub;
pub mod list;
pub mod mirror;
pub mod old;
pub mod problem;
pub mod request;
pub mod routes;
pub mod serve;
pub mod state;
