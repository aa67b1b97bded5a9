//! A session from its first line to its last: ready by the game's own answer, stopped, resumed with its world.

use dillinger_runner::api::{ConditionStatus, FINALIZER, Game, PortProtocol, keys};
use kube::ResourceExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::play::{Play, is, observed, phase_of, why};
use crate::harness::samples::SAMPLES;
use crate::harness::{GameMaker, Scene, ask, session, testgame, until};

/// A Game as we ship it in `deploy/games`.
fn sample(name: &str) -> GameMaker {
    let file = format!("{}/deploy/games/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let game = serde_yaml::Deserializer::from_str(&text)
        .filter_map(|document| Game::deserialize(document).ok())
        .next();
    GameMaker {
        game: game.unwrap_or_else(|| panic!("{file} holds no Game")),
    }
}

#[tokio::test]
async fn wesnoth_is_ready_when_its_own_greeting_comes() {
    let (scene, controller) = Scene::with_controller("wesnoth").await;
    scene.game(&sample("wesnoth")).await;
    let play = scene.session(&session("friday", "wesnoth")).await;
    let ready = play.until_ready().await;
    assert_eq!(phase_of(&ready), "Running");
    let address = play.address().await;
    let (_, length) = ask::wesnoth(&address).await.expect("Wesnoth greets");
    assert!(length > 0, "an empty greeting");
    scene.close(controller).await;
}

/// With `tests/pods`, where the same two are played as Pods.
#[tokio::test]
async fn the_samples_are_played_on_an_engine_with_no_line_changed_but_the_runtime() {
    let (scene, controller) = Scene::with_controller("samples").await;
    for sample in SAMPLES {
        sample
            .apply(&scene.client, &scene.namespace, "Docker")
            .await;
    }
    for sample in SAMPLES {
        let session = scene.sessions().get(sample.session).await;
        let play = Play::new(&scene, &session.expect("just created"));
        let ready = play.until_ready().await;
        let status = ready.status.expect("a status");
        assert_eq!(status.runtime.as_deref(), Some("Docker"));
        let address = play.address().await;
        let words = format!("{sample:?} answers at {address}");
        until(&words, || async {
            sample.answers(&address).await.then_some(())
        })
        .await;
    }
    scene.close(controller).await;
}

#[tokio::test]
async fn teeworlds_is_ready_when_it_says_so_and_answers_over_udp_with_its_parameter() {
    let (scene, controller) = Scene::with_controller("teeworlds").await;
    scene.game(&sample("teeworlds")).await;
    let wish = session("friday", "teeworlds").parameter("NAME", "friday-night");
    let play = scene.session(&wish).await;
    play.until_ready().await;
    let address = play.address().await;
    let info = until("Teeworlds answers", || ask::teeworlds(&address)).await;
    assert!(
        info.contains("friday-night") && info.contains("dm1"),
        "{info}"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn a_ready_session_shows_all_that_a_player_and_an_administrator_need() {
    let (scene, controller) = Scene::with_controller("status").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    let ready = play.until_ready().await;
    let inspected = play.inspect().await;
    let id = inspected["Id"].as_str().expect("an id");

    assert_eq!(ready.finalizers(), [FINALIZER]);
    let status = ready.status.as_ref().expect("a status");
    assert!(observed(&ready));
    assert_eq!(status.runtime.as_deref(), Some("Docker"));
    assert_eq!(status.attempt, Some(0));
    assert_eq!(status.restarts.unwrap_or(0), 0);
    assert!(status.start_time.is_some() && status.finish_time.is_none());
    assert!(status.stop.is_none() && status.last_exit.is_none());
    let container = status.container.as_ref().expect("a container");
    assert_eq!(container.id.as_deref(), Some(id));
    assert_eq!(
        container
            .name
            .as_deref()
            .map(|n| format!("/{n}"))
            .as_deref(),
        inspected["Name"].as_str()
    );
    assert!(container.ready_time.is_some() && container.start_time.is_some());
    assert!(container.node_name.is_some() && container.image_id.is_some());
    let engine = status
        .engine
        .as_ref()
        .and_then(|e| e.id.clone())
        .expect("an engine");
    assert_eq!(engine.len(), 32, "{engine}");

    let [endpoint] = &status.endpoints.as_ref().expect("endpoints")[..] else {
        panic!("one endpoint: {:?}", status.endpoints);
    };
    assert!(
        scene
            .ports
            .contains(&u16::try_from(endpoint.port).expect("a port"))
    );
    assert_eq!(
        (endpoint.name.as_str(), endpoint.protocol.as_str()),
        ("game", "TCP")
    );
    assert_eq!(
        status.address.as_deref(),
        Some(format!("127.0.0.1:{}", endpoint.port).as_str())
    );

    for (type_, status, reason) in [
        ("Accepted", ConditionStatus::True, "Accepted"),
        ("ImageReady", ConditionStatus::True, "ImagePresent"),
        ("Started", ConditionStatus::True, "ContainerRunning"),
        ("Ready", ConditionStatus::True, "Ready"),
        ("Finished", ConditionStatus::False, "NotFinished"),
        ("Stalled", ConditionStatus::False, "NotStalled"),
    ] {
        assert!(
            is(&ready, type_, status),
            "{type_}: {:?}",
            why(&ready, type_)
        );
        assert_eq!(why(&ready, type_).0, reason, "{type_}");
    }

    let labels = &inspected["Config"]["Labels"];
    for (key, value) in [
        (keys::NAMESPACE, scene.namespace.as_str()),
        (keys::SESSION, "friday"),
        (keys::UID, play.uid.as_str()),
        (keys::ATTEMPT, "0"),
        (keys::GAME, "arena"),
        (keys::ENGINE, engine.as_str()),
        (keys::CONTROLLER, scene.options.name.as_str()),
        (keys::OLD_TYPE, "game-session"),
        (keys::OLD_GAME_ID, "arena"),
        (keys::OLD_SESSION_ID, "friday"),
        (keys::OLD_USER_ID, "alice"),
    ] {
        assert_eq!(labels[key], value, "{key}");
    }
    scene.close(controller).await;
}

#[tokio::test]
async fn a_container_has_no_privilege_that_its_game_does_not_need() {
    let (scene, controller) = Scene::with_controller("privileges").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let inspected = play.inspect().await;
    let host = &inspected["HostConfig"];
    assert_eq!(host["Privileged"], false);
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert!(
        host["CapAdd"].as_array().is_none_or(Vec::is_empty),
        "{host:#}"
    );
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["Init"], true);
    let options = host["SecurityOpt"].to_string();
    assert!(options.contains("no-new-privileges"), "{options}");
    assert!(!options.contains("unconfined"), "{options}");
    assert_eq!(host["Memory"], 64 * 1024 * 1024);
    assert_eq!(host["NanoCpus"], 500_000_000_u64);
    assert!(
        host["PidsLimit"].as_i64().is_some_and(|n| n > 0),
        "{host:#}"
    );
    assert_eq!(
        host["RestartPolicy"]["Name"]
            .as_str()
            .unwrap_or("no")
            .replace("no", ""),
        ""
    );
    assert!(
        !host["LogConfig"]["Config"]["max-size"].is_null(),
        "the log would grow for ever"
    );
    assert_eq!(inspected["Config"]["User"], "1000:1000");
    for binding in host["PortBindings"].as_object().expect("bindings").values() {
        assert_eq!(
            binding[0]["HostIp"], "127.0.0.1",
            "published beyond loopback"
        );
    }

    let told: Value = serde_json::from_str(&play.ask("env").await).expect("the game answers JSON");
    assert_eq!((&told["uid"], &told["gid"]), (&json!(1000), &json!(1000)));
    let env = told["env"].to_string();
    for (name, value) in [
        ("GAME_ID", "arena"),
        ("SESSION_ID", "friday"),
        ("USER_ID", "alice"),
    ] {
        assert!(env.contains(&format!("{name}={value}")), "{env}");
    }
    assert!(play.ask("write /elsewhere").await.starts_with("error"));
    assert_eq!(play.ask("write /data/file").await, "ok");
    scene.close(controller).await;
}

#[tokio::test]
async fn a_stopped_session_keeps_its_world_and_goes_on_with_it_at_the_same_port() {
    let (scene, controller) = Scene::with_controller("resume").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let before = play.ask("world").await;
    assert_eq!(play.ask("append a castle").await, "ok");
    let address = play.address().await;

    play.stop().await;
    let stopped = play.until_phase("Stopped").await;
    let status = stopped.status.as_ref().expect("a status");
    assert!(is(&stopped, "Ready", ConditionStatus::False));
    assert!(is(&stopped, "Finished", ConditionStatus::False));
    assert_eq!(why(&stopped, "Ready").0, "Stopped");
    assert_eq!(
        status.last_exit.as_ref().and_then(|e| e.reason.as_deref()),
        Some("Requested")
    );
    assert!(status.address.is_none() && status.endpoints.is_none());
    play.until_seen("the container is removed", || async {
        play.containers().await.is_empty().then_some(())
    })
    .await;
    assert_eq!(play.volumes().await.len(), 1, "the world's volume stays");

    play.resume().await;
    let again = play.until_ready().await;
    let status = again.status.as_ref().expect("a status");
    assert_eq!(status.attempt, Some(1));
    assert_eq!(status.restarts.unwrap_or(0), 0, "a resume is no restart");
    let world = play.ask("world").await;
    let id = before.lines().next().expect("the world's id");
    assert!(
        world.starts_with(id) && world.contains("a castle"),
        "{world}"
    );
    assert_eq!(play.address().await, address, "players keep their bookmark");
    scene.close(controller).await;
}

#[tokio::test]
async fn a_session_made_as_stopped_runs_nothing_until_it_is_wanted() {
    let (scene, controller) = Scene::with_controller("born-stopped").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena").stopped()).await;
    let stopped = play.until_phase("Stopped").await;
    assert!(
        stopped.finalizers().is_empty(),
        "nothing of it can exist yet"
    );
    assert!(play.containers().await.is_empty());
    play.resume().await;
    play.until_ready().await;
    scene.close(controller).await;
}

#[tokio::test]
async fn a_wish_that_changes_its_mind_ends_where_the_last_word_says() {
    let (scene, controller) = Scene::with_controller("wavering").await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    for _ in 0..3 {
        play.stop().await;
        play.resume().await;
    }
    play.until("runs under its newest wish", |s| {
        is(s, "Ready", ConditionStatus::True) && observed(s)
    })
    .await;
    assert_eq!(play.ask("ping").await, "pong:ping");
    play.container().await;
    scene.close(controller).await;
}

#[tokio::test]
async fn every_way_of_readiness_ends_in_ready() {
    let (scene, controller) = Scene::with_controller("readiness").await;
    let base = |name: &str| {
        GameMaker::bare(name)
            .args(&["--tcp", "7777", "--udp", "7778", "--http", "7779"])
            .port("game", 7777, PortProtocol::TCP)
            .port("query", 7778, PortProtocol::UDP)
            .port("web", 7779, PortProtocol::TCP)
    };
    let ways = [
        (
            "log",
            json!({"log": {"pattern": "^server ready|server [r]eady"}}),
        ),
        ("tcp", json!({"tcpSocket": {"port": "game"}})),
        (
            "http",
            json!({"httpGet": {"port": "web", "path": "/ready"}}),
        ),
        (
            "exec",
            json!({"exec": {"command": ["/testgame", "probe", "port", "7777"]}}),
        ),
        (
            "tcp-exchange",
            json!({"exchange": {"port": "game", "send": "ping\n", "expect": "pong:ping"}}),
        ),
        (
            "udp-exchange",
            json!({"exchange": {"port": "query", "sendHex": "70696e67", "expect": "pong:ping"}}),
        ),
    ];
    let mut plays = Vec::new();
    for (way, readiness) in ways {
        scene.game(&base(way).readiness(readiness)).await;
        plays.push(scene.session(&session(way, way)).await);
    }
    scene.game(&base("none")).await;
    plays.push(scene.session(&session("none", "none")).await);
    for play in &plays {
        play.until_ready().await;
        assert_eq!(play.ask("ping").await, "pong:ping", "{}", play.name);
    }
    scene.close(controller).await;
}

#[tokio::test]
async fn an_open_port_with_nothing_behind_it_is_not_ready() {
    let (scene, controller) = Scene::with_controller("proxy-port").await;
    for (name, args) in [
        ("nothing", &["--tcp", "7777", "--never-ready"][..]),
        ("closing", &["--tcp", "7777", "--close-at-once"][..]),
    ] {
        let game = GameMaker::bare(name)
            .args(args)
            .port("game", 7777, PortProtocol::TCP)
            .readiness(json!({"tcpSocket": {"port": "game"}}));
        scene.game(&game).await;
    }
    let nothing = scene.session(&session("nothing", "nothing")).await;
    let closing = scene.session(&session("closing", "closing")).await;
    for play in [&nothing, &closing] {
        let waiting = play
            .until("says why it is not ready", |s| {
                ["WaitingForReady", "ProbeFailed"]
                    .contains(&crate::harness::play::cond(s, "Ready").map_or("", |c| &c.reason))
            })
            .await;
        assert!(
            is(&waiting, "Started", ConditionStatus::True),
            "its container runs"
        );
        assert!(is(&waiting, "Ready", ConditionStatus::False));
        assert!(
            !why(&waiting, "Ready").1.is_empty(),
            "a message says what came instead"
        );
    }
    scene.close(controller).await;
}

#[tokio::test]
async fn the_longest_name_that_a_session_may_have_is_short_enough_for_a_container() {
    let (scene, controller) = Scene::with_controller("long-name").await;
    scene.game(&testgame("arena")).await;
    let name = "n".repeat(52);
    let play = scene.session(&session(&name, "arena")).await;
    play.until_ready().await;
    let container = play.inspect().await;
    let name = container["Name"].as_str().expect("a name").len() - "/".len();
    assert!(name <= 63, "{name} characters");
    play.stop().await;
    play.until_phase("Stopped").await;
    scene.close(controller).await;
}
