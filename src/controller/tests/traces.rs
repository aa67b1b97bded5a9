//! Looks and their stages as a collector gets them (feature `otlp`).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use tracing_subscriber::layer::SubscriberExt;

use super::World;
use crate::config::LogFormat;
use crate::telemetry::logs::lines;
use crate::telemetry::logs::tests::Kept;
use crate::telemetry::traces::Traces;

/// A collector on a port of its own: path and body of each request, as they come.
fn collector() -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            // Whoever listens may have ended.
            let _ = send.send(request(&stream));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            (&stream).write_all(answer).unwrap();
        }
    });
    (url, receive)
}

fn request(stream: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first.trim().to_owned(), body)
}

fn holds(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}

/// The name of a span as protobuf writes it: field 5, its length, the text.
fn names(body: &[u8], span: &str) -> bool {
    let mut field = vec![5 << 3 | 2, u8::try_from(span.len()).unwrap()];
    field.extend(span.as_bytes());
    body.windows(field.len()).any(|part| part == field)
}

#[tokio::test(start_paused = true)]
async fn a_cold_session_reaches_the_collector_with_its_stages_whatever_the_log_level() {
    let (url, requests) = collector();
    let (traces, kept) = (Traces::to(&url).unwrap(), Kept::default());
    let (output, level) = lines(LogFormat::Text, "info", kept.clone()).unwrap();
    let subscriber = tracing_subscriber::registry().with(vec![output, traces.layer()]);
    let guard = tracing::subscriber::set_default(subscriber);
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    level.set("error").unwrap();
    world.api.delete("friday");
    world
        .until("it is gone", || world.api.session("friday").is_none())
        .await;
    running.stop().await;
    traces.end();
    drop(guard);

    let lines = kept.take();
    let about = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
    assert_eq!(about("phase=\"Running\""), 1, "{lines:?}");
    assert_eq!(about("phase=\"Stopping\""), 0, "{lines:?}");
    assert_eq!(about("look{") + about("stage{"), 0, "{lines:?}");

    let mut all = Vec::new();
    for (line, body) in requests.try_iter() {
        assert_eq!(line, "POST /v1/traces HTTP/1.1");
        all.extend(body);
    }
    for span in [
        "look",
        "observe",
        "plan",
        "record",
        "finalizer",
        "create",
        "start",
        "stop",
        "remove",
    ] {
        assert!(names(&all, span), "a span {span}");
    }
    for absent in ["queue", "kill", "pull", "watch"] {
        assert!(!names(&all, absent), "no span {absent}");
    }
    for text in [
        "service.name",
        "dillinger-runner",
        "namespace",
        "games",
        "session",
        "friday",
        "uid-gamesessions-friday",
        "row",
        "queue_us",
    ] {
        assert!(holds(&all, text), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_changes_nothing_about_a_session() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let traces = Traces::to(&url).unwrap();
    let subscriber = tracing_subscriber::registry().with(vec![traces.layer()]);
    let guard = tracing::subscriber::set_default(subscriber);
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world.settle().await;
    assert_eq!(world.api.writes().len(), 3);
    assert_eq!(world.runtime.acts(), ["create", "start"]);
    running.stop().await;
    traces.end();
    drop(guard);
}
