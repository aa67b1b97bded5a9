//! Sessions that break a rule of their Game: refused with a message that a player understands, and accepted once mended.

use dillinger_runner::api::{ConditionStatus, GameSession, RuntimeKind};
use serde_json::json;

use crate::harness::play::{is, phase_of, why};
use crate::harness::{Scene, SessionMaker, session, testgame};

async fn refused(scene: &Scene, wish: SessionMaker, reason: &str, says: &[&str]) -> GameSession {
    let play = scene.session(&wish).await;
    let seen = play.until_reason("Accepted", reason).await;
    assert!(is(&seen, "Accepted", ConditionStatus::False));
    assert_eq!(phase_of(&seen), "Pending");
    assert_eq!(why(&seen, "Ready").0, reason);
    let (_, message) = why(&seen, "Accepted");
    for word in says {
        assert!(message.contains(word), "{word:?} in {message:?}");
    }
    assert!(play.containers().await.is_empty());
    seen
}

#[tokio::test]
async fn parameters_are_checked_against_the_games_declarations() {
    let (scene, controller) = Scene::with_controller("parameters").await;
    let game = testgame("arena")
        .parameter(json!({"name": "MAP", "enum": ["dm1", "ctf2"], "default": "dm1"}))
        .parameter(json!({"name": "SLOTS", "pattern": "[1-9][0-9]?", "default": "8"}))
        .parameter(json!({"name": "OWNER", "required": true}));
    scene.game(&game).await;
    let good = || session("good", "arena").parameter("OWNER", "alice");
    let wish = |name: &str| session(name, "arena").parameter("OWNER", "alice");
    for (wish, says) in [
        (session("missing", "arena"), &["OWNER"][..]),
        (wish("unknown").parameter("COLOUR", "red"), &["COLOUR"][..]),
        (
            wish("not-listed").parameter("MAP", "dm9"),
            &["MAP", "dm9", "dm1"][..],
        ),
        (
            wish("no-match").parameter("SLOTS", "100"),
            &["SLOTS", "100"][..],
        ),
    ] {
        let seen = refused(&scene, wish, "ParametersInvalid", says).await;
        assert!(is(&seen, "Stalled", ConditionStatus::True));
    }
    scene.session(&good()).await.until_ready().await;
    scene.close(controller).await;
}

#[tokio::test]
async fn parameters_and_ports_reach_the_game_where_its_arguments_name_them() {
    let (scene, controller) = Scene::with_controller("expansion").await;
    let game = testgame("arena")
        .parameter(json!({"name": "NAME", "default": "x"}))
        .more_args(&[
            "--print",
            "name=$(NAME) port=$(PORT_GAME) user=$(USER_ID) $$(kept)",
        ])
        .edit(|s| {
            s.env = serde_json::from_value(json!([{"name": "TITLE", "value": "$(NAME)!"}]))
                .expect("env")
        });
    scene.game(&game).await;
    let play = scene
        .session(&session("friday", "arena").parameter("NAME", "a; b $(x) `c`"))
        .await;
    play.until_ready().await;
    let port = play
        .address()
        .await
        .rsplit_once(':')
        .expect("a port")
        .1
        .to_owned();
    let told = play.ask("env").await;
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let args = told["args"].as_array().expect("args");
    let line = format!("name=a; b $(x) `c` port={port} user=alice $(kept)");
    assert!(args.iter().any(|a| *a == line.as_str()), "{args:?}");
    let env = told["env"].as_array().expect("env");
    assert!(env.iter().any(|e| e == "TITLE=a; b $(x) `c`!"), "{env:?}");
    scene.close(controller).await;
}

#[tokio::test]
async fn more_than_the_games_maximum_is_refused_with_both_numbers() {
    let (scene, controller) = Scene::with_controller("limits").await;
    scene
        .game(&testgame("arena").edit(|s| s.max_active_deadline_seconds = Some(600)))
        .await;
    let big = session("memory", "arena").memory("1Gi");
    let seen = refused(
        &scene,
        big,
        "ResourcesTooLarge",
        &["memory", "1Gi", "256Mi"],
    )
    .await;
    assert!(is(&seen, "Stalled", ConditionStatus::True));
    refused(
        &scene,
        session("cpu", "arena").cpu("3"),
        "ResourcesTooLarge",
        &["cpu", "3", "2"],
    )
    .await;
    let long = session("deadline", "arena").active_deadline(601);
    refused(&scene, long, "DeadlineTooLong", &["601", "600"]).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_deadline_edited_above_the_maximum_is_said_and_the_maximum_applies() {
    let (scene, controller) = Scene::with_controller("edited-above").await;
    scene
        .game(&testgame("arena").edit(|s| s.max_active_deadline_seconds = Some(4)))
        .await;
    let play = scene
        .session(&session("friday", "arena").active_deadline(4))
        .await;
    play.until_ready().await;
    play.patch(json!({"spec": {"activeDeadlineSeconds": 3600}}))
        .await;
    play.until_reason("Accepted", "DeadlineTooLong").await;
    play.until_finished("DeadlineExceeded").await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_runtime_that_is_not_served_is_refused() {
    let (scene, controller) = Scene::with_controller("runtime").await;
    scene.game(&testgame("arena")).await;
    scene
        .game(&testgame("pods").edit(|s| s.runtimes = vec![RuntimeKind::Pod]))
        .await;
    let pod = session("pod", "arena").edit(|s| s.runtime = Some(RuntimeKind::Pod));
    refused(&scene, pod, "RuntimeNotAllowed", &["Pod"]).await;
    refused(
        &scene,
        session("pods", "pods"),
        "RuntimeNotAllowed",
        &["Pod", "Docker"],
    )
    .await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_refused_session_is_accepted_as_soon_as_its_deadline_is_mended() {
    let (scene, controller) = Scene::with_controller("mended").await;
    scene
        .game(&testgame("arena").edit(|s| s.max_active_deadline_seconds = Some(600)))
        .await;
    let play = scene
        .session(&session("friday", "arena").active_deadline(601))
        .await;
    play.until_reason("Accepted", "DeadlineTooLong").await;
    play.patch(json!({"spec": {"activeDeadlineSeconds": 600}}))
        .await;
    let ready = play.until_ready().await;
    assert!(is(&ready, "Stalled", ConditionStatus::False));
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_without_storage_says_that_nothing_is_kept() {
    let (scene, controller) = Scene::with_controller("no-storage").await;
    scene.game(&testgame("arena").no_storage()).await;
    let play = scene.session(&session("friday", "arena")).await;
    let ready = play.until_ready().await;
    let (_, message) = why(&ready, "Accepted");
    assert!(message.contains("storage"), "{message:?}");
    scene.close(controller).await;
}
