//! The whole controller over a simulated API server and a simulated engine, in virtual time, with faults.
#![forbid(unsafe_code)]
// Seams that later scenarios use stay in place.
#![allow(dead_code)]

mod apiserver;
mod campaign;
mod clock;
mod cluster;
mod counts;
mod engine;
mod faults;
mod history;
mod kubelet_states;
mod oracles;
mod process;
mod replays;
mod rows;
mod runner;
mod scenarios;
mod schedules;
mod striking;
mod sweep;
#[path = "../pods/told.rs"]
mod told;
mod world;

mod apiserver_tests;

#[global_allocator]
static MALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;
