//! Readiness asked of a real game behind a real proxy.

use std::sync::Arc;

use dillinger_runner::api::{
    ExchangeProbe, ExecProbe, HttpGetProbe, LogProbe, Readiness, TcpSocketProbe,
};
use dillinger_runner::runtime::docker::DockerRuntime;
use dillinger_runner::runtime::{Hint, Runtime};
use dillinger_runner::session::plan::Effect;
use dillinger_runner::session::seen::{Answer, Seen};
use futures::StreamExt;

use crate::bed::{Bed, config, readiness, shared};

fn log(pattern: &str) -> Readiness {
    Readiness {
        log: Some(LogProbe {
            pattern: pattern.into(),
        }),
        ..readiness()
    }
}

fn tcp() -> Readiness {
    Readiness {
        tcp_socket: Some(TcpSocketProbe {
            port: "game".into(),
        }),
        ..readiness()
    }
}

fn exec(command: &[&str]) -> Readiness {
    let command = command.iter().map(|c| (*c).to_owned()).collect();
    Readiness {
        exec: Some(ExecProbe { command }),
        ..readiness()
    }
}

fn exchange(send: &str, expect: &str) -> Readiness {
    Readiness {
        exchange: Some(ExchangeProbe {
            port: "game".into(),
            send: Some(send.into()),
            send_hex: None,
            expect: expect.into(),
        }),
        ..readiness()
    }
}

async fn not_ready(bed: &Bed) -> String {
    bed.until_seen("it says that it is not ready", |seen| match seen {
        Seen::Running(_, Answer::NotReady(why)) => Some(why),
        Seen::Running(_, Answer::Ready) => panic!("it is not ready"),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_game_without_readiness_is_ready_when_it_runs() {
    let bed = Bed::new("noprobe").await.args(&["--never-ready"]);
    bed.start().await;
    bed.ready().await;
}

#[tokio::test]
async fn a_proxy_that_accepts_with_nothing_behind_it_is_not_a_game() {
    let bed = Bed::new("proxy")
        .await
        .ready_when(tcp())
        .args(&["--never-ready"]);
    bed.start().await;
    let why = not_ready(&bed).await;
    assert!(why.contains(&bed.port.to_string()), "{why}");
}

#[tokio::test]
async fn a_game_that_closes_connections_is_not_ready() {
    let bed =
        Bed::new("closes")
            .await
            .ready_when(tcp())
            .args(&["--tcp", "7777", "--close-at-once"]);
    bed.start().await;
    not_ready(&bed).await;
}

#[tokio::test]
async fn a_connection_that_stays_open_is_ready() {
    let bed = Bed::new("mute")
        .await
        .ready_when(tcp())
        .args(&["--tcp", "7777", "--mute"]);
    bed.start().await;
    bed.ready().await;
}

#[tokio::test]
async fn a_line_of_the_log_is_ready() {
    let bed = Bed::new("log")
        .await
        .ready_when(log("players may j..n now"));
    bed.start().await;
    not_ready(&bed).await;
    assert_eq!(bed.ask("log players may join now").await, "ok");
    bed.ready().await;
}

#[tokio::test]
async fn http_is_ready_with_its_status() {
    let http = Readiness {
        http_get: Some(HttpGetProbe {
            port: "game".into(),
            path: "/ready".into(),
        }),
        ..readiness()
    };
    let bed = Bed::new("http").await.ready_when(http).args(&[
        "--http",
        "7777",
        "--udp",
        "7777",
        "--listen-early",
        "--never-ready",
    ]);
    bed.start().await;
    bed.until_seen("it answers 503", |seen| match seen {
        Seen::Running(_, Answer::NotReady(why)) if why.contains("503") => Some(()),
        Seen::Running(_, Answer::Ready) => panic!("it answers 503"),
        _ => None,
    })
    .await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port");
    socket
        .send_to(b"ready", ("127.0.0.1", bed.port))
        .await
        .expect("sent");
    bed.ready().await;
}

#[tokio::test]
async fn an_exchange_of_datagrams_is_ready() {
    let bed = Bed::new("udp")
        .await
        .ready_when(exchange("info", "^pong:info$"))
        .args(&["--udp", "7777", "--ready-after", "300ms"]);
    bed.start().await;
    bed.ready().await;
}

#[tokio::test]
async fn another_answer_than_expected_is_shown() {
    let bed = Bed::new("other")
        .await
        .ready_when(exchange("info", "^map"))
        .args(&["--udp", "7777"]);
    bed.start().await;
    bed.until_seen("the other answer is shown", |seen| match seen {
        Seen::Running(_, Answer::NotReady(why)) if why.contains("pong:info") => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_command_is_ready_not_ready_or_cannot_be_run() {
    let ready = Bed::new("execok")
        .await
        .ready_when(exec(&["/testgame", "probe", "exit", "0"]));
    ready.start().await;
    ready.ready().await;

    let waiting = Bed::new("execno")
        .await
        .ready_when(exec(&["/testgame", "probe", "exit", "7"]));
    waiting.start().await;
    let why = not_ready(&waiting).await;
    assert!(why.contains("exit code 7"), "{why}");

    // No shell in the image.
    let broken = Bed::new("execbad")
        .await
        .ready_when(exec(&["/bin/sh", "-c", "true"]));
    broken.start().await;
    let why = broken
        .until_seen("it cannot be told", |seen| match seen {
            Seen::Running(_, Answer::CannotTell(why)) => Some(why),
            Seen::Running(_, Answer::Ready | Answer::NotReady(_)) => panic!("{seen:?}"),
            _ => None,
        })
        .await;
    assert!(why.contains("/bin/sh"), "{why}");
}

#[tokio::test]
async fn a_command_that_hangs_is_not_ready_and_runs_once() {
    let bed = Bed::new("exechang")
        .await
        .ready_when(exec(&["/testgame", "probe", "hang"]));
    let id = bed.start().await;
    bed.until_seen("an earlier command still runs", |seen| match seen {
        Seen::Running(_, Answer::NotReady(why)) if why.contains("still runs") => Some(()),
        _ => None,
    })
    .await;
    let top = crate::bed::docker(&["top", &id.0, "-eo", "pid,args"]).await;
    assert_eq!(top.matches("probe hang").count(), 1, "{top}");
}

#[tokio::test]
async fn becoming_ready_and_ending_are_hinted() {
    let runtime = DockerRuntime::new(config());
    let mut hints = Arc::clone(&runtime).hints();
    assert_eq!(hints.next().await, Some(Hint::All));
    let bed = Bed::on(runtime, "hinted", shared().await)
        .await
        .ready_when(log("server ready"))
        .args(&["--ready-after", "600ms"]);
    let id = bed.start().await;
    let ours = Hint::Session(bed.key.uid.clone());
    // Only on hints: nobody polls here.
    while !matches!(bed.look().await, Seen::Running(_, Answer::Ready)) {
        until_hinted(&mut hints, &ours).await;
    }
    bed.done(Effect::Kill(id)).await;
    while !matches!(bed.look().await, Seen::Exited(..)) {
        until_hinted(&mut hints, &ours).await;
    }
}

async fn until_hinted(hints: &mut (impl futures::Stream<Item = Hint> + Unpin), ours: &Hint) {
    let limit = std::time::Duration::from_secs(60);
    tokio::time::timeout(limit, async {
        while hints.next().await.as_ref() != Some(ours) {}
    })
    .await
    .expect("a hint for the session");
}
