//! Many listeners, many sessions, and some who do not read. No controller and no game: the sessions are wishes alone, and each
//! change of a wish is a change to tell.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Call, call};
use crate::example;
use crate::harness::{Scene, until};
use crate::listener::{Listener, Text};
use crate::old_calls::until_catalog;
use crate::process::Gateway;

const LISTENERS: usize = 500;
/// More than a listener may have untold.
const SESSIONS: usize = 1_200;
const ASLEEP: usize = 20;
/// Between two changes: a hundred a second, where the API server takes them.
const PACE: Duration = Duration::from_millis(10);
/// Requests at once: where it does not, the next one waits.
const LANES: usize = 32;
/// What the gateway may have grown by between two rounds, in KiB: buffers of connections, and the allocator's own.
const GROWTH: u64 = 16 * 1024;

/// One who reads, and what it was told.
struct Reader {
    listener: Listener,
    changes: usize,
    snapshots: usize,
}

impl Reader {
    /// Reads until it has seen every session with this wish.
    async fn see_all(mut self, wish: &'static str) -> Reader {
        let (mut seen, wished) = (HashSet::new(), format!("\"desiredState\":\"{wish}\""));
        while seen.len() < SESSIONS {
            let event = self.listener.next_text().await;
            let event = event.expect("the stream goes on");
            match event.name.as_str() {
                "session" => {
                    self.changes += 1;
                    if event.data.contains(&wished) {
                        seen.insert(id_in(&event).to_owned());
                    }
                }
                "snapshot" => {
                    self.snapshots += 1;
                    let all = event.read().data;
                    seen.extend(with_wish(&all, wish).map(str::to_owned));
                }
                other => panic!("nothing goes, but a listener is told of {other}"),
            }
        }
        self
    }
}

/// The id of a session, which is its first member.
fn id_in(event: &Text) -> &str {
    let rest = event.data.strip_prefix("{\"id\":\"");
    let id = rest.and_then(|rest| rest.split('"').next());
    id.unwrap_or_else(|| panic!("no id in {event:?}"))
}

/// Ids of the sessions in a snapshot that have this wish.
fn with_wish<'a>(snapshot: &'a Value, wish: &'a str) -> impl Iterator<Item = &'a str> {
    let sessions = snapshot.as_array().expect("a list").iter();
    let wished = sessions.filter(move |session| session["desiredState"] == wish);
    wished.map(|session| session["id"].as_str().expect("an id"))
}

/// Sends these to the gateway at the pace; each must be answered with this status.
async fn all(gateway: &Gateway, calls: Vec<Call>, status: u16) -> Vec<Value> {
    let began = tokio::time::Instant::now();
    let answers = stream::iter(calls.iter().zip(0..)).map(|(call, number)| async move {
        tokio::time::sleep_until(began + PACE * number).await;
        let answer = gateway.ask(call).await;
        assert_eq!(answer.status, status, "{answer:?}");
        answer.json()
    });
    answers.buffer_unordered(LANES).collect().await
}

/// A round: these calls, and all readers until each has seen every session with this wish. Says what it came to.
async fn round(
    gateway: &Gateway,
    readers: Vec<Reader>,
    calls: Vec<Call>,
    status: u16,
    wish: &'static str,
) -> (Vec<Reader>, Vec<Value>) {
    let before = told(&readers);
    let began = Instant::now();
    let (readers, answers) = tokio::join!(everybody(readers, wish), all(gateway, calls, status));
    let (seconds, told) = (began.elapsed().as_secs_f64(), told(&readers));
    println!(
        "crowd: {} changes, {:.0} a second, told {} times to {} listeners, and {} snapshots; {} KiB",
        answers.len(),
        answers.len() as f64 / seconds,
        told.0 - before.0,
        readers.len(),
        told.1 - before.1,
        gateway.resident()
    );
    (readers, answers)
}

fn told(readers: &[Reader]) -> (usize, usize) {
    let changes = readers.iter().map(|reader| reader.changes).sum();
    (changes, readers.iter().map(|reader| reader.snapshots).sum())
}

/// All of them, each until it has seen every session with this wish.
async fn everybody(readers: Vec<Reader>, wish: &'static str) -> Vec<Reader> {
    let mut tasks = JoinSet::new();
    for reader in readers {
        tasks.spawn(reader.see_all(wish));
    }
    tasks.join_all().await
}

#[tokio::test]
async fn a_crowd_sees_everything_and_who_sleeps_costs_nothing_and_begins_anew() {
    let scene = Scene::open("crowd").await;
    scene.game(&example()).await;
    let flags = ["--rate-limit", "0"];
    let gateway = Gateway::launch(&scene, &scene.world.kubeconfig, &flags);
    gateway.until_health(200).await;
    until_catalog(&gateway, 1).await;
    let mut asleep = Vec::new();
    for _ in 0..ASLEEP {
        let mut listener = Listener::narrow(gateway.port).await;
        assert_eq!(listener.next().await.expect("a snapshot").data, json!([]));
        asleep.push(listener);
    }
    let mut readers = Vec::new();
    for _ in 0..LISTENERS {
        readers.push(Reader {
            listener: Listener::at(gateway.port, None).await,
            changes: 0,
            snapshots: 0,
        });
    }
    let wish = call("POST /sessions")
        .json(&json!({"gameId": "g"}))
        .header("Prefer", "respond-async");
    let (readers, made) = round(&gateway, readers, vec![wish; SESSIONS], 202, "Running").await;
    let before = gateway.resident();
    let stop = |session: &Value| {
        let id = session["id"].as_str().expect("an id");
        call(&format!("POST /sessions/{id}/stop"))
    };
    let stops = made.iter().map(stop).collect();
    let (readers, _) = round(&gateway, readers, stops, 200, "Stopped").await;
    assert_eq!(readers.len(), LISTENERS);
    let after = gateway.resident();
    assert!(after < before + GROWTH, "{before} KiB, then {after} KiB");
    for listener in &mut asleep {
        let anew = listener
            .until("it begins anew", |event| event.name == "snapshot")
            .await;
        assert_eq!(with_wish(&anew.data, "Stopped").count(), SESSIONS);
    }
    println!("crowd: {} of {ASLEEP} who slept began anew", asleep.len());
    drop((readers, asleep));
    // The sessions have our finalizer, and a controller takes it off.
    let controller = scene.controller().await;
    // Tried again: the connection has lain idle for so long that the API server may close it just then.
    until("their deletion is taken", || async {
        let sessions = scene.sessions();
        let taken = sessions
            .delete_collection(&Default::default(), &Default::default())
            .await;
        taken.ok().map(drop)
    })
    .await;
    // A hundred at a time: how long all of them take is the machine's.
    for left in (0..SESSIONS).step_by(100).rev() {
        until(&format!("{left} are left"), || async {
            let sessions = gateway.get("/sessions").await.json();
            (sessions.as_array().expect("a list").len() <= left).then_some(())
        })
        .await;
    }
    scene.close(controller).await;
}
