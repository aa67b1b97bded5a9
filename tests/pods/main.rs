//! Sessions as Pods, on a real cluster with a real kubelet: `deploy/local/cluster`, with the image of the test game.
//!
//! Every test has a namespace and a controller of its own. Where to find the cluster: DILLINGER_CLUSTER, its folder. What
//! breaks a node is not here: `tests/run pods` runs all of this on one.

#![allow(dead_code, unused_imports)] // the harness is shared, and each target uses a part

#[path = "../real/harness/ask.rs"]
mod ask;
mod bed;
#[path = "../real/harness/controller.rs"]
mod controller;
mod ends;
mod exposed;
#[path = "../real/harness/http.rs"]
mod http;
mod life;
#[path = "../real/harness/make.rs"]
mod make;
mod placed;
mod raw;
mod ready;
#[path = "../real/harness/samples.rs"]
mod samples;
mod states;
mod told;
#[path = "../real/harness/wait.rs"]
mod wait;
mod waits;
mod world;
mod writes;
