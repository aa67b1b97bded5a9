//! The engine dies, is stopped, or hangs: games come back with their worlds, and nothing is decided in doubt.

use dillinger_runner::api::{ConditionStatus, keys};

use crate::alone;
use crate::harness::play::{is, phase_of, why};
use crate::harness::{Play, Scene, World, session, testgame};

async fn five(scene: &Scene) -> Vec<(Play<'_>, String)> {
    scene.game(&testgame("arena")).await;
    let mut plays = Vec::new();
    for n in 0..5 {
        let play = scene.session(&session(&format!("s{n}"), "arena")).await;
        plays.push(play);
    }
    let mut with_worlds = Vec::new();
    for play in plays {
        play.until_ready().await;
        assert_eq!(play.ask(&format!("append by {}", play.name)).await, "ok");
        let world = play.ask("world").await;
        with_worlds.push((play, world.lines().next().expect("an id").to_owned()));
    }
    with_worlds
}

/// Ready again in attempt 1, with the same world, and nothing charged.
async fn came_back(plays: &[(Play<'_>, String)]) {
    for (play, id) in plays {
        let again = play
            .until("is Ready again", |s| {
                is(s, "Ready", ConditionStatus::True)
                    && s.status.as_ref().and_then(|t| t.attempt) == Some(1)
            })
            .await;
        let status = again.status.expect("a status");
        assert_eq!(status.restarts.unwrap_or(0), 0, "{} paid for it", play.name);
        assert_eq!(status.interruptions, Some(1));
        let exit = status.last_exit.expect("a last exit");
        assert_eq!(exit.reason.as_deref(), Some("Interrupted"));
        let world = play.ask("world").await;
        assert!(
            world.starts_with(id) && world.contains(&format!("by {}", play.name)),
            "{world}"
        );
        play.container().await;
    }
}

#[tokio::test]
async fn five_games_come_back_with_their_worlds_after_the_engine_was_killed() {
    let _alone = alone().await;
    let (scene, controller) = Scene::with_controller("engine-killed").await;
    let plays = five(&scene).await;
    scene.world.run("engine", &["kill"]).await;
    scene.world.run("engine", &["start"]).await;
    came_back(&plays).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn five_games_come_back_after_the_engine_was_stopped_in_order_though_they_ended_with_0() {
    let _alone = alone().await;
    let (scene, controller) = Scene::with_controller("engine-stopped").await;
    let plays = five(&scene).await;
    scene.world.run("engine", &["stop"]).await;
    scene.world.run("engine", &["start"]).await;
    came_back(&plays).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn engine_and_controller_killed_together_the_games_come_back() {
    let _alone = alone().await;
    let (scene, mut controller) = Scene::with_controller("both-killed").await;
    let plays = five(&scene).await;
    controller.kill();
    scene.world.run("engine", &["kill"]).await;
    // As after a reboot: the controller is up before the engine is.
    let mut controller = scene.launch(&scene.options);
    scene.world.run("engine", &["start"]).await;
    controller.until_ready().await;
    came_back(&plays).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn while_the_engine_is_away_sessions_say_so_and_wishes_wait_for_it() {
    let _alone = alone().await;
    let (scene, controller) = Scene::with_controller("engine-away").await;
    scene.game(&testgame("arena")).await;
    let running = scene
        .session(&session("running", "arena").active_deadline(5))
        .await;
    let stopping = scene.session(&session("stopping", "arena")).await;
    let deleted = scene.session(&session("deleted", "arena")).await;
    for play in [&running, &stopping, &deleted] {
        play.until_ready().await;
    }
    scene.world.run("engine", &["stop"]).await;
    stopping.stop().await;
    deleted.delete().await;
    let fresh = scene.session(&session("fresh", "arena")).await;
    let unborn = scene.session(&session("unborn", "arena")).await;

    for play in [&running, &stopping, &fresh] {
        let seen = play.until_reason("Ready", "EngineUnreachable").await;
        assert!(is(&seen, "Ready", ConditionStatus::Unknown));
        assert_eq!(phase_of(&seen), "Unknown");
        assert!(!why(&seen, "Ready").1.is_empty());
        assert!(
            is(&seen, "Finished", ConditionStatus::False),
            "doubt decides nothing"
        );
    }
    assert!(
        deleted.now().await.metadata.finalizers.is_some(),
        "its container may still exist"
    );
    unborn.delete().await;
    unborn.until_gone().await;

    scene.world.run("engine", &["start"]).await;
    deleted.until_gone().await;
    stopping.until_phase("Stopped").await;
    fresh.until_ready().await;
    // Its playtime is over by now, or soon will be; the engine's outage has not eaten the session.
    running.until_finished("DeadlineExceeded").await;
    scene.close(controller).await;
}

#[tokio::test]
async fn an_engine_that_hangs_costs_no_game_and_no_write_to_it() {
    let _alone = alone().await;
    let (scene, controller) = Scene::with_controller("engine-frozen").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let id = play.container_id().await;
    let events = scene
        .engine
        .watch(&format!("{}={}", keys::NAMESPACE, scene.namespace))
        .await;
    scene.world.run("engine", &["freeze"]).await;
    play.until_reason("Ready", "EngineUnreachable").await;
    assert_eq!(
        crate::harness::ask::line(&play.address().await, "ping")
            .await
            .as_deref(),
        Some("pong:ping"),
        "the game itself goes on"
    );
    scene.world.run("engine", &["thaw"]).await;
    play.until_ready().await;
    assert_eq!(play.container_id().await, id);
    assert_eq!(events.actions(), [], "the engine was written to");
    scene.close(controller).await;
}

#[tokio::test]
async fn with_live_restore_no_game_notices_that_the_engine_was_restarted_or_killed() {
    let _alone = alone().await;
    let world = World::here();
    world.run("engine", &["stop"]).await;
    world.run("engine", &["start", "--live-restore"]).await;
    let (scene, controller) = Scene::with_controller("live-restore").await;
    let plays = five(&scene).await;
    let mut before = Vec::new();
    for (play, _) in &plays {
        let state = play.inspect().await["State"].clone();
        before.push((play.container_id().await, state["Pid"].clone()));
    }
    for how in ["stop", "kill"] {
        scene.world.run("engine", &[how]).await;
        for (_, pid) in &before {
            let running = std::path::Path::new(&format!("/proc/{pid}")).exists();
            assert!(running, "{how}: the engine took a game along");
        }
        scene
            .world
            .run("engine", &["start", "--live-restore"])
            .await;
        // The controller speaks with it again.
        let later = scene.session(&session(how, "arena")).await;
        later.until_ready().await;
        for ((play, _), (id, pid)) in plays.iter().zip(&before) {
            let ready = play.until_ready().await;
            assert_eq!(play.ask("ping").await, "pong:ping");
            assert_eq!(play.container_id().await, *id, "{how}");
            assert_eq!(play.inspect().await["State"]["Pid"], *pid, "{how}");
            let status = ready.status.expect("a status");
            assert_eq!(status.attempt, Some(0), "{how}");
            assert_eq!(status.interruptions.unwrap_or(0), 0, "{how}");
        }
    }
    drop(plays);
    scene.close(controller).await;
    world.run("engine", &["stop"]).await;
    world.run("engine", &["start"]).await;
}
