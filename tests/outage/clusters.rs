//! A second cluster's controller on the same engine: each serves its own sessions and no other.

use std::collections::BTreeSet;

use dillinger_runner::api::keys;

use crate::alone;
use crate::harness::engine::text;
use crate::harness::scene::taken;
use crate::harness::world::own_ports;
use crate::harness::{Play, Scene, World, session, testgame};

/// A second control plane on this machine.
pub async fn second_cluster(world: &World, name: &str) -> World {
    let folder = world.folder.join(name);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local/control-plane");
    let path = folder.to_str().expect("a plain path");
    world.run(script, &["up", path, "--no-fsync"]).await;
    let second = World {
        kubeconfig: folder.join("kubeconfig"),
        ..world.clone()
    };
    second.apply_definitions().await;
    second
}

async fn three<'a>(scene: &'a Scene) -> Vec<Play<'a>> {
    scene.game(&testgame("arena")).await;
    let mut plays = Vec::new();
    for n in 0..3 {
        plays.push(scene.session(&session(&format!("s{n}"), "arena")).await);
    }
    plays
}

#[tokio::test]
async fn two_clusters_share_an_engine_and_nobodys_games_are_swept() {
    let _alone = alone().await;
    let mut first = Scene::open("cluster-one").await;
    let world = second_cluster(&first.world, "second-cluster").await;
    let mut second = Scene::open_in(world, "cluster-two").await;
    // One name, one range of ports: what tells them apart is the cluster.
    let shared = own_ports(20);
    for scene in [&mut first, &mut second] {
        scene.options.name = "dillinger-runner".to_owned();
        scene.options.ports = shared.clone();
    }
    let mut one = first.controller().await;
    let two = second.controller().await;
    let theirs = three(&second).await;
    let mut addresses = Vec::new();
    {
        let ours = three(&first).await;
        for play in ours.iter().chain(&theirs) {
            play.until_ready().await;
            addresses.push(play.address().await);
        }
    }
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 6, "two games at one address");
    let mut ids = Vec::new();
    for play in &theirs {
        ids.push(play.container_id().await);
    }
    let all = first.engine.containers(&[keys::CLUSTER]).await;
    let clusters: BTreeSet<String> = all
        .iter()
        .map(|c| text(&c["Labels"][keys::CLUSTER]))
        .collect();
    assert_eq!(clusters.len(), 2);

    let label = format!("{}={}", keys::NAMESPACE, second.namespace);
    let events = first.engine.watch(&label).await;
    one.kill();
    let one = first.controller().await;
    first.close(one).await;
    assert_eq!(
        events.actions(),
        [],
        "the other cluster's games were touched"
    );
    for (play, id) in theirs.iter().zip(&ids) {
        assert_eq!(play.container_id().await, *id);
        assert_eq!(play.ask("ping").await, "pong:ping");
    }
    drop(theirs);
    let folder = second.world.folder.join("second-cluster");
    second.close(two).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local/control-plane");
    World::here()
        .run(script, &["down", folder.to_str().expect("a plain path")])
        .await;
    assert!(
        shared.clone().all(|port| !taken(port)),
        "host ports are still taken"
    );
}
