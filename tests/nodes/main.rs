//! What breaks under Pods that run: the leader, the API server, kubelets, containerd, a whole node. On a real cluster of two
//! nodes (`tests/run nodes`), one test at a time, since each breaks what all of them stand on.
//!
//! Nothing here bounds a time: `took` and the timelines are printed, for docs/runtimes.md and docs/operations.md.

#![allow(dead_code, unused_imports)] // the harness is shared, and each target uses a part

#[path = "../real/harness/ask.rs"]
mod ask;
#[path = "../pods/bed.rs"]
mod bed;
mod cluster;
#[path = "../real/harness/controller.rs"]
mod controller;
mod history;
#[path = "../real/harness/http.rs"]
mod http;
mod leaders;
#[path = "../real/harness/make.rs"]
mod make;
mod parts;
mod power;
#[path = "../pods/raw.rs"]
mod raw;
mod states;
#[path = "../pods/told.rs"]
mod told;
#[path = "../real/harness/wait.rs"]
mod wait;
#[path = "../pods/world.rs"]
mod world;
