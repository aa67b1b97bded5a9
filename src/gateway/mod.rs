//! The REST gateway: the old runner's calls over resources. A client of the API server like any other: it keeps a copy of
//! what it shows, writes resources, and has no state of its own, so that several may run.

pub mod accept;
pub mod api_runner;
pub mod auth;
pub mod backend;
pub mod bearer;
pub mod detail;
pub mod doc;
pub mod door;
pub mod events;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod hostile;
pub mod hub;
pub mod limits;
pub mod line;
pub mod list;
pub mod logs;
pub mod mirror;
pub mod old;
pub mod page;
pub mod problem;
pub mod request;
pub mod rights;
pub mod routes;
pub mod serve;
pub mod state;
pub mod writes;
