//! Deadlines: to become ready, to play, to get a container; and the grace after the signal.

use dillinger_runner::api::ConditionStatus;
use serde_json::json;

use crate::harness::play::{is, phase_of, why};
use crate::harness::{Scene, session, testgame};

#[tokio::test]
async fn a_start_that_hangs_ends_at_the_start_deadline() {
    let (scene, controller) = Scene::with_controller("start-deadline").await;
    scene
        .game(&testgame("arena").more_args(&["--never-ready"]))
        .await;
    let play = scene
        .session(&session("friday", "arena").start_deadline(2))
        .await;
    let done = play.until_finished("StartDeadlineExceeded").await;
    assert_eq!(phase_of(&done), "Failed");
    assert!(is(&done, "Stalled", ConditionStatus::True));
    let status = done.status.as_ref().expect("a status");
    assert!(status.start_time.is_none(), "it was never ready");
    let (_, message) = why(&done, "Finished");
    assert!(message.contains('2'), "the deadline is named: {message}");
    scene.close(controller).await;
}

#[tokio::test]
async fn playtime_ends_at_the_active_deadline_and_not_before() {
    let (scene, controller) = Scene::with_controller("active-deadline").await;
    scene.game(&testgame("arena")).await;
    let play = scene
        .session(&session("friday", "arena").active_deadline(3))
        .await;
    play.until_ready().await;
    let done = play.until_finished("DeadlineExceeded").await;
    assert_eq!(phase_of(&done), "TimedOut");
    assert!(
        is(&done, "Stalled", ConditionStatus::False),
        "nothing to mend"
    );
    let status = done.status.as_ref().expect("a status");
    let stop = status.stop.as_ref().expect("a recorded stop");
    assert_eq!(stop.reason.as_deref(), Some("DeadlineExceeded"));
    let start = status.start_time.as_ref().expect("a start").0;
    let end = stop.time.as_ref().expect("a time").0;
    // Times in a status are whole seconds.
    assert!(
        (end - start).get_seconds() >= 2,
        "ended after {}",
        end - start
    );
    play.until_seen("the container is removed", || async {
        play.containers().await.is_empty().then_some(())
    })
    .await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_deadline_that_is_edited_while_it_runs_counts_at_once() {
    let (scene, controller) = Scene::with_controller("edited-deadline").await;
    scene.game(&testgame("arena")).await;
    let play = scene
        .session(&session("friday", "arena").active_deadline(3600))
        .await;
    play.until_ready().await;
    play.patch(json!({"spec": {"activeDeadlineSeconds": 1}}))
        .await;
    play.until_finished("DeadlineExceeded").await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_session_that_gets_no_container_ends_at_the_provision_deadline() {
    let scene = Scene::open("provision-deadline").await;
    let controller = scene
        .controller_with(&scene.options.clone().flag("--provision-deadline", "2"))
        .await;
    let play = scene.session(&session("friday", "no-such-game")).await;
    let done = play
        .until("is refused or finished", |s| {
            is(s, "Finished", ConditionStatus::True)
                || crate::harness::play::cond(s, "Accepted")
                    .is_some_and(|c| c.reason == "GameNotFound")
        })
        .await;
    assert!(is(&done, "Accepted", ConditionStatus::False));
    scene
        .game(&testgame("arena").image("localhost/no-such-image:1"))
        .await;
    let second = scene.session(&session("second", "arena")).await;
    let done = second.until_finished("ImagePullFailed").await;
    assert_eq!(phase_of(&done), "Failed");
    assert!(why(&done, "Finished").1.contains("no-such-image"));
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_that_ignores_the_signal_is_killed_after_its_grace_and_that_is_a_clean_stop() {
    let (scene, controller) = Scene::with_controller("grace").await;
    scene
        .game(&testgame("arena").more_args(&["--ignore-term"]))
        .await;
    let play = scene.session(&session("friday", "arena").grace(1)).await;
    play.until_ready().await;
    play.stop().await;
    let stopped = play.until_phase("Stopped").await;
    let exit = stopped
        .status
        .and_then(|s| s.last_exit)
        .expect("a last exit");
    assert_eq!(exit.exit_code, Some(137));
    assert_eq!(exit.reason.as_deref(), Some("Requested"));
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_gets_its_whole_grace_to_save() {
    let (scene, controller) = Scene::with_controller("slow-save").await;
    let game = testgame("arena")
        .more_args(&["--term-after", "2s", "--term-code", "4"])
        .grace(30);
    scene.game(&game).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.stop().await;
    let stopping = play.until_phase("Stopping").await;
    assert!(
        is(&stopping, "Ready", ConditionStatus::False),
        "not ready before the signal"
    );
    let stopped = play.until_phase("Stopped").await;
    let exit = stopped
        .status
        .and_then(|s| s.last_exit)
        .expect("a last exit");
    assert_eq!(exit.exit_code, Some(4), "its own code: it was not killed");
    scene.close(controller).await;
}
