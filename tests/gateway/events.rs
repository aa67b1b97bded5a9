//! `GET /events`: a snapshot, then every change, to many listeners at once.

use serde_json::json;

use crate::client::call;
use crate::example;
use crate::harness::until;
use crate::listener::{Event, Listener};
use crate::old_calls::until_catalog;
use crate::process;

/// Listeners at once.
const LISTENERS: usize = 200;

#[tokio::test]
async fn a_listener_sees_a_session_come_run_and_go() {
    let (scene, controller, mut gateway) = process::scene("events").await;
    scene.game(&example()).await;
    until_catalog(&gateway, 1).await;
    let mut listener = Listener::at(gateway.port, None).await;
    let first = listener.next().await.expect("a snapshot");
    assert_eq!((first.name.as_str(), &first.data), ("snapshot", &json!([])));
    let session = gateway.made(&json!({"gameId": "g"})).await;
    let id = session["id"].clone();
    let running = loop {
        let event = listener.next().await.expect("an event");
        assert_eq!((event.name.as_str(), &event.data["id"]), ("session", &id));
        assert!(event.id > first.id);
        if event.data["status"] == "running" {
            break event;
        }
    };
    assert_eq!(running.data["address"], session["address"]);
    // One that comes later begins with all that there is.
    let mut late = Listener::at(gateway.port, None).await;
    let snapshot = late.next().await.expect("a snapshot");
    assert_eq!(snapshot.data[0], running.data);
    let path = format!("DELETE /sessions/{}", id.as_str().expect("an id"));
    assert_eq!(gateway.ask(&call(&path)).await.status, 200);
    for listener in [&mut listener, &mut late] {
        let gone = listener
            .until("it is gone", |event| event.name == "gone")
            .await;
        assert_eq!(gone.data, json!({"id": id}));
    }
    // The end of the gateway ends the streams, and they do not hold it up.
    assert!(
        gateway.terminate().await.success(),
        "{}",
        gateway.log_text()
    );
    assert!(listener.next().await.is_none());
    scene.close(controller).await;
}

#[tokio::test]
async fn many_listeners_all_see_the_last_state_and_one_that_reads_nothing_holds_up_nobody() {
    let (scene, controller, gateway) = process::scene_with("fan-out", &["--rate-limit", "0"]).await;
    scene.game(&example()).await;
    until_catalog(&gateway, 1).await;
    let _asleep = Listener::at(gateway.port, None).await;
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS {
        listeners.push(Listener::at(gateway.port, None).await);
    }
    let session = gateway.made(&json!({"gameId": "g"})).await;
    let id = session["id"].as_str().expect("an id").to_owned();
    let changes = 50;
    for round in 0..changes {
        let state = if round % 2 == 0 { "stop" } else { "start" };
        let answer = gateway
            .ask(&call(&format!("POST /sessions/{id}/{state}")))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let last = until("it runs again", || async {
        let session = gateway.get(&format!("/sessions/{id}")).await.json();
        (session["status"] == "running" && session["desiredState"] == "Running").then_some(session)
    });
    let last = last.await;
    let mut seen = 0;
    for listener in &mut listeners {
        let is_last = |event: &Event| {
            event.data["status"] == "running"
                && event.data["container"]["id"] == last["container"]["id"]
                && event.data["desiredState"] == "Running"
        };
        listener.until("the last state", is_last).await;
        seen += 1;
    }
    assert_eq!(seen, LISTENERS);
    println!("fan-out: {seen} of {LISTENERS} listeners saw the last of {changes} changes");
    scene.close(controller).await;
}
