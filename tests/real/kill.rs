//! `kill -9` of the controller at each stage: the next one goes on with the same container.

use dillinger_runner::api::{ConditionStatus, keys};

use crate::harness::play::is;
use crate::harness::{Controller, Play, Scene, session, testgame};

/// Kills the controller as soon as the stage is seen, starts it again, and returns it.
async fn killed_at(
    scene: &Scene,
    mut controller: Controller,
    play: &Play<'_>,
    stage: &str,
) -> Controller {
    play.until_seen(&format!("the stage {stage} is reached"), || async {
        let session = play.now().await;
        let reached = match stage {
            "recorded" => session.status.is_some(),
            "finalizer" => session.metadata.finalizers.is_some(),
            "volume" => !play.volumes().await.is_empty(),
            "created" => !play.containers().await.is_empty(),
            "running" => play
                .containers()
                .await
                .iter()
                .any(|c| c["State"] == "running"),
            "ready" => is(&session, "Ready", ConditionStatus::True),
            other => panic!("no stage {other}"),
        };
        reached.then_some(())
    })
    .await;
    controller.kill();
    scene.controller().await
}

#[tokio::test]
async fn killed_on_the_way_up_it_goes_on_with_the_container_that_is_there() {
    let (scene, mut controller) = Scene::with_controller("kill-up").await;
    scene
        .game(&testgame("arena").more_args(&["--ready-after", "300ms"]))
        .await;
    for stage in [
        "recorded",
        "finalizer",
        "volume",
        "created",
        "running",
        "ready",
    ] {
        let events = scene
            .engine
            .watch(&format!("{}={stage}", keys::SESSION))
            .await;
        let play = scene.session(&session(stage, "arena")).await;
        controller = killed_at(&scene, controller, &play, stage).await;
        let ready = play.until_ready().await;
        assert_eq!(play.ask("ping").await, "pong:ping");
        assert_eq!(ready.status.and_then(|s| s.attempt), Some(0), "{stage}");
        let ours: Vec<_> = events
            .actions()
            .into_iter()
            .filter(|(action, _)| {
                ["create", "start", "kill", "die", "destroy"].contains(&action.as_str())
            })
            .map(|(action, _)| action)
            .collect();
        assert_eq!(ours, ["create", "start"], "after a kill at {stage}");
        play.delete().await;
        play.until_gone().await;
    }
    scene.close(controller).await;
}

#[tokio::test]
async fn killed_while_a_game_stops_the_stop_goes_on_and_is_a_clean_one() {
    let (scene, mut controller) = Scene::with_controller("kill-stopping").await;
    scene
        .game(
            &testgame("arena")
                .more_args(&["--term-after", "1s", "--term-code", "9"])
                .grace(20),
        )
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.stop().await;
    play.until_phase("Stopping").await;
    controller.kill();
    let controller = scene.controller().await;
    let stopped = play.until_phase("Stopped").await;
    let exit = stopped
        .status
        .and_then(|s| s.last_exit)
        .expect("a last exit");
    assert_eq!(
        (exit.reason.as_deref(), exit.exit_code),
        (Some("Requested"), Some(9))
    );
    play.resume().await;
    play.until_ready().await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_that_ends_while_no_controller_runs_is_recorded_by_the_next_one() {
    let (scene, mut controller) = Scene::with_controller("kill-ended").await;
    scene.game(&testgame("arena")).await;
    let done = scene.session(&session("done", "arena")).await;
    let crashed = scene.session(&session("crashed", "arena")).await;
    let deleted = scene.session(&session("deleted", "arena")).await;
    let removed = scene.session(&session("removed", "arena")).await;
    for play in [&done, &crashed, &deleted, &removed] {
        play.until_ready().await;
    }
    controller.kill();
    done.tell("exit 0").await;
    crashed.tell("crash 5").await;
    deleted.delete().await;
    scene.engine.remove(&removed.container_id().await).await;
    let controller = scene.controller().await;
    done.until_finished("Completed").await;
    let seen = crashed.until_finished("Error").await;
    assert_eq!(
        seen.status
            .and_then(|s| s.last_exit)
            .and_then(|e| e.exit_code),
        Some(5)
    );
    deleted.until_gone().await;
    removed.until_finished("ContainerLost").await;
    scene.close(controller).await;
}

#[tokio::test]
async fn killed_during_back_off_the_wait_is_not_begun_again_and_the_attempt_is_the_same() {
    let (scene, mut controller) = Scene::with_controller("kill-backoff").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").restarts(2)).await;
    play.until_ready().await;
    play.tell("crash 1").await;
    play.until_reason("Ready", "BackOff").await;
    controller.kill();
    let controller = scene.controller().await;
    let ready = play.until_ready().await;
    let status = ready.status.expect("a status");
    assert_eq!((status.attempt, status.restarts), (Some(1), Some(1)));
    scene.close(controller).await;
}

#[tokio::test]
async fn killed_while_a_session_is_deleted_nothing_is_left_all_the_same() {
    let (scene, mut controller) = Scene::with_controller("kill-deleting").await;
    scene
        .game(
            &testgame("arena")
                .more_args(&["--term-after", "1s"])
                .grace(20),
        )
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.delete().await;
    play.until("is being taken down", |s| {
        s.status.as_ref().is_some_and(|t| t.stop.is_some())
    })
    .await;
    controller.kill();
    let controller = scene.controller().await;
    play.until_gone().await;
    assert!(scene.containers().await.is_empty() && scene.volumes().await.is_empty());
    scene.close(controller).await;
}

#[tokio::test]
async fn a_controller_that_is_told_to_end_leaves_every_game_running() {
    let (scene, mut controller) = Scene::with_controller("shutdown").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let id = play.container_id().await;
    let status = controller.terminate().await;
    assert!(status.success(), "{status}\n{}", controller.tail(40));
    assert_eq!(play.ask("ping").await, "pong:ping");
    let controller = scene.controller().await;
    assert_eq!(play.container_id().await, id);
    assert!(is(&play.now().await, "Ready", ConditionStatus::True));
    scene.close(controller).await;
}
