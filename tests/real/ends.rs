//! Games that end by themselves: in order, by a crash, by the kernel; restarts and their budget; the TTL.

use dillinger_runner::api::{ConditionStatus, GameSession};

use crate::harness::play::{is, phase_of, why};
use crate::harness::{GameMaker, Scene, session, testgame};

fn last_exit(session: &GameSession) -> dillinger_runner::api::LastExit {
    session
        .status
        .as_ref()
        .and_then(|s| s.last_exit.clone())
        .expect("a last exit")
}

#[tokio::test]
async fn a_game_that_ends_with_0_after_it_was_ready_is_completed() {
    let (scene, controller) = Scene::with_controller("natural-end").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.tell("exit 0").await;
    let done = play.until_finished("Completed").await;
    assert_eq!(phase_of(&done), "Succeeded");
    assert!(is(&done, "Stalled", ConditionStatus::False));
    assert!(is(&done, "Ready", ConditionStatus::False));
    assert_eq!(last_exit(&done).exit_code, Some(0));
    assert_eq!(last_exit(&done).reason.as_deref(), Some("Completed"));
    assert!(
        !why(&done, "Finished").1.contains("server ended"),
        "no log after a clean end"
    );
    play.until(
        "keeps its resource and its storage, without a container",
        |s| s.status.as_ref().is_some_and(|t| t.address.is_none()),
    )
    .await;
    play.until_seen("the container is removed", || async {
        play.containers().await.is_empty().then_some(())
    })
    .await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_without_readiness_that_ends_with_0_is_completed_however_soon() {
    let (scene, controller) = Scene::with_controller("quick-end").await;
    let game = GameMaker::bare("sprint").args(&["--exit-after", "1ms"]);
    scene.game(&game).await;
    let play = scene.session(&session("friday", "sprint")).await;
    play.until_finished("Completed").await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_that_ends_with_0_before_it_was_ready_has_failed() {
    let (scene, controller) = Scene::with_controller("early-end").await;
    let game = testgame("arena").more_args(&["--never-ready", "--exit-after", "300ms"]);
    scene.game(&game).await;
    let play = scene.session(&session("friday", "arena")).await;
    let done = play.until_finished("ExitedBeforeReady").await;
    assert_eq!(phase_of(&done), "Failed");
    assert!(is(&done, "Stalled", ConditionStatus::True));
    scene.close(controller).await;
}

#[tokio::test]
async fn a_crash_says_its_code_and_the_last_lines_of_the_log_made_safe() {
    let (scene, controller) = Scene::with_controller("crash").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    assert_eq!(play.ask("hostile").await, "ok");
    play.tell("crash 3").await;
    let done = play.until_finished("Error").await;
    assert_eq!(phase_of(&done), "Failed");
    assert_eq!(last_exit(&done).exit_code, Some(3));
    let (_, message) = why(&done, "Finished");
    assert!(message.contains("told to crash with 3"), "{message}");
    assert!(message.contains('3'), "{message}");
    let hostile = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!message.contains(hostile), "{message:?}");
    play.until_event("Error").await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_that_takes_too_much_memory_is_named_as_such() {
    let (scene, controller) = Scene::with_controller("oom").await;
    scene.game(&testgame("arena")).await;
    let play = scene
        .session(&session("friday", "arena").memory("32Mi"))
        .await;
    play.until_ready().await;
    assert_eq!(play.ask("hog").await, "ok");
    let done = play.until_finished("OOMKilled").await;
    assert_eq!(last_exit(&done).oom_killed, Some(true));
    assert_eq!(last_exit(&done).exit_code, Some(137));
    let (_, message) = why(&done, "Finished");
    assert!(message.contains("memory"), "{message}");
    scene.close(controller).await;
}

#[tokio::test]
async fn a_crash_is_restarted_with_the_world_kept_until_the_budget_is_spent() {
    let (scene, controller) = Scene::with_controller("budget").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").restarts(1)).await;
    play.until_ready().await;
    let world = play.ask("world").await;
    play.tell("crash 7").await;

    let waiting = play.until_reason("Ready", "BackOff").await;
    let status = waiting.status.as_ref().expect("a status");
    assert_eq!((status.restarts, status.attempt), (Some(1), Some(1)));
    assert!(status.container.is_none() && status.address.is_none());
    assert_eq!(last_exit(&waiting).exit_code, Some(7));
    let began = status.start_time.clone();

    let again = play.until_ready().await;
    assert_eq!(
        again.status.as_ref().and_then(|s| s.start_time.clone()),
        began,
        "the run's start is kept over restarts"
    );
    let kept = play.ask("world").await;
    assert!(
        kept.starts_with(world.lines().next().expect("an id")),
        "{kept}"
    );

    play.tell("crash 7").await;
    let done = play.until_finished("Error").await;
    assert!(is(&done, "Stalled", ConditionStatus::True));
    let (_, message) = why(&done, "Finished");
    assert!(
        message.contains("restart"),
        "the spent budget is said: {message}"
    );
    assert_eq!(done.status.as_ref().and_then(|s| s.restarts), Some(1));
    scene.close(controller).await;
}

#[tokio::test]
async fn a_finished_session_goes_away_with_its_storage_when_its_time_is_over() {
    let (scene, controller) = Scene::with_controller("ttl").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").ttl(1)).await;
    play.until_ready().await;
    play.tell("exit 0").await;
    play.until_gone().await;
    assert!(scene.containers().await.is_empty());
    assert!(scene.volumes().await.is_empty());
    scene.close(controller).await;
}

#[tokio::test]
async fn a_finished_session_never_starts_again_and_says_so() {
    let (scene, controller) = Scene::with_controller("finished").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.tell("exit 0").await;
    let done = play.until_finished("Completed").await;
    play.stop().await;
    let refused = play
        .try_patch(serde_json::json!({"spec": {"desiredState": "Running"}}))
        .await
        .expect_err("a finished session cannot be resumed");
    assert!(refused.to_string().contains("has finished"), "{refused}");
    let seen = play.until_observed().await;
    assert_eq!(
        seen.status.as_ref().and_then(|s| s.finish_time.clone()),
        done.status.as_ref().and_then(|s| s.finish_time.clone())
    );
    scene.close(controller).await;
}
