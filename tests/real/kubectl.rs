//! What a person sees who has kubectl and nothing else.

use crate::harness::{Scene, session, testgame};

#[tokio::test]
async fn kubectl_waits_shows_and_explains() {
    let (scene, controller) = Scene::with_controller("kubectl").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    let in_namespace = ["--namespace", scene.namespace.as_str()];
    let kubectl = |args: &[&str]| {
        let all: Vec<String> = in_namespace
            .iter()
            .chain(args)
            .map(|a| (*a).to_owned())
            .collect();
        let world = scene.world.clone();
        async move {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            world.kubectl(&all).await
        }
    };
    let waited = kubectl(&[
        "wait",
        "--for=condition=Ready",
        "--timeout=90s",
        "gsess/friday",
    ])
    .await;
    assert!(waited.contains("condition met"), "{waited}");

    let address = play.address().await;
    let shown = kubectl(&["get", "gamesessions"]).await;
    println!("{shown}");
    for word in [
        "NAME", "GAME", "USER", "PHASE", "READY", "ADDRESS", "AGE", "friday", "arena", "alice",
        "Running", "True", &address,
    ] {
        assert!(shown.contains(word), "{word} in\n{shown}");
    }
    let wide = kubectl(&["get", "gsess", "-o", "wide"]).await;
    println!("{wide}");
    for word in ["REASON", "RESTARTS", "RUNTIME", "HOST", "Docker"] {
        assert!(wide.contains(word), "{word} in\n{wide}");
    }
    let both = kubectl(&["get", "dillinger"]).await;
    assert!(both.contains("game.dillinger.dev/arena"), "{both}");
    assert!(both.contains("gamesession.dillinger.dev/friday"), "{both}");
    let explained = kubectl(&["explain", "gamesession.spec.activeDeadlineSeconds"]).await;
    assert!(
        explained.contains("DESCRIPTION") && !explained.contains("<empty>"),
        "{explained}"
    );
    let by_user = kubectl(&[
        "get",
        "gsess",
        "--field-selector",
        "spec.user=alice,status.phase=Running",
    ])
    .await;
    assert!(by_user.contains("friday"), "{by_user}");

    scene
        .game(&testgame("broken").command(&["/no/such/program"]))
        .await;
    let broken = scene.session(&session("broken", "broken")).await;
    broken.until_phase("Failed").await;
    let event = broken
        .until_seen("there is a Warning", || async {
            broken
                .events()
                .await
                .into_iter()
                .find(|e| e.type_.as_deref() == Some("Warning"))
        })
        .await;
    let described = kubectl(&["describe", "gamesession", "broken"]).await;
    println!("{described}");
    let (_, events) = described
        .split_once("Events:")
        .expect("describe shows events");
    assert!(
        events.contains("Warning") && events.contains(&event.reason.expect("a reason")),
        "{events}"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn a_namespace_that_is_deleted_goes_with_its_games_and_their_storage() {
    let mut scene = Scene::open("whole-namespace").await;
    // Its own namespace takes no new Lease while it is being deleted.
    scene.options.lease_namespace = "default".to_owned();
    let controller = scene.controller().await;
    scene.game(&testgame("arena")).await;
    let running = scene.session(&session("running", "arena")).await;
    let stopped = scene.session(&session("stopped", "arena")).await;
    let waiting = scene.session(&session("waiting", "no-such-game")).await;
    running.until_ready().await;
    stopped.until_ready().await;
    stopped.stop().await;
    stopped.until_phase("Stopped").await;
    waiting.until_reason("Accepted", "GameNotFound").await;
    let name = scene.namespace.clone();
    scene
        .world
        .kubectl(&["delete", "namespace", &name, "--timeout=90s"])
        .await;
    assert!(scene.containers().await.is_empty() && scene.volumes().await.is_empty());
    scene.close(controller).await;
}
