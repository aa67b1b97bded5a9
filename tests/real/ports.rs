//! Host ports: chosen from the range, taken by others, fixed, passed through, one number on both protocols.

use std::net::{TcpListener, UdpSocket};

use dillinger_runner::api::{ConditionStatus, PortProtocol};

use crate::harness::play::{is, phase_of, why};
use crate::harness::{GameMaker, Scene, ask, session, testgame, until};

#[tokio::test]
async fn ports_that_something_outside_holds_are_passed_over_without_cost_to_the_budget() {
    let mut scene = Scene::open("port-clash").await;
    let first = *scene.ports.start();
    scene.options.ports = first..=first + 3;
    let outside: Vec<TcpListener> = (first..first + 3)
        .map(|p| TcpListener::bind(("127.0.0.1", p)).expect("nobody else uses it"))
        .collect();
    let controller = scene.controller().await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    let ready = play.until_ready().await;
    assert_eq!(play.address().await, format!("127.0.0.1:{}", first + 3));
    let status = ready.status.expect("a status");
    assert_eq!(status.restarts.unwrap_or(0), 0);
    assert_eq!(status.attempt, Some(0));
    drop(outside);
    scene.close(controller).await;
}

#[tokio::test]
async fn a_session_waits_while_every_port_is_taken_and_starts_when_one_is_free() {
    let mut scene = Scene::open("ports-exhausted").await;
    let only = *scene.ports.start();
    scene.options.ports = only..=only;
    let controller = scene.controller().await;
    scene.game(&testgame("arena")).await;
    let first = scene.session(&session("first", "arena")).await;
    first.until_ready().await;
    let second = scene.session(&session("second", "arena")).await;
    let waiting = second.until_reason("Ready", "PortsExhausted").await;
    assert_eq!(phase_of(&waiting), "Starting");
    assert!(is(&waiting, "Stalled", ConditionStatus::False));
    let (_, message) = why(&waiting, "Started");
    assert!(
        message.contains(&only.to_string()),
        "the range is named: {message}"
    );
    second.until_event("PortsExhausted").await;
    first.delete().await;
    second.until_ready().await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_static_port_belongs_to_one_session_at_a_time() {
    let (scene, controller) = Scene::with_controller("static-port").await;
    // Outside the range of the dynamic ones.
    let fixed = crate::harness::world::own_ports(1);
    let fixed = *fixed.start();
    scene.game(&testgame("arena").static_port(fixed)).await;
    let first = scene.session(&session("first", "arena")).await;
    first.until_ready().await;
    assert_eq!(first.address().await, format!("127.0.0.1:{fixed}"));
    let second = scene.session(&session("second", "arena")).await;
    let waiting = second.until_reason("Ready", "PortsExhausted").await;
    assert!(why(&waiting, "Started").1.contains(&fixed.to_string()));
    first.stop().await;
    second.until_ready().await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_static_port_that_something_outside_holds_is_waited_for() {
    let (scene, controller) = Scene::with_controller("static-taken").await;
    let fixed = crate::harness::world::own_ports(1);
    let fixed = *fixed.start();
    let outside = TcpListener::bind(("127.0.0.1", fixed)).expect("nobody else uses it");
    scene.game(&testgame("arena").static_port(fixed)).await;
    let play = scene.session(&session("friday", "arena")).await;
    let waiting = play.until_reason("Ready", "PortsExhausted").await;
    assert!(is(&waiting, "Finished", ConditionStatus::False));
    assert!(why(&waiting, "Started").1.contains(&fixed.to_string()));
    drop(outside);
    scene.close(controller).await;
}

#[tokio::test]
async fn a_passed_through_port_has_one_number_inside_and_outside() {
    let (scene, controller) = Scene::with_controller("passthrough").await;
    let game = GameMaker::bare("arena")
        .port("game", 1, PortProtocol::TCP)
        .passthrough()
        .args(&["--tcp", "$(PORT_GAME)"])
        .ready_by_answer("game");
    scene.game(&game).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let port = play
        .address()
        .await
        .rsplit_once(':')
        .expect("a port")
        .1
        .to_owned();
    let inspected = play.inspect().await;
    let bindings = inspected["HostConfig"]["PortBindings"]
        .as_object()
        .expect("bindings");
    assert_eq!(
        bindings[&format!("{port}/tcp")][0]["HostPort"],
        port.as_str()
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn tcp_and_udp_of_one_port_share_one_number() {
    let (scene, controller) = Scene::with_controller("tcpudp").await;
    let game = GameMaker::bare("arena")
        .port("game", 7777, PortProtocol::TCPUDP)
        .args(&["--tcp", "7777", "--udp", "7777"])
        .ready_by_answer("game");
    scene.game(&game).await;
    let play = scene.session(&session("friday", "arena")).await;
    let ready = play.until_ready().await;
    let endpoints = ready.status.and_then(|s| s.endpoints).expect("endpoints");
    let shown: Vec<(&str, i32)> = endpoints
        .iter()
        .map(|e| (e.protocol.as_str(), e.port))
        .collect();
    assert_eq!(
        shown,
        [("TCP", endpoints[0].port), ("UDP", endpoints[0].port)]
    );
    let address = play.address().await;
    assert_eq!(play.ask("ping").await, "pong:ping");
    let answer = until("the game answers a datagram", || {
        ask::datagram(&address, "ping")
    })
    .await;
    assert_eq!(answer, "pong:ping");
    scene.close(controller).await;
}

#[tokio::test]
async fn a_udp_port_that_something_outside_holds_is_passed_over_too() {
    let mut scene = Scene::open("udp-clash").await;
    let first = *scene.ports.start();
    scene.options.ports = first..=first + 1;
    let outside = UdpSocket::bind(("127.0.0.1", first)).expect("nobody else uses it");
    let controller = scene.controller().await;
    let game = GameMaker::bare("arena")
        .port("game", 7777, PortProtocol::UDP)
        .args(&["--udp", "7777"])
        .ready_by_log();
    scene.game(&game).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let address = play.address().await;
    assert_eq!(address, format!("127.0.0.1:{}", first + 1));
    let answer = until("the game answers", || ask::datagram(&address, "ping")).await;
    assert_eq!(answer, "pong:ping");
    drop(outside);
    scene.close(controller).await;
}
