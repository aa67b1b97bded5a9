//! Something is missing at the controller's start: it says what, waits, and goes on by itself.

use crate::alone;
use crate::harness::{Scene, session, testgame, until};

#[tokio::test]
async fn without_an_engine_at_its_start_it_waits_and_says_so() {
    let _alone = alone().await;
    let scene = Scene::open("late-engine").await;
    scene.game(&testgame("arena")).await;
    scene.world.run("engine", &["stop"]).await;
    let mut controller = scene.launch(&scene.options);
    let (_, text) = until("it says what is missing", || async {
        let answer = controller.admin("GET", "/readyz", "").await?;
        (answer.0 != 200 && answer.1.to_lowercase().contains("engine")).then_some(answer)
    })
    .await;
    assert!(!text.is_empty());
    let (health, _) = controller
        .admin("GET", "/healthz", "")
        .await
        .expect("it answers");
    assert_eq!(health, 200, "waiting is no illness");
    let play = scene.session(&session("friday", "arena")).await;
    scene.world.run("engine", &["start"]).await;
    controller.until_ready().await;
    play.until_ready().await;
    scene.close(controller).await;
}

#[tokio::test]
async fn without_the_definitions_at_its_start_it_waits_and_says_so() {
    let _alone = alone().await;
    let scene = Scene::open("late-crds").await;
    scene.world.delete_definitions().await;
    let mut controller = scene.launch(&scene.options);
    until("it says what is missing", || async {
        let (code, text) = controller.admin("GET", "/readyz", "").await?;
        (code != 200 && text.contains("CustomResourceDefinition")).then_some(())
    })
    .await;
    assert!(controller.ended().is_none());
    scene.world.apply_definitions().await;
    controller.until_ready().await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    scene.close(controller).await;
}
