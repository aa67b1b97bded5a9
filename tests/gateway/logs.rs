//! A game's log over REST.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, Lines};

use crate::client::{Rest, begin, call};
use crate::example;
use crate::harness::{LIMIT, ask, until};
use crate::old_calls::until_catalog;
use crate::process::{self, Gateway};

async fn next_line(lines: &mut Lines<Rest>) -> String {
    let next = tokio::time::timeout(LIMIT, lines.next_line()).await;
    next.expect("a line in time")
        .expect("a stream")
        .expect("a line")
}

#[tokio::test]
async fn what_the_game_wrote_comes_safely_and_goes_on_coming() {
    let (scene, controller, gateway) = process::scene("logs").await;
    scene.game(&example()).await;
    until_catalog(&gateway, 1).await;
    let session = gateway.made(&json!({"gameId": "g"})).await;
    let id = session["id"].as_str().expect("an id");
    let address = session["address"].as_str().expect("an address");
    let path = format!("/sessions/{id}/logs");
    let said = |text: &'static str| async move { ask::line(address, text).await };
    said("log first words").await;
    said("hostile").await;
    said("log last words").await;
    let log = until("the last words are there", || async {
        let answer = gateway.get(&path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.contains("last words").then_some(answer)
    });
    let log = log.await;
    assert!(log.headers["content-type"].starts_with("text/plain"));
    assert!(log.body.contains("first words"), "{}", log.body);
    let unsafe_ones = log.body.chars().filter(|c| c.is_control() && *c != '\n');
    assert_eq!(unsafe_ones.count(), 0, "{:?}", log.body);
    let tail = gateway.get(&format!("{path}?tail=1")).await;
    assert_eq!(
        tail.body.trim_end(),
        log.body.lines().last().expect("a line")
    );
    assert_eq!(gateway.get(&format!("{path}?tail=99999")).await.status, 400);
    assert_eq!(gateway.get("/sessions/none/logs").await.status, 404);

    let follow = call(&format!("GET {path}?follow=true&tail=1"));
    let (head, rest) = begin(gateway.port, &follow).await.expect("an answer");
    assert_eq!(head.status, 200);
    let mut lines = rest.lines();
    // The last line of before shows that the reader is there.
    assert!(next_line(&mut lines).await.contains("last words"));
    said("log something new").await;
    let next = next_line(&mut lines).await;
    assert!(next.contains("something new"), "{next}");

    let stopped = gateway
        .ask(&call(&format!("POST /sessions/{id}/stop")))
        .await;
    assert_eq!(stopped.status, 200);
    let ended = async { while let Ok(Some(_)) = lines.next_line().await {} };
    tokio::time::timeout(LIMIT, ended)
        .await
        .expect("the stream ends with the game");
    scene.close(controller).await;
}

#[tokio::test]
async fn a_gateway_that_the_controller_does_not_know_reads_no_logs() {
    let (scene, controller, gateway) = process::scene("logs-refused").await;
    scene.game(&example()).await;
    until_catalog(&gateway, 1).await;
    let session = gateway.made(&json!({"gameId": "g"})).await;
    let path = format!("/sessions/{}/logs", session["id"].as_str().expect("an id"));
    assert_eq!(gateway.get(&path).await.status, 200);
    let other = scene
        .world
        .folder
        .join(format!("{}.other-token", scene.namespace));
    std::fs::write(&other, "another-token-altogether").expect("a file");
    let url = format!("http://127.0.0.1:{}", controller.admin_port());
    let flags = [
        "--controller-url",
        &url,
        "--controller-token-file",
        other.to_str().expect("plain"),
    ];
    let stranger = Gateway::launch(&scene, &scene.world.kubeconfig, &flags);
    stranger.until_health(200).await;
    assert_eq!(stranger.get(&path).await.status, 502);
    let alone = Gateway::launch(&scene, &scene.world.kubeconfig, &[]);
    alone.until_health(200).await;
    assert_eq!(alone.get(&path).await.status, 501);
    let unasked = format!("/logs/{}?tail=5", session["id"].as_str().expect("an id"));
    let (status, _) = controller
        .admin("GET", &unasked, "")
        .await
        .expect("an answer");
    assert_eq!(status, 401);
    scene.close(controller).await;
}
