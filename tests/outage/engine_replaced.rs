//! Another engine answers: an empty data root. Nothing starts twice, nothing is dropped, a person decides.

use dillinger_runner::api::{ABANDON_ENGINE, ConditionStatus};

use crate::harness::play::{is, phase_of, why};
use crate::harness::{Scene, World, session, testgame};
use crate::{alone, first_data_root, use_data_root};

/// The test image as an archive, for an engine that has none.
pub async fn save_image(world: &World) -> String {
    let file = world.folder.join("testgame.tar");
    let file = file.to_str().expect("a plain path").to_owned();
    world
        .run(
            "docker",
            &["save", "--output", &file, "dillinger/testgame:1"],
        )
        .await;
    file
}

async fn empty_engine(world: &World, name: &str, image: &str) {
    let root = world.folder.join(name);
    use_data_root(world, root.to_str().expect("a plain path")).await;
    world
        .run("docker", &["load", "--quiet", "--input", image])
        .await;
}

#[tokio::test]
async fn on_an_empty_engine_nothing_is_started_twice_and_nothing_is_dropped_until_it_is_abandoned()
{
    let _alone = alone().await;
    let (scene, controller) = Scene::with_controller("engine-empty").await;
    let image = save_image(&scene.world).await;
    scene.game(&testgame("arena")).await;
    let playing = scene.session(&session("playing", "arena")).await;
    let stopped = scene.session(&session("stopped", "arena")).await;
    let deleted = scene.session(&session("deleted", "arena")).await;
    for play in [&playing, &stopped, &deleted] {
        play.until_ready().await;
    }
    stopped.stop().await;
    stopped.until_phase("Stopped").await;
    let old = playing
        .now()
        .await
        .status
        .and_then(|s| s.engine)
        .and_then(|e| e.id)
        .expect("an id");

    empty_engine(&scene.world, "second-root", &image).await;
    deleted.delete().await;
    let seen = playing.until_reason("Ready", "EngineMismatch").await;
    assert_eq!(phase_of(&seen), "Unknown");
    assert!(is(&seen, "Ready", ConditionStatus::Unknown));
    let (_, message) = why(&seen, "Ready");
    assert!(
        message.contains(&old),
        "the engine that is missing is named: {message}"
    );
    assert!(deleted.now().await.metadata.finalizers.is_some());
    // What is new belongs to the engine of now.
    let fresh = scene.session(&session("fresh", "arena")).await;
    fresh.until_ready().await;
    let new = fresh
        .now()
        .await
        .status
        .and_then(|s| s.engine)
        .and_then(|e| e.id)
        .expect("an id");
    assert_ne!(old, new);
    let all = scene.containers().await;
    assert_eq!(all.len(), 1, "only the fresh session's container: {all:?}");

    let kubeconfig = scene.world.kubeconfig.clone();
    let shown = tokio::process::Command::new(env!("CARGO_BIN_EXE_dillinger-runner"))
        .args(["engine", "show", "--watch-namespaces", &scene.namespace])
        .args(["--controller-name", &scene.options.name])
        .env("KUBECONFIG", &kubeconfig)
        .output()
        .await
        .expect("engine show runs");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&old) && shown.contains(&new), "{shown}");

    let abandoned = tokio::process::Command::new(env!("CARGO_BIN_EXE_dillinger-runner"))
        .args([
            "engine",
            "abandon",
            &old,
            "--yes",
            "--watch-namespaces",
            &scene.namespace,
        ])
        .args(["--controller-name", &scene.options.name])
        .env("KUBECONFIG", &kubeconfig)
        .output()
        .await
        .expect("engine abandon runs");
    assert!(
        abandoned.status.success(),
        "{}",
        String::from_utf8_lossy(&abandoned.stderr)
    );
    deleted.until_gone().await;
    let again = playing
        .until("is Ready on the new engine", |s| {
            is(s, "Ready", ConditionStatus::True)
                && s.status
                    .as_ref()
                    .and_then(|t| t.engine.as_ref())
                    .and_then(|e| e.id.as_ref())
                    == Some(&new)
        })
        .await;
    assert_eq!(
        again
            .metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(ABANDON_ENGINE)),
        Some(&old)
    );
    assert_eq!(again.status.and_then(|s| s.restarts).unwrap_or(0), 0);
    stopped.until_phase("Stopped").await;
    stopped.resume().await;
    stopped.until_ready().await;
    scene.close(controller).await;

    // The old engine's containers have no session any more: what it still holds is removed by hand.
    let world = World::here();
    use_data_root(&world, &first_data_root()).await;
    let engine = world.engine();
    for container in engine.containers(&[]).await {
        engine
            .remove(container["Id"].as_str().expect("an id"))
            .await;
    }
    for volume in engine.all_volumes().await {
        if volume != "dillinger-engine" {
            engine.remove_volume(&volume).await;
        }
    }
}

#[tokio::test]
async fn when_the_first_engine_comes_back_its_games_go_on_with_their_worlds() {
    let _alone = alone().await;
    let (scene, controller) = Scene::with_controller("engine-back").await;
    let image = save_image(&scene.world).await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let world = play.ask("world").await;
    empty_engine(&scene.world, "third-root", &image).await;
    play.until_reason("Ready", "EngineMismatch").await;
    assert!(scene.containers().await.is_empty());
    use_data_root(&scene.world, &first_data_root()).await;
    let again = play.until_ready().await;
    assert_eq!(again.status.and_then(|s| s.restarts).unwrap_or(0), 0);
    let kept = play.ask("world").await;
    assert!(
        kept.starts_with(world.lines().next().expect("an id")),
        "{kept}"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn a_marker_that_somebody_pruned_is_made_again_with_the_same_id() {
    let _alone = alone().await;
    let (scene, mut controller) = Scene::with_controller("marker").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let id = play.container_id().await;
    scene.engine.remove_volume("dillinger-engine").await;
    controller.kill();
    let controller = scene.controller().await;
    let second = scene.session(&session("second", "arena")).await;
    let ready = second.until_ready().await;
    let of_second = ready.status.and_then(|s| s.engine).and_then(|e| e.id);
    let of_first = play
        .now()
        .await
        .status
        .and_then(|s| s.engine)
        .and_then(|e| e.id);
    assert_eq!(of_second, of_first);
    assert!(is(&play.now().await, "Ready", ConditionStatus::True));
    assert_eq!(play.container_id().await, id);
    assert!(
        scene
            .engine
            .all_volumes()
            .await
            .contains(&"dillinger-engine".to_owned())
    );
    scene.close(controller).await;
}
