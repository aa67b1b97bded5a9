//! Many listeners, many sessions, and some who do not read. No controller and no game: the sessions are wishes alone, and each
//! change of a wish is a change to tell.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::call;
use crate::example;
use crate::harness::{Scene, until};
use crate::listener::Listener;
use crate::old_calls::until_catalog;
use crate::process::Gateway;

const LISTENERS: usize = 100;
/// More than a listener may have untold.
const SESSIONS: usize = 1_200;
const ASLEEP: usize = 10;
/// Requests at once.
const LANES: usize = 8;
/// What the gateway may have grown by between two rounds, in KiB: buffers of connections, and the allocator's own.
const GROWTH: u64 = 16 * 1024;

/// Reads until it has seen so many sessions with this wish.
async fn see_all(mut listener: Listener, wish: &'static str) -> Listener {
    let mut seen = HashSet::new();
    let mut note = |session: &Value| {
        if session["desiredState"] == wish {
            seen.insert(session["id"].as_str().expect("an id").to_owned());
        }
        seen.len()
    };
    loop {
        let event = listener.next().await.expect("the stream goes on");
        let count = match event.name.as_str() {
            "snapshot" => event
                .data
                .as_array()
                .expect("a list")
                .iter()
                .map(&mut note)
                .max(),
            "session" => Some(note(&event.data)),
            other => panic!("nothing goes, but a listener is told of {other}"),
        };
        if count == Some(SESSIONS) {
            return listener;
        }
    }
}

/// Sends these to the gateway, some at once; each must be answered with this status.
async fn all(gateway: &Gateway, calls: Vec<crate::client::Call>, status: u16) -> Vec<Value> {
    let answers = futures::stream::iter(calls).map(|call| async move {
        let answer = gateway.ask(&call).await;
        assert_eq!(answer.status, status, "{answer:?}");
        answer.json()
    });
    answers.buffer_unordered(LANES).collect().await
}

#[tokio::test]
async fn a_crowd_sees_everything_and_who_sleeps_costs_nothing_and_begins_anew() {
    let scene = Scene::open("crowd").await;
    scene.game(&example()).await;
    let flags = ["--rate-limit", "0"];
    let gateway = Arc::new(Gateway::launch(&scene, &scene.world.kubeconfig, &flags));
    gateway.until_health(200).await;
    until_catalog(&gateway, 1).await;
    let mut asleep = Vec::new();
    for _ in 0..ASLEEP {
        let mut listener = Listener::narrow(gateway.port).await;
        assert_eq!(listener.next().await.expect("a snapshot").data, json!([]));
        asleep.push(listener);
    }
    let mut awake = Vec::new();
    for _ in 0..LISTENERS {
        awake.push(Listener::at(gateway.port, None).await);
    }
    let wish = call("POST /sessions")
        .json(&json!({"gameId": "g"}))
        .header("Prefer", "respond-async");
    let (seen, made) = tokio::join!(
        everybody(awake, "Running"),
        all(&gateway, vec![wish; SESSIONS], 202)
    );
    let before = gateway.resident();
    let stop = |session: &Value| {
        let id = session["id"].as_str().expect("an id");
        call(&format!("POST /sessions/{id}/stop"))
    };
    let (seen, _) = tokio::join!(
        everybody(seen, "Stopped"),
        all(&gateway, made.iter().map(stop).collect(), 200)
    );
    assert_eq!(seen.len(), LISTENERS);
    let after = gateway.resident();
    println!(
        "crowd: {LISTENERS} listeners, {SESSIONS} sessions; {before} KiB, and {after} KiB a round later"
    );
    assert!(after < before + GROWTH, "{before} KiB, then {after} KiB");
    for mut listener in asleep {
        let anew = listener
            .until("it begins anew", |event| event.name == "snapshot")
            .await;
        let stopped = anew.data.as_array().expect("a list");
        let stopped = stopped
            .iter()
            .filter(|session| session["desiredState"] == "Stopped");
        assert_eq!(stopped.count(), SESSIONS);
    }
    // The sessions have our finalizer, and a controller takes it off.
    let controller = scene.controller().await;
    scene
        .sessions()
        .delete_collection(&Default::default(), &Default::default())
        .await
        .expect("they are deleted");
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

/// All of them, each until it has seen every session with this wish.
async fn everybody(listeners: Vec<Listener>, wish: &'static str) -> Vec<Listener> {
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(see_all(listener, wish));
    }
    tasks.join_all().await
}
