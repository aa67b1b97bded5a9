//! The parts of the benchmark's Docker rows that decide what a figure means: which calls to the engine are counted,
//! and how one session's time is split.

#[path = "../benches/figures/rows/docker/proxy.rs"]
mod proxy;
#[path = "../benches/figures/rows/docker/split.rs"]
mod split;

use proxy::{Call, Calls, Proxy};
use split::{Line, Outside, PARTS, Split};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

fn call(method: &str, path: &str) -> Call {
    Call {
        method: method.to_owned(),
        path: path.to_owned(),
        body: Vec::new(),
    }
}

#[test]
fn calls_on_different_containers_are_of_one_kind_and_lists_of_another() {
    let kinds = [
        ("GET", "/containers/json?all=true", "GET /containers/json"),
        ("GET", "/containers/4f0c/json", "GET /containers/{}/json"),
        (
            "GET",
            "/containers/s-1-ab/json?x=1",
            "GET /containers/{}/json",
        ),
        (
            "POST",
            "/containers/create?name=a",
            "POST /containers/create",
        ),
        ("GET", "/volumes/dillinger-engine", "GET /volumes/{}"),
        ("GET", "/volumes", "GET /volumes"),
        ("GET", "/_ping", "GET /_ping"),
    ];
    for (method, path, kind) in kinds {
        assert_eq!(call(method, path).kind(), kind);
    }
}

#[test]
fn calls_are_told_by_kind_the_most_frequent_first() {
    let calls = Calls::of(&[
        call("GET", "/info"),
        call("GET", "/containers/1/json"),
        call("GET", "/containers/2/json"),
    ]);
    assert_eq!(calls.count(), 3);
    assert_eq!(calls.to_string(), "2 GET /containers/{}/json, 1 GET /info");
}

/// An engine that answers each connection's every request with what it got of it.
fn echo(socket: &std::path::Path) {
    let listener = UnixListener::bind(socket).expect("a socket");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    stream.write_all(&buffer[..read]).await.expect("it listens");
                }
            });
        }
    });
}

async fn said_back(stream: &mut UnixStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = vec![0; request.len()];
    stream.read_exact(&mut answer).await.expect("an answer");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn every_call_on_a_connection_is_passed_on_as_it_was_and_noted_once() {
    let folder = std::env::temp_dir().join(format!("dillinger-proxy-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (engine, front) = (folder.join("engine.sock"), folder.join("front.sock"));
    echo(&engine);
    let proxy = Proxy::listen(&front, &engine).expect("a proxy");
    assert_eq!(proxy.host(), format!("unix://{}", front.display()));
    let mut client = UnixStream::connect(&front).await.expect("connected");
    let create = "POST /v1.47/containers/create?name=a HTTP/1.1\r\nHost: d\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    let list = "GET /containers/json HTTP/1.1\r\nhost: d\r\n\r\n";
    let attach = "POST /exec/1/start HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    for request in [create, list, attach, "GET /no/request HTTP/1.1\r\n\r\n"] {
        assert_eq!(said_back(&mut client, request).await, request);
    }
    let calls = proxy.take();
    let kinds: Vec<String> = calls.iter().map(Call::kind).collect();
    assert_eq!(
        kinds,
        [
            "POST /containers/create",
            "GET /containers/json",
            "POST /exec/{}/start"
        ],
        "what follows an upgrade is no call"
    );
    assert_eq!(calls[0].body, b"{\"a\":1}");
    assert!(proxy.take().is_empty());
    std::fs::remove_dir_all(&folder).expect("removed");
}

fn line(stage: &str, began_us: i64, took_us: i64) -> Line {
    let text = format!(
        r#"{{"timestamp":"x","level":"TRACE","uid":"u","stage":"{stage}","began_us":{began_us},"took_us":{took_us},"target":"dillinger_runner::stage"}}"#
    );
    Line::parse(&text).expect("a line of a stage")
}

fn session() -> Vec<Line> {
    [
        ("queue", 5_500, 2_000),
        ("observe", 7_500, 1_000),
        ("plan", 8_500, 100),
        ("finalizer", 8_600, 4_000),
        ("record", 13_000, 5_000),
        ("observe", 18_000, 1_000),
        ("create", 19_000, 10_000),
        ("start", 29_000, 300_000),
        // While the game is waited for, and so of no part of its own.
        ("observe", 330_000, 1_000),
        ("queue", 340_000, 2_000),
        ("record", 345_000, 6_000),
        ("ready", 329_000, 22_000),
    ]
    .map(|(stage, began, took)| line(stage, began, took))
    .to_vec()
}

const OUTSIDE: Outside = Outside {
    posted: 1_000,
    acked: 5_000,
    ready: 350_500,
};

#[test]
fn the_parts_of_a_session_add_up_to_its_whole() {
    let split = Split::of(OUTSIDE, &session()).expect("a split");
    assert!((split.total() - 349.5).abs() < 1e-9, "{split:?}");
    let part = |name: &str| {
        split.0[PARTS
            .iter()
            .position(|(id, _)| *id == name)
            .expect("a part")]
    };
    let expected = [
        ("api_ack", 4.0),
        ("delivery", 0.5),
        ("queue", 2.0),
        ("observe", 2.0),
        ("plan", 0.1),
        ("finalizer", 4.0),
        ("record", 5.0),
        ("create", 10.0),
        ("start", 300.0),
        ("between", 0.4),
        ("game_ready", 16.0),
        ("last_record", 6.0),
        ("client", -0.5),
    ];
    for (name, milliseconds) in expected {
        assert!(
            (part(name) - milliseconds).abs() < 1e-9,
            "{name}: {split:?}"
        );
    }
}

#[test]
fn a_session_without_a_start_is_no_cold_session() {
    let lines: Vec<Line> = session()
        .into_iter()
        .filter(|line| line.stage != "start")
        .collect();
    let error = Split::of(OUTSIDE, &lines).expect_err("no start");
    assert!(error.to_string().contains("start"), "{error}");
}

#[test]
fn lines_about_something_else_are_none_of_a_stage() {
    for text in [
        "",
        "not JSON",
        r#"{"level":"INFO","message":"part is there","target":"dillinger_runner::telemetry"}"#,
        r#"{"uid":"u","stage":"plan","began_us":1,"took_us":2,"target":"elsewhere"}"#,
    ] {
        assert_eq!(Line::parse(text), None);
    }
}
