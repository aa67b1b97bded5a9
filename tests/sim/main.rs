//! The whole controller over a simulated API server and a simulated engine, in virtual time, with faults.
#![forbid(unsafe_code)]
// Seams that later scenarios use stay in place.
#![allow(dead_code)]

mod apiserver;
mod campaign;
mod checker;
mod clock;
mod counts;
mod engine;
mod faults;
mod history;
mod process;
mod rows;
mod scenarios;
mod striking;
mod sweep;
mod world;

mod apiserver_tests;
