//! The API server is away: games go on, and what happened meanwhile is told when it is back.

use std::time::{Duration, Instant};

use dillinger_runner::api::{ConditionStatus, keys};

use crate::alone;
use crate::harness::play::is;
use crate::harness::{Scene, ask, session, testgame, until};

#[tokio::test]
async fn games_do_not_notice_that_the_api_server_was_away_for_20_seconds() {
    let _alone = alone().await;
    let (scene, mut controller) = Scene::with_controller("api-away").await;
    scene.game(&testgame("arena")).await;
    let mut plays = Vec::new();
    for n in 0..3 {
        plays.push(scene.session(&session(&format!("s{n}"), "arena")).await);
    }
    let crashing = scene.session(&session("crashing", "arena")).await;
    let mut before = Vec::new();
    for play in &plays {
        play.until_ready().await;
        before.push((play.container_id().await, play.address().await));
    }
    crashing.until_ready().await;
    let crash_address = crashing.address().await;
    let crash_id = crashing.container_id().await;
    let events = scene
        .engine
        .watch(&format!("{}={}", keys::NAMESPACE, scene.namespace))
        .await;

    scene.world.run("apiserver", &["stop"]).await;
    ask::tell(&crash_address, "crash 6")
        .await
        .expect("the game is told");
    let away = Instant::now();
    while away.elapsed() < Duration::from_secs(20) {
        for (_, address) in &before {
            until("the game answers while the API server is away", || {
                ask::line(address, "ping")
            })
            .await;
        }
        assert!(
            controller.ended().is_none(),
            "the controller gave up\n{}",
            controller.tail(40)
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    scene.world.run("apiserver", &["start"]).await;

    let done = crashing.until_finished("Error").await;
    assert_eq!(
        done.status
            .and_then(|s| s.last_exit)
            .and_then(|e| e.exit_code),
        Some(6)
    );
    let later = scene.session(&session("later", "arena")).await;
    later.until_ready().await;
    for (play, (id, _)) in plays.iter().zip(&before) {
        assert_eq!(play.container_id().await, *id);
        assert!(is(&play.now().await, "Ready", ConditionStatus::True));
        assert_eq!(play.now().await.status.and_then(|s| s.attempt), Some(0));
    }
    let of_later = later.container_id().await;
    let touched: Vec<_> = events
        .actions()
        .into_iter()
        .filter(|(_, id)| *id != of_later && *id != crash_id)
        .collect();
    assert_eq!(touched, [], "running games were touched");
    scene.close(controller).await;
}

#[tokio::test]
async fn a_controller_killed_while_the_api_server_is_away_starts_and_waits_for_it() {
    let _alone = alone().await;
    let (scene, mut controller) = Scene::with_controller("api-late").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let id = play.container_id().await;
    let address = play.address().await;
    controller.kill();
    scene.world.run("apiserver", &["stop"]).await;
    let mut controller = scene.launch(&scene.options);
    until("the admin port says that it is not ready", || async {
        controller
            .admin("GET", "/readyz", "")
            .await
            .filter(|(code, _)| *code != 200)
    })
    .await;
    assert_eq!(
        ask::line(&address, "ping").await.as_deref(),
        Some("pong:ping")
    );
    assert!(
        controller.ended().is_none(),
        "it gave up\n{}",
        controller.tail(40)
    );
    scene.world.run("apiserver", &["start"]).await;
    controller.until_ready().await;
    assert_eq!(play.container_id().await, id);
    play.stop().await;
    play.until_phase("Stopped").await;
    scene.close(controller).await;
}
