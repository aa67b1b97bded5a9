//! The whole controller over a simulated API server and a simulated engine, in virtual time, with faults.
#![forbid(unsafe_code)]

mod apiserver;
mod clock;
mod faults;
mod history;
mod striking;

mod apiserver_tests;
