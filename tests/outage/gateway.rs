//! What clients of the gateway see while the API server is away, and after it came back.

use serde_json::json;

use crate::alone;
use crate::client::call;
use crate::harness::{testgame, until};
use crate::listener::Listener;
use crate::process;

#[tokio::test]
async fn while_the_api_server_is_away_reads_go_on_and_writes_say_so() {
    let _alone = alone().await;
    let (scene, controller, gateway) = process::scene("outage").await;
    scene.game(&testgame("example")).await;
    until("the catalog is there", || async {
        let games = gateway.get("/games").await.json();
        (games != json!([])).then_some(())
    })
    .await;
    let session = gateway.made(&json!({"gameId": "g"})).await;
    let mut listener = Listener::at(gateway.port, None).await;
    assert!(listener.next().await.is_some());
    scene.world.run("apiserver", &["stop"]).await;
    let sick = gateway.until_health(503).await.json();
    assert_eq!(sick["status"], "unhealthy");
    assert!(
        sick["reason"]
            .as_str()
            .is_some_and(|words| !words.is_empty()),
        "{sick}"
    );
    assert_eq!(gateway.get("/sessions").await.json(), json!([session]));
    let refused = gateway
        .ask(&call("POST /sessions").json(&json!({"gameId": "g"})))
        .await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.headers["retry-after"].parse::<u32>().is_ok());
    assert_eq!(refused.json()["error"], "Failed to create session");
    scene.world.run("apiserver", &["start"]).await;
    gateway.until_health(200).await;
    let wish = call("POST /sessions").json(&json!({"gameId": "after"}));
    let made = until("sessions are made again", || async {
        let answer = gateway
            .ask(&wish.clone().header("Idempotency-Key", "after"))
            .await;
        (answer.status == 200).then_some(answer.json())
    });
    let made = made.await;
    // The stream of before is the same, and tells of it.
    listener
        .until("the new one runs", |event| event.data["id"] == made["id"])
        .await;
    scene.close(controller).await;
}
