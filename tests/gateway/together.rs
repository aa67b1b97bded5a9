//! `dillinger-runner run`: controller and gateway in one process.

use serde_json::json;

use crate::client::{call, whole};
use crate::example;
use crate::harness::{Scene, until};
use crate::old_calls::{replay, slow_example};
use crate::process::free_port;

#[tokio::test]
async fn one_process_does_both_and_ends_as_one() {
    let mut scene = Scene::open("together").await;
    let port = free_port();
    scene.options = scene
        .options
        .clone()
        .command("run")
        .flag("--gateway-address", &format!("127.0.0.1:{port}"))
        .flag("--namespace", &scene.namespace);
    slow_example(&scene).await;
    let mut controller = scene.controller().await;
    until("the catalog is there", || async {
        let answer = whole(port, &call("GET /games")).await.ok()?;
        (answer.status == 200 && answer.json() != json!([])).then_some(())
    })
    .await;
    let calls = replay(port).await;
    println!("old calls in one process: {calls} of {calls} fit");

    scene.game(&example()).await;
    let wish = call("POST /sessions").json(&json!({"gameId": "g"}));
    let session = whole(port, &wish).await.expect("an answer").json();
    assert_eq!(session["status"], "running", "{session:#}");
    let id = session["id"].as_str().expect("an id");
    let log = whole(port, &call(&format!("GET /sessions/{id}/logs")))
        .await
        .expect("an answer");
    assert_eq!(log.status, 200, "no flag is needed for logs: {log:?}");

    // Killed and started again: the game runs on, and the session is the same.
    let container = session["container"]["id"].clone();
    controller.kill();
    let controller = scene.controller().await;
    let again = until("it is shown again", || async {
        let answer = whole(port, &call(&format!("GET /sessions/{id}")))
            .await
            .ok()?;
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(again.await["container"]["id"], container);
    scene.close(controller).await;
    assert!(
        whole(port, &call("GET /health")).await.is_err(),
        "its address is free again"
    );
}
