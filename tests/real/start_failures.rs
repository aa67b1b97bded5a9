//! Containers that never come to life: a wrong command, a refused create, an image that is not there.

use dillinger_runner::api::{ConditionStatus, ImagePullPolicy};

use crate::harness::play::{is, phase_of, why};
use crate::harness::{Scene, session, testgame};

#[tokio::test]
async fn a_wrong_command_fails_with_the_engines_words() {
    let (scene, controller) = Scene::with_controller("wrong-command").await;
    scene
        .game(
            &testgame("arena")
                .command(&["/no/such/program"])
                .edit(|s| s.init_process = false),
        )
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    let done = play.until_finished("StartFailed").await;
    assert_eq!(phase_of(&done), "Failed");
    assert!(is(&done, "Stalled", ConditionStatus::True));
    let (_, message) = why(&done, "Finished");
    assert!(message.contains("/no/such/program"), "{message}");
    play.until_event("StartFailed").await;
    play.until_seen("the failed container is removed", || async {
        play.containers().await.is_empty().then_some(())
    })
    .await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_wrong_command_under_an_init_fails_too_and_says_what_is_missing() {
    let (scene, controller) = Scene::with_controller("wrong-command-init").await;
    scene
        .game(&testgame("arena").command(&["/no/such/program"]))
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    let done = play
        .until("is finished", |s| is(s, "Finished", ConditionStatus::True))
        .await;
    assert_eq!(phase_of(&done), "Failed");
    let (_, message) = why(&done, "Finished");
    assert!(message.contains("/no/such/program"), "{message}");
    scene.close(controller).await;
}

#[tokio::test]
async fn a_wrong_argument_that_ends_the_game_at_once_fails_with_its_words() {
    let (scene, controller) = Scene::with_controller("wrong-argument").await;
    scene
        .game(&testgame("arena").more_args(&["nonsense"]))
        .await;
    let play = scene.session(&session("friday", "arena")).await;
    let done = play
        .until("is finished", |s| is(s, "Finished", ConditionStatus::True))
        .await;
    assert_eq!(phase_of(&done), "Failed");
    let (_, message) = why(&done, "Finished");
    assert!(
        message.contains("nonsense"),
        "the last lines say why: {message}"
    );
    assert!(message.contains("64"), "the exit code: {message}");
    scene.close(controller).await;
}

#[tokio::test]
async fn a_memory_limit_that_the_engine_refuses_fails_at_once_with_its_words() {
    let (scene, controller) = Scene::with_controller("tiny-memory").await;
    scene.game(&testgame("arena")).await;
    let play = scene
        .session(&session("friday", "arena").memory("1Mi"))
        .await;
    let done = play.until_finished("StartFailed").await;
    assert_eq!(phase_of(&done), "Failed");
    let (_, message) = why(&done, "Finished");
    assert!(message.to_lowercase().contains("memory"), "{message}");
    assert!(play.containers().await.is_empty());
    scene.close(controller).await;
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_named_and_is_pulled_once_it_is_there() {
    let (scene, controller) = Scene::with_controller("bad-image").await;
    let name = format!("localhost/late-{}:1", scene.namespace);
    scene.game(&testgame("arena").image(&name)).await;
    let play = scene.session(&session("friday", "arena")).await;
    let failing = play.until_reason("ImageReady", "ImagePullFailed").await;
    assert_eq!(phase_of(&failing), "Starting");
    assert!(is(&failing, "Finished", ConditionStatus::False));
    let (_, message) = why(&failing, "ImageReady");
    assert!(message.contains(&name), "{message}");
    play.until_event("ImagePullFailed").await;

    let (repository, tag) = name.rsplit_once(':').expect("a tag");
    let path = format!("/images/dillinger/testgame:1/tag?repo={repository}&tag={tag}");
    let (status, answer) = scene
        .engine
        .call("POST", &path, serde_json::Value::Null)
        .await;
    assert_eq!(status, 201, "{answer}");
    play.until_ready().await;
    play.delete().await;
    play.until_gone().await;
    scene
        .engine
        .call(
            "DELETE",
            &format!("/images/{name}"),
            serde_json::Value::Null,
        )
        .await;
    scene.close(controller).await;
}

#[tokio::test]
async fn an_image_that_must_not_be_pulled_is_asked_for_and_not_pulled() {
    let (scene, controller) = Scene::with_controller("never-pull").await;
    let game = testgame("arena")
        .image("localhost/no-such-image:2")
        .edit(|s| s.image_pull_policy = ImagePullPolicy::Never);
    scene.game(&game).await;
    let play = scene.session(&session("friday", "arena")).await;
    let failing = play.until_reason("ImageReady", "ImagePullFailed").await;
    let (_, message) = why(&failing, "ImageReady");
    assert!(
        message.contains("Never") && message.contains("no-such-image"),
        "{message}"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn a_failed_start_is_a_failure_that_the_budget_pays_for() {
    let (scene, controller) = Scene::with_controller("start-budget").await;
    scene
        .game(
            &testgame("arena")
                .command(&["/no/such/program"])
                .edit(|s| s.init_process = false),
        )
        .await;
    let play = scene.session(&session("friday", "arena").restarts(1)).await;
    let waiting = play.until_reason("Ready", "BackOff").await;
    assert_eq!(waiting.status.as_ref().and_then(|s| s.restarts), Some(1));
    // The administrator mends the Game: the next attempt resolves it anew.
    scene
        .game(&testgame("arena").edit(|s| s.init_process = false))
        .await;
    let ready = play.until_ready().await;
    assert_eq!(ready.status.and_then(|s| s.attempt), Some(1));
    scene.close(controller).await;
}
