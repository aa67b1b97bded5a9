//! What needs a world (DILLINGER_WORLD) for itself, one test at a time: it breaks the engine or the API server for
//! everybody, or loads them so that nothing else would be answered in time.

#[path = "../real/harness/mod.rs"]
mod harness;

// The gateway's own tests have more use for these.
#[allow(dead_code)]
#[path = "../gateway/client.rs"]
mod client;
#[allow(dead_code)]
#[path = "../gateway/listener.rs"]
mod listener;
#[allow(dead_code)]
#[path = "../gateway/process.rs"]
mod process;

mod apiserver;
mod certificates;
mod clusters;
mod disk_full;
mod engine_away;
mod engine_replaced;
mod gateway;
mod many;
mod pids;
mod rights;
mod silent_line;
mod start;
mod versions;

use dillinger_runner::api::keys;
use harness::World;
use harness::engine::text;
use tokio::sync::{Mutex, MutexGuard};

/// The world belongs to one test at a time, whatever the number of test threads; it begins whole.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let guard = ALONE.lock().await;
    let world = World::here();
    world.run("apiserver", &["start"]).await;
    if first_data_root() != current_data_root() {
        use_data_root(&world, &first_data_root()).await;
    }
    world.run("engine", &["start"]).await;
    // What a test that failed has left would make each one after it fail too.
    let engine = world.engine();
    for container in engine.containers(&[keys::UID]).await {
        engine.remove(&text(&container["Id"])).await;
    }
    for volume in engine.volumes(&[keys::UID]).await {
        engine.remove_volume(&text(&volume["Name"])).await;
    }
    guard
}

/// Where the world's engine keeps its data at first; what other roots hold, no other test sees.
fn first_data_root() -> String {
    static FIRST: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    FIRST.get_or_init(current_data_root).clone()
}

fn current_data_root() -> String {
    let file = World::here().folder.join("data-root");
    let text = std::fs::read_to_string(&file).expect("the engine of the world was started");
    text.trim().to_owned()
}

async fn use_data_root(world: &World, root: &str) {
    let stopped = tokio::process::Command::new("engine")
        .arg("status")
        .output()
        .await
        .expect("engine runs");
    if stopped.status.success() {
        world.run("engine", &["stop"]).await;
    }
    world.run("engine", &["start", root]).await;
}
