//! `kubectl delete` at each stage: nothing is left, whenever it comes.

use serde_json::json;

use crate::harness::{Play, Scene, session, testgame};

async fn deleted_leaves_nothing(scene: &Scene, play: &Play<'_>) {
    play.delete().await;
    play.until_gone().await;
    assert!(
        play.containers().await.is_empty(),
        "{}",
        play.picture().await
    );
    assert!(play.volumes().await.is_empty(), "{}", play.picture().await);
    assert!(
        scene
            .ports
            .clone()
            .all(|p| !crate::harness::scene::taken(p)),
        "a host port is still taken"
    );
}

#[tokio::test]
async fn deleted_while_running() {
    let (scene, controller) = Scene::with_controller("delete-running").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    deleted_leaves_nothing(&scene, &play).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn deleted_at_once_after_its_creation() {
    let (scene, controller) = Scene::with_controller("delete-at-once").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    deleted_leaves_nothing(&scene, &play).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn deleted_as_soon_as_each_thing_is_there() {
    let (scene, controller) = Scene::with_controller("delete-stages").await;
    scene
        .game(&testgame("arena").more_args(&["--ready-after", "500ms"]))
        .await;
    for stage in ["finalizer", "volume", "container", "started"] {
        let play = scene.session(&session(stage, "arena")).await;
        play.until_seen(&format!("the {stage} is there"), || async {
            let there = match stage {
                "finalizer" => play.now().await.metadata.finalizers.is_some(),
                "volume" => !play.volumes().await.is_empty(),
                "container" => !play.containers().await.is_empty(),
                _ => play
                    .containers()
                    .await
                    .iter()
                    .any(|c| c["State"] == "running"),
            };
            there.then_some(())
        })
        .await;
        deleted_leaves_nothing(&scene, &play).await;
    }
    scene.close(controller).await;
}

#[tokio::test]
async fn deleted_while_waiting_for_its_game_to_be_ready() {
    let (scene, controller) = Scene::with_controller("delete-starting").await;
    scene
        .game(&testgame("arena").more_args(&["--never-ready"]))
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_reason("Ready", "WaitingForReady").await;
    deleted_leaves_nothing(&scene, &play).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn deleted_while_it_stops() {
    let (scene, controller) = Scene::with_controller("delete-stopping").await;
    scene
        .game(
            &testgame("arena")
                .more_args(&["--term-after", "2s"])
                .grace(20),
        )
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.stop().await;
    play.until_phase("Stopping").await;
    deleted_leaves_nothing(&scene, &play).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn deleted_while_stopped_takes_the_storage_along() {
    let (scene, controller) = Scene::with_controller("delete-stopped").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.stop().await;
    play.until_phase("Stopped").await;
    assert_eq!(play.volumes().await.len(), 1);
    deleted_leaves_nothing(&scene, &play).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn deleted_after_its_end() {
    let (scene, controller) = Scene::with_controller("delete-finished").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.tell("crash 1").await;
    play.until_finished("Error").await;
    deleted_leaves_nothing(&scene, &play).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn deleted_while_it_waits_for_an_image_that_does_not_exist() {
    let (scene, controller) = Scene::with_controller("delete-pulling").await;
    scene
        .game(&testgame("arena").image("localhost/no-such-image:1"))
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_reason("ImageReady", "ImagePullFailed").await;
    deleted_leaves_nothing(&scene, &play).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn deleted_during_back_off() {
    let (scene, controller) = Scene::with_controller("delete-backoff").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").restarts(3)).await;
    play.until_ready().await;
    play.tell("crash 1").await;
    play.until_reason("Ready", "BackOff").await;
    deleted_leaves_nothing(&scene, &play).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_session_of_the_same_name_made_right_after_starts_with_a_world_of_its_own() {
    let (scene, controller) = Scene::with_controller("same-name").await;
    scene.game(&testgame("arena")).await;
    let first = scene.session(&session("friday", "arena")).await;
    first.until_ready().await;
    let old = first.ask("world").await;
    first.delete().await;
    first.until_gone().await;
    let second = scene.session(&session("friday", "arena")).await;
    second.until_ready().await;
    let new = second.ask("world").await;
    assert_ne!(
        old.lines().next(),
        new.lines().next(),
        "somebody else's world"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn a_paused_game_ends_with_its_session() {
    let (scene, controller) = Scene::with_controller("delete-paused").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").grace(1)).await;
    play.until_ready().await;
    scene.engine.pause(&play.container_id().await).await;
    deleted_leaves_nothing(&scene, &play).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn somebody_elses_finalizer_holds_the_session_and_not_the_game() {
    let (scene, controller) = Scene::with_controller("other-finalizer").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let mut finalizers = play.now().await.metadata.finalizers.expect("ours");
    finalizers.push("example.org/backup".to_owned());
    play.patch(json!({"metadata": {"finalizers": finalizers}}))
        .await;
    play.delete().await;
    play.until("has only the other finalizer", |s| {
        s.metadata.finalizers.as_deref() == Some(&["example.org/backup".to_owned()])
    })
    .await;
    assert!(play.containers().await.is_empty());
    play.patch(json!({"metadata": {"finalizers": null}})).await;
    play.until_gone().await;
    scene.close(controller).await;
}
