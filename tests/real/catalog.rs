//! The Game changes, breaks, vanishes or comes late: what runs goes on, what starts next sees it.

use dillinger_runner::api::ConditionStatus;
use serde_json::json;

use crate::harness::play::{is, phase_of, why};
use crate::harness::{Scene, session, testgame};

#[tokio::test]
async fn a_session_waits_for_a_game_that_is_missing_and_starts_when_it_comes() {
    let (scene, controller) = Scene::with_controller("late-game").await;
    let play = scene.session(&session("friday", "arena")).await;
    let waiting = play.until_reason("Accepted", "GameNotFound").await;
    assert_eq!(phase_of(&waiting), "Pending");
    assert!(
        is(&waiting, "Stalled", ConditionStatus::False),
        "it may still come"
    );
    assert!(why(&waiting, "Accepted").1.contains("arena"));
    scene.game(&testgame("arena")).await;
    play.until_ready().await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_deleted_while_it_is_played_stops_nothing() {
    let (scene, controller) = Scene::with_controller("deleted-game").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let id = play.container_id().await;
    scene.delete_game("arena").await;
    // The next thing that the controller does for this session must work without the Game.
    play.patch(json!({"spec": {"activeDeadlineSeconds": 3600}}))
        .await;
    play.until_observed().await;
    assert_eq!(play.ask("ping").await, "pong:ping");
    assert_eq!(play.container_id().await, id);
    play.stop().await;
    play.until_phase("Stopped").await;
    play.delete().await;
    play.until_gone().await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_deleted_during_back_off_is_waited_for() {
    let (scene, controller) = Scene::with_controller("backoff-game").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").restarts(2)).await;
    play.until_ready().await;
    let world = play.ask("world").await;
    play.tell("crash 1").await;
    play.until_reason("Ready", "BackOff").await;
    scene.delete_game("arena").await;
    let waiting = play.until_reason("Accepted", "GameNotFound").await;
    assert_eq!(phase_of(&waiting), "Starting");
    assert!(is(&waiting, "Stalled", ConditionStatus::False));
    scene.game(&testgame("arena")).await;
    play.until_ready().await;
    let kept = play.ask("world").await;
    assert!(
        kept.starts_with(world.lines().next().expect("an id")),
        "{kept}"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn an_edit_of_the_game_reaches_the_next_attempt_and_not_the_running_one() {
    let (scene, controller) = Scene::with_controller("edited-game").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    let first = play.until_ready().await;
    let id = play.container_id().await;
    scene
        .game(&testgame("arena").more_args(&["--print", "second edition"]))
        .await;
    play.patch(json!({"spec": {"activeDeadlineSeconds": 3600}}))
        .await;
    play.until_observed().await;
    assert_eq!(play.container_id().await, id);
    play.stop().await;
    play.until_phase("Stopped").await;
    play.resume().await;
    let second = play.until_ready().await;
    assert!(play.ask("env").await.contains("second edition"));
    let generation = |s: &dillinger_runner::api::GameSession| {
        s.status
            .as_ref()
            .and_then(|t| t.game.as_ref())
            .and_then(|g| g.generation)
    };
    assert_eq!(
        (generation(&first), generation(&second)),
        (Some(1), Some(2))
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_that_breaks_stops_the_next_attempt_only_and_mends_by_another_edit() {
    let (scene, controller) = Scene::with_controller("broken-game").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    // No schema can see that an argument names a parameter that is not declared.
    scene
        .game(&testgame("arena").more_args(&["--print", "$(NO_SUCH_NAME)"]))
        .await;
    assert_eq!(play.ask("ping").await, "pong:ping");
    play.stop().await;
    play.until_phase("Stopped").await;
    play.resume().await;
    let broken = play.until_reason("Ready", "GameInvalid").await;
    assert!(is(&broken, "Accepted", ConditionStatus::False));
    assert!(is(&broken, "Stalled", ConditionStatus::True));
    assert!(why(&broken, "Accepted").1.contains("NO_SUCH_NAME"));
    scene.game(&testgame("arena")).await;
    let ready = play.until_ready().await;
    assert!(is(&ready, "Stalled", ConditionStatus::False));
    scene.close(controller).await;
}

#[tokio::test]
async fn a_pattern_that_does_not_compile_makes_the_game_invalid() {
    let (scene, controller) = Scene::with_controller("bad-pattern").await;
    scene
        .game(&testgame("arena").readiness(json!({"log": {"pattern": "(unclosed"}})))
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    let broken = play.until_reason("Accepted", "GameInvalid").await;
    assert!(why(&broken, "Accepted").1.contains("(unclosed"));
    assert!(play.containers().await.is_empty());
    scene.close(controller).await;
}

#[tokio::test]
async fn a_games_grace_at_its_containers_start_counts_for_that_container() {
    let (scene, controller) = Scene::with_controller("game-grace").await;
    scene
        .game(
            &testgame("arena")
                .more_args(&["--term-after", "1s", "--term-code", "5"])
                .grace(30),
        )
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    scene.game(&testgame("arena").grace(0)).await;
    play.stop().await;
    let stopped = play.until_phase("Stopped").await;
    let exit = stopped
        .status
        .and_then(|s| s.last_exit)
        .expect("a last exit");
    assert_eq!(
        exit.exit_code,
        Some(5),
        "the grace of its own contract was given"
    );
    scene.close(controller).await;
}
