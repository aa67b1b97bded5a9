//! Every way to tell that a game is ready: by its kubelet where that can ask, by the controller where it cannot.

use dillinger_runner::api::PortProtocol;
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::make::{GameMaker, session};

/// Ready eight seconds after its start, twice as late as it is reported to be waiting, and asked in this way.
fn late(readiness: Value) -> GameMaker {
    GameMaker::bare("arena")
        .args(&["--tcp", "7777", "--http", "7778", "--ready-after", "8s"])
        .port("game", 7777, PortProtocol::TCP)
        .port("web", 7778, PortProtocol::TCP)
        .readiness(readiness)
}

async fn becomes_ready(name: &str, readiness: Value, by_kubelet: bool) {
    let bed = Bed::open(name).await;
    bed.game(&late(readiness)).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_reason("Ready", "WaitingForReady").await;
    play.until_ready().await;
    let pod = play.pod().await;
    let container = &pod.spec.expect("a spec").containers[0];
    assert_eq!(container.startup_probe.is_some(), by_kubelet);
    // Once it was ready nobody asks again.
    assert!(container.readiness_probe.is_none() && container.liveness_probe.is_none());
    assert_eq!(play.ask("ping").await, "pong:ping");
    bed.close().await;
}

#[tokio::test]
async fn a_log_is_read_by_the_controller() {
    becomes_ready(
        "pods-by-log",
        json!({"log": {"pattern": "server ready"}}),
        false,
    )
    .await;
}

#[tokio::test]
async fn an_exchange_is_made_by_the_controller() {
    let way = json!({"exchange": {"port": "game", "send": "hello\n", "expect": "pong:hello"}});
    becomes_ready("pods-by-exchange", way, false).await;
}

#[tokio::test]
async fn a_socket_is_opened_by_the_kubelet() {
    becomes_ready(
        "pods-by-socket",
        json!({"tcpSocket": {"port": "game"}}),
        true,
    )
    .await;
}

#[tokio::test]
async fn a_page_is_fetched_by_the_kubelet() {
    let way = json!({"httpGet": {"port": "web", "path": "/ready"}});
    becomes_ready("pods-by-page", way, true).await;
}

#[tokio::test]
async fn a_command_is_run_by_the_kubelet() {
    let way = json!({"exec": {"command": ["/testgame", "probe", "port", "7777"]}});
    becomes_ready("pods-by-command", way, true).await;
}
