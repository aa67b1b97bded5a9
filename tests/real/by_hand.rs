//! What people do to containers by hand: remove, kill, stop, pause, rename; and strangers with our name.

use dillinger_runner::api::{ConditionStatus, FINALIZER, keys};
use dillinger_runner::session::container;
use serde_json::json;

use crate::harness::make::TESTGAME;
use crate::harness::play::{is, phase_of, why};
use crate::harness::{Scene, ask, session, testgame};

#[tokio::test]
async fn a_container_removed_by_hand_is_a_lost_container() {
    let (scene, controller) = Scene::with_controller("removed").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    scene.engine.remove(&play.container_id().await).await;
    let done = play.until_finished("ContainerLost").await;
    assert_eq!(phase_of(&done), "Failed");
    assert!(!why(&done, "Finished").1.is_empty());
    scene.close(controller).await;
}

#[tokio::test]
async fn a_container_removed_by_hand_is_made_again_where_restarts_are_allowed() {
    let (scene, controller) = Scene::with_controller("removed-again").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").restarts(2)).await;
    play.until_ready().await;
    let world = play.ask("world").await;
    scene.engine.remove(&play.container_id().await).await;
    let again = play
        .until("is Ready again", |s| {
            is(s, "Ready", ConditionStatus::True)
                && s.status.as_ref().and_then(|t| t.attempt) == Some(1)
        })
        .await;
    assert_eq!(again.status.and_then(|s| s.restarts), Some(1));
    let kept = play.ask("world").await;
    assert!(
        kept.starts_with(world.lines().next().expect("an id")),
        "{kept}"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_killed_by_hand_comes_back_with_its_world_and_pays_nothing() {
    let (scene, controller) = Scene::with_controller("killed").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let world = play.ask("world").await;
    scene.engine.kill(&play.container_id().await).await;
    let waiting = play.until_reason("Ready", "Interrupted").await;
    assert_eq!(phase_of(&waiting), "Starting");
    assert!(is(&waiting, "Finished", ConditionStatus::False));
    let again = play.until_ready().await;
    let status = again.status.expect("a status");
    assert_eq!(status.restarts.unwrap_or(0), 0, "not charged to the budget");
    assert_eq!((status.interruptions, status.attempt), (Some(1), Some(1)));
    let kept = play.ask("world").await;
    assert!(
        kept.starts_with(world.lines().next().expect("an id")),
        "{kept}"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_paused_by_hand_is_left_alone_and_goes_on_when_it_is_let() {
    let (scene, controller) = Scene::with_controller("paused").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let id = play.container_id().await;
    scene.engine.pause(&id).await;
    let paused = play.until_reason("Ready", "PausedOutside").await;
    assert!(is(&paused, "Ready", ConditionStatus::False));
    assert_eq!(phase_of(&paused), "Running");
    scene.engine.unpause(&id).await;
    play.until_ready().await;
    assert_eq!(play.container_id().await, id);
    assert_eq!(play.ask("ping").await, "pong:ping");
    scene.close(controller).await;
}

#[tokio::test]
async fn a_paused_game_can_be_stopped() {
    let (scene, controller) = Scene::with_controller("paused-stop").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").grace(1)).await;
    play.until_ready().await;
    scene.engine.pause(&play.container_id().await).await;
    play.until_reason("Ready", "PausedOutside").await;
    play.stop().await;
    play.until_phase("Stopped").await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_container_renamed_by_hand_is_still_ours_to_stop_and_to_remove() {
    let (scene, controller) = Scene::with_controller("renamed").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let id = play.container_id().await;
    let other = format!("{}-other-name", scene.namespace);
    scene.engine.rename(&id, &other).await;
    play.patch(json!({"spec": {"activeDeadlineSeconds": 3600}}))
        .await;
    play.until_observed().await;
    assert_eq!(play.container_id().await, id, "one container, and the same");
    play.stop().await;
    play.until_phase("Stopped").await;
    play.until_seen("the renamed container is removed", || async {
        scene.engine.find(&id).await.is_none().then_some(())
    })
    .await;
    play.resume().await;
    play.until_ready().await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_stranger_with_our_name_is_never_touched_and_the_session_says_who_is_in_the_way() {
    let (scene, controller) = Scene::with_controller("foreign").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").stopped()).await;
    play.until_phase("Stopped").await;
    let name = container::name(&play.name, &play.uid);
    let stranger = scene.engine.create(&name, json!({"Image": TESTGAME})).await;
    scene.engine.start(&stranger).await;
    let before = scene.engine.inspect(&stranger).await;

    play.resume().await;
    let waiting = play.until_reason("Ready", "NameConflict").await;
    assert!(is(&waiting, "Stalled", ConditionStatus::True));
    assert!(why(&waiting, "Started").1.contains(&name));
    play.until_event("NameConflict").await;
    let after = scene.engine.inspect(&stranger).await;
    assert_eq!(before["State"], after["State"]);

    scene.engine.remove(&stranger).await;
    play.patch(json!({"spec": {"activeDeadlineSeconds": 3600}}))
        .await;
    let ready = play.until_ready().await;
    assert!(is(&ready, "Stalled", ConditionStatus::False));
    scene.close(controller).await;
}

#[tokio::test]
async fn a_session_is_deleted_though_a_stranger_has_its_name() {
    let (scene, controller) = Scene::with_controller("foreign-delete").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").stopped()).await;
    play.until_phase("Stopped").await;
    let name = container::name(&play.name, &play.uid);
    let stranger = scene.engine.create(&name, json!({"Image": TESTGAME})).await;
    play.resume().await;
    play.until_reason("Ready", "NameConflict").await;
    play.delete().await;
    play.until_gone().await;
    assert!(scene.engine.find(&stranger).await.is_some());
    scene.engine.remove(&stranger).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_container_of_an_older_attempt_that_appears_late_is_ended_and_the_game_goes_on() {
    let (scene, controller) = Scene::with_controller("late").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let first = play.inspect().await;
    play.stop().await;
    play.until_phase("Stopped").await;
    play.resume().await;
    play.until_ready().await;
    let id = play.container_id().await;

    // What a paused controller of an earlier leadership might still start: attempt 0, under another name.
    let labels = first["Config"]["Labels"].clone();
    assert_eq!(labels[keys::ATTEMPT], "0");
    let name = format!("{}-late", scene.namespace);
    let late = scene
        .engine
        .create(&name, json!({"Image": TESTGAME, "Labels": labels}))
        .await;
    scene.engine.start(&late).await;
    play.until_seen("the late container is gone", || async {
        scene.engine.find(&late).await.is_none().then_some(())
    })
    .await;
    assert_eq!(play.container_id().await, id);
    assert_eq!(play.ask("ping").await, "pong:ping");
    scene.close(controller).await;
}

#[tokio::test]
async fn storage_removed_by_hand_while_stopped_is_made_anew() {
    let (scene, controller) = Scene::with_controller("lost-volume").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.stop().await;
    play.until_phase("Stopped").await;
    play.until_seen("the container is removed", || async {
        play.containers().await.is_empty().then_some(())
    })
    .await;
    let volume = play.volumes().await[0]["Name"]
        .as_str()
        .expect("a name")
        .to_owned();
    scene.engine.remove_volume(&volume).await;
    play.resume().await;
    play.until_ready().await;
    let volumes = play.volumes().await;
    assert_eq!(
        volumes.len(),
        1,
        "labelled as ours, so that it goes with the session"
    );
    assert_eq!(volumes[0]["Name"], volume.as_str());
    scene.close(controller).await;
}

#[tokio::test]
async fn a_status_that_is_lost_is_found_again_from_the_running_container() {
    let (scene, controller) = Scene::with_controller("lost-status").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let id = play.container_id().await;
    // As after a restore of a backup of the cluster that is older than the session's start.
    let status = scene
        .sessions()
        .patch_status(
            &play.name,
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(json!({"status": null})),
        )
        .await
        .expect("the status is cleared");
    assert!(status.status.is_none());
    play.patch(json!({"spec": {"activeDeadlineSeconds": 3600}}))
        .await;
    let again = play.until_ready().await;
    assert_eq!(
        play.container_id().await,
        id,
        "adopted, not started a second time"
    );
    assert_eq!(again.status.and_then(|s| s.attempt), Some(0));
    scene.close(controller).await;
}

#[tokio::test]
async fn a_finalizer_taken_off_by_hand_is_put_on_again_while_something_of_ours_may_exist() {
    let (scene, controller) = Scene::with_controller("finalizer").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let id = play.container_id().await;
    play.patch(json!({"metadata": {"finalizers": null}})).await;
    play.until("has its finalizer again", |s| {
        s.metadata.finalizers.as_deref() == Some(&[FINALIZER.to_owned()])
    })
    .await;
    assert_eq!(play.container_id().await, id);
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_stopped_by_hand_in_order_has_ended_in_order() {
    let (scene, controller) = Scene::with_controller("docker-stop").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    scene.engine.stop(&play.container_id().await).await;
    // Exit code 0 after it was ready: nobody can tell it from a natural end.
    play.until_finished("Completed").await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_wish_is_kept_though_a_person_stops_the_container_and_starts_it_again() {
    let (scene, controller) = Scene::with_controller("docker-restart").await;
    scene
        .game(&testgame("arena").more_args(&["--term-code", "143"]))
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let (status, answer) = scene
        .engine
        .call(
            "POST",
            &format!("/containers/{}/restart?t=5", play.container_id().await),
            serde_json::Value::Null,
        )
        .await;
    // Removed in between, or restarted: the engine may say either.
    assert!(
        status == 204 || status == 404 || status == 409 || status == 500,
        "{status} {answer}"
    );
    // The restarted container may first go, since the end of its run is on record: whatever runs in the end is the one on
    // record, and answers.
    play.until_seen("the one container on record runs and answers", || async {
        let all = play.containers().await;
        let status = play.now().await.status?;
        let on_record = status.container?.id?;
        let one =
            all.len() == 1 && all[0]["State"] == "running" && all[0]["Id"] == on_record.as_str();
        let answer = ask::line(&status.address?, "ping").await?;
        (one && answer == "pong:ping").then_some(())
    })
    .await;
    assert!(is(&play.now().await, "Finished", ConditionStatus::False));
    scene.close(controller).await;
}
