//! The gateway keeps nothing of its own.

use serde_json::json;

use crate::example;
use crate::listener::Listener;
use crate::old_calls::until_catalog;
use crate::process;

#[tokio::test]
async fn a_gateway_that_was_killed_goes_on_where_it_was() {
    let (scene, controller, mut gateway) = process::scene("killed").await;
    scene.game(&example()).await;
    until_catalog(&gateway, 1).await;
    let before = gateway.made(&json!({"gameId": "g"})).await;
    let mut listener = Listener::at(gateway.port, None).await;
    assert!(listener.next().await.is_some());
    gateway.kill_and_start();
    // Its stream ends.
    while listener.next().await.is_some() {}
    gateway.until_healthy().await;
    assert_eq!(gateway.get("/sessions").await.json(), json!([before]));
    let mut listener = Listener::at(gateway.port, None).await;
    assert_eq!(
        listener.next().await.expect("a snapshot").data,
        json!([before])
    );
    scene.close(controller).await;
}
