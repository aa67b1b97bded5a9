//! What every test of the real thing stands on: a world with an API server and a Docker Engine, controllers as
//! child processes, one namespace a test, waits for conditions.
//!
//! Every test has a controller of its own (`--controller-name`, `--watch-namespaces`, `--lease-namespace` and the port
//! range are its own too): one that a test kills, freezes or starves disturbs nobody else, its log holds that test alone,
//! and the audit log tells its requests from all others. Nothing here blocks longer than the limits in `wait`.

#![allow(dead_code, unused_imports)] // shared by two targets, each of which uses a part

pub mod ask;
pub mod audit;
pub mod controller;
pub mod engine;
pub mod http;
pub mod make;
pub mod play;
pub mod samples;
pub mod scene;
pub mod wait;
pub mod world;

pub use controller::{Controller, ControllerOptions};
pub use engine::Engine;
pub use make::{GameMaker, SessionMaker, session, testgame};
pub use play::Play;
pub use scene::Scene;
pub use wait::{LIMIT, until};
pub use world::World;
