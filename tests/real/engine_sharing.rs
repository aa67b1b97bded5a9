//! Others on the same engine: another cluster's games, another controller of this cluster, an anonymous volume.

use dillinger_runner::api::keys;
use serde_json::{Value, json};

use crate::harness::engine::text;
use crate::harness::make::TESTGAME;
use crate::harness::{Scene, session, testgame};

#[tokio::test]
async fn what_carries_another_clusters_label_is_nobodys_business() {
    let scene = Scene::open("other-cluster").await;
    scene.game(&testgame("arena")).await;
    // A first container shows which labels ours carry; the other cluster's differ in the cluster alone.
    let mut controller = scene.controller().await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let mut labels = play.inspect().await["Config"]["Labels"].clone();
    labels[keys::CLUSTER] = "6f8c9f0e-0000-4000-8000-00000000beef".into();
    labels[keys::UID] = "6f8c9f0e-0000-4000-8000-000000000001".into();
    let name = format!("{}-theirs", scene.namespace);
    let theirs = scene
        .engine
        .create(&name, json!({"Image": TESTGAME, "Labels": labels}))
        .await;
    scene.engine.start(&theirs).await;
    let (status, _) = scene
        .engine
        .call(
            "POST",
            "/volumes/create",
            json!({"Name": name, "Labels": labels}),
        )
        .await;
    assert_eq!(status, 201);
    // Same cluster, same session name and uid, but their cluster label: not even deletion touches it.
    let watch = scene
        .engine
        .watch(&format!(
            "{}={}",
            keys::CLUSTER,
            text(&labels[keys::CLUSTER])
        ))
        .await;
    controller.kill();
    let controller = scene.controller().await;
    play.delete().await;
    play.until_gone().await;
    let second = scene.session(&session("second", "arena")).await;
    second.until_ready().await;
    assert_eq!(
        watch.actions(),
        [],
        "somebody touched another cluster's container"
    );
    assert_eq!(
        scene.engine.inspect(&theirs).await["State"]["Running"],
        true
    );
    assert!(scene.engine.all_volumes().await.contains(&name));
    scene.engine.remove(&theirs).await;
    scene.engine.remove_volume(&name).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn two_controllers_of_one_engine_agree_on_its_id() {
    let (first, one) = Scene::with_controller("sharing-one").await;
    let (second, two) = Scene::with_controller("sharing-two").await;
    let mut ids = Vec::new();
    for scene in [&first, &second] {
        scene.game(&testgame("arena")).await;
        let play = scene.session(&session("friday", "arena")).await;
        let ready = play.until_ready().await;
        ids.push(
            ready
                .status
                .and_then(|s| s.engine)
                .and_then(|e| e.id)
                .expect("an id"),
        );
    }
    assert_eq!(ids[0], ids[1]);
    let markers = first.engine.all_volumes().await;
    assert_eq!(
        markers.iter().filter(|n| *n == "dillinger-engine").count(),
        1
    );
    first.close(one).await;
    second.close(two).await;
}

#[tokio::test]
async fn volumes_that_an_image_asks_for_leave_with_each_container() {
    let (scene, controller) = Scene::with_controller("anonymous").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let anonymous = |inspected: &Value| -> Vec<String> {
        inspected["Mounts"]
            .as_array()
            .expect("mounts")
            .iter()
            .filter(|m| m["Type"] == "volume" && m["Destination"] == "/cache")
            .map(|m| text(&m["Name"]))
            .collect()
    };
    let of_first = anonymous(&play.inspect().await);
    assert_eq!(of_first.len(), 1, "the test image declares a VOLUME");
    play.stop().await;
    play.until_phase("Stopped").await;
    play.resume().await;
    play.until_ready().await;
    let of_second = anonymous(&play.inspect().await);
    play.delete().await;
    play.until_gone().await;
    let left = scene.engine.all_volumes().await;
    for name in of_first.iter().chain(&of_second) {
        assert!(!left.contains(name), "{name} leaked");
    }
    scene.close(controller).await;
}
