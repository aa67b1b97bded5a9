//! The definitions go and come again; objects that a newer version wrote are left alone.

use dillinger_runner::api::GameSession;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::alone;
use crate::harness::{Scene, session, testgame};

#[tokio::test]
async fn definitions_that_are_removed_take_their_games_along_and_once_back_sessions_run_again() {
    let _alone = alone().await;
    let (scene, mut controller) = Scene::with_controller("crd-gone").await;
    scene.game(&testgame("arena")).await;
    let first = scene.session(&session("friday", "arena")).await;
    first.until_ready().await;
    // Waits for the finalizers, so that it ends when the controller has ended the game.
    scene.world.delete_definitions().await;
    assert!(scene.containers().await.is_empty());
    assert!(controller.ended().is_none(), "{}", controller.tail(40));

    scene.world.apply_definitions().await;
    scene.game(&testgame("arena")).await;
    let second = scene.session(&session("friday", "arena")).await;
    second.until_ready().await;
    controller.until_ready().await;
    drop((first, second));
    scene.close(controller).await;
}

/// What a newer version may have recorded.
async fn record(scene: &Scene, name: &str, status: Value) {
    let sessions: Api<GameSession> = scene.sessions();
    let params = PatchParams::default();
    let patch = Patch::Merge(json!({"status": status}));
    let written = sessions.patch_status(name, &params, &patch).await;
    written.expect("the schema takes it");
}

#[tokio::test]
async fn a_session_that_a_newer_version_runs_is_left_alone_and_the_others_are_served() {
    let _alone = alone().await;
    let scene = Scene::open("newer").await;
    scene.game(&testgame("arena")).await;
    let newer = scene.session(&session("newer", "arena")).await;
    record(
        &scene,
        "newer",
        json!({"runtime": "Hypervisor", "phase": "Dreaming"}),
    )
    .await;
    let before = newer.now().await;
    let controller = scene.controller().await;
    let ours = scene.session(&session("ours", "arena")).await;
    ours.until_ready().await;
    let event = newer.until_event("Unreadable").await;
    let message = event.message.expect("it says why");
    assert!(message.contains("Hypervisor"), "{message}");
    let after = newer.now().await;
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );
    assert!(newer.containers().await.is_empty());
    drop((newer, ours));
    scene.close(controller).await;
}

#[tokio::test]
async fn a_session_with_no_more_than_an_older_version_recorded_is_adopted_with_its_container() {
    let _alone = alone().await;
    let (scene, mut controller) = Scene::with_controller("older").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    let whole = play.until_ready().await;
    let id = play.container_id().await;
    controller.kill();
    // The facts without any condition: as if those had come later.
    let mut status = json!(whole.status);
    status["conditions"] = Value::Null;
    status["observedGeneration"] = Value::Null;
    record(&scene, "friday", status).await;
    let controller = scene.controller().await;
    let again = play.until_ready().await;
    assert_eq!(play.container_id().await, id);
    let names = |session: &GameSession| -> Vec<String> {
        let status = session.status.as_ref().expect("a status");
        let all = status.conditions.iter().flatten();
        all.map(|condition| format!("{}={}", condition.type_, condition.reason))
            .collect()
    };
    assert_eq!(names(&again), names(&whole));
    drop(play);
    scene.close(controller).await;
}

#[tokio::test]
async fn few_file_descriptors_slow_it_down_and_break_nothing() {
    let _alone = alone().await;
    let (scene, mut controller) = Scene::with_controller("descriptors").await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", controller.pid()));
    // Four more than it has at rest: calls to the engine and probes must share them.
    let limit = open.expect("it runs").count() + 4;
    let pid = controller.pid().to_string();
    let limit = format!("--nofile={limit}:{limit}");
    scene.world.run("prlimit", &["--pid", &pid, &limit]).await;
    scene.game(&testgame("arena")).await;
    let mut plays = Vec::new();
    for n in 0..8 {
        plays.push(scene.session(&session(&format!("s{n}"), "arena")).await);
    }
    for play in &plays {
        play.until_ready().await;
        assert_eq!(play.containers().await.len(), 1);
    }
    assert!(controller.ended().is_none(), "{}", controller.tail(40));
    drop(plays);
    scene.close(controller).await;
}
