//! Everything that happened to the Pods and sessions of a namespace, as watches told it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use dillinger_runner::api::{GameSession, keys};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt};

use crate::bed::{cond, phase_of};

/// Which Pods each attempt had, and which were alive together.
#[derive(Debug, Default)]
struct Seen {
    /// Pod uids by session uid and attempt.
    pods: BTreeMap<(String, String), BTreeSet<String>>,
    /// Alive now: Pod uid to session uid.
    alive: BTreeMap<String, String>,
    two_at_once: Vec<String>,
}

pub struct History {
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl History {
    pub fn of(client: &Client, namespace: &str) -> History {
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            let mut events = watcher(pods, Config::default()).boxed();
            // An error is followed by a list, which tells all that is there.
            while let Some(event) = events.next().await {
                match event {
                    Ok(Event::Apply(pod) | Event::InitApply(pod)) => learn(&shared, &pod, true),
                    Ok(Event::Delete(pod)) => learn(&shared, &pod, false),
                    Ok(Event::Init | Event::InitDone) | Err(_) => {}
                }
            }
        });
        History { seen, task }
    }

    /// Every attempt had one Pod at most, and no session two that lived at once.
    pub fn assert_none_was_started_twice(&self) {
        let seen = self.seen.lock().expect("nobody panics with it");
        assert_eq!(seen.two_at_once, Vec::<String>::new());
        for (attempt, pods) in &seen.pods {
            assert_eq!(pods.len(), 1, "attempt {attempt:?} had the Pods {pods:?}");
        }
        assert!(!seen.pods.is_empty(), "the watch told nothing");
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn learn(shared: &Mutex<Seen>, pod: &Pod, exists: bool) {
    let label = |key: &str| pod.labels().get(key).cloned().unwrap_or_default();
    let (session, attempt) = (label(keys::UID), label(keys::ATTEMPT));
    let id = pod.uid().unwrap_or_default();
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    let ended = matches!(phase, Some("Succeeded" | "Failed"));
    let mut seen = shared.lock().expect("nobody panics with it");
    seen.pods
        .entry((session.clone(), attempt))
        .or_default()
        .insert(id.clone());
    if exists && !ended {
        seen.alive.insert(id, session.clone());
        let together = seen.alive.values().filter(|of| **of == session).count();
        if together > 1 {
            seen.two_at_once.push(session);
        }
    } else {
        seen.alive.remove(&id);
    }
}

/// What a session says, each time that it says something else, with the seconds since this began.
pub struct Timeline {
    lines: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Timeline {
    pub fn of(client: &Client, namespace: &str, name: &str) -> Timeline {
        let sessions: Api<GameSession> = Api::namespaced(client.clone(), namespace);
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (shared, name, began) = (lines.clone(), name.to_owned(), Instant::now());
        let task = tokio::spawn(async move {
            let config = Config::default().fields(&format!("metadata.name={name}"));
            let mut events = watcher(sessions, config).boxed();
            let mut last = String::new();
            while let Some(event) = events.next().await {
                let Ok(Event::Apply(session) | Event::InitApply(session)) = event else {
                    continue;
                };
                let words = said(&session);
                if words != last {
                    let seconds = began.elapsed().as_secs_f64();
                    let mut lines = shared.lock().expect("nobody panics with it");
                    lines.push(format!("{seconds:6.1} s  {words}"));
                    last = words;
                }
            }
        });
        Timeline { lines, task }
    }

    pub fn print(&self, title: &str) {
        let lines = self.lines.lock().expect("nobody panics with it");
        println!("{title}\n  {}", lines.join("\n  "));
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn said(session: &GameSession) -> String {
    let status = session.status.as_ref();
    let attempt = status.and_then(|s| s.attempt).unwrap_or_default();
    let ready = cond(session, "Ready").map_or_else(String::new, |c| {
        format!("Ready={:?} {}: {}", c.status, c.reason, c.message)
    });
    format!("{} (attempt {attempt}) {ready}", phase_of(session))
}
