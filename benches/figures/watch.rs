//! The observer: a client of its own that watches the sessions of one namespace, as a user's would, and notes when
//! each was made, Ready and gone. It reads only what it needs, so that it costs little beside what it measures.
//!
//! A watch that ends is taken up where it ended; one that cannot be is an error of every later wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use futures::StreamExt;
use kube::Client;
use kube::core::WatchEvent;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::load::sessions_path;

/// What was seen of one session.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// First event about it.
    pub first: Instant,
    /// First event with the condition Ready True.
    pub ready: Option<Instant>,
    pub gone: Option<Instant>,
    /// Events about it until it was Ready, that one included.
    pub events_to_ready: u32,
    /// The last event said Ready.
    pub ready_now: bool,
}

/// Watches until dropped.
pub struct Observer {
    seen: Arc<Mutex<Sessions>>,
    turns: watch::Receiver<Turn>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Sessions {
    by_name: HashMap<String, Seen>,
    ready: usize,
    alive: usize,
}

/// Where the watch stands: counts of sessions, or why it ended.
#[derive(Clone, Debug, Default)]
struct Turn {
    /// Sessions that were ever Ready.
    ready: usize,
    /// Sessions that exist.
    alive: usize,
    failed: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Lean {
    metadata: LeanMeta,
    status: Option<LeanStatus>,
}
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanMeta {
    name: String,
    resource_version: String,
}
#[derive(Clone, Debug, Deserialize)]
struct LeanStatus {
    #[serde(default)]
    conditions: Vec<LeanCondition>,
}
#[derive(Clone, Debug, Deserialize)]
struct LeanCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListHead {
    metadata: ListMeta,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    resource_version: String,
}

impl Observer {
    /// Watches a namespace that holds no session yet. Established when this returns.
    pub async fn start(namespace: &str) -> anyhow::Result<Observer> {
        let client = super::world::connect().await?;
        let path = sessions_path(namespace);
        let request = http::Request::get(format!("{path}?limit=1")).body(Vec::new())?;
        let head: ListHead = client.request(request).await.context("list of sessions")?;
        let mut version = head.metadata.resource_version;
        let seen: Arc<Mutex<Sessions>> = Arc::default();
        let (tell, turns) = watch::channel(Turn::default());
        let sessions = seen.clone();
        let first = first_events(&client, &path, &version).await?;
        let task = tokio::spawn(async move {
            let mut stream = first;
            let failed = loop {
                match follow(&mut stream, &sessions, &tell, &mut version).await {
                    Ok(()) => {}
                    Err(error) => break error,
                }
                stream = match events(&client, &path, &version).await {
                    Ok(stream) => stream,
                    Err(error) => break error,
                };
            };
            tell.send_modify(|turn| turn.failed = Some(format!("{failed:#}")));
        });
        Ok(Observer {
            seen,
            turns,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// What was seen of a session; None: nothing yet.
    pub fn seen(&self, name: &str) -> Option<Seen> {
        lock(&self.seen).by_name.get(name).copied()
    }

    /// Sessions that were ever Ready.
    pub fn ready(&self) -> usize {
        lock(&self.seen).ready
    }

    /// Waits until that many sessions were Ready since the watch began.
    pub async fn until_ready(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        self.until(limit, |turn| turn.ready >= count)
            .await
            .with_context(|| format!("{} of {count} sessions were Ready", self.ready()))
    }

    /// Waits until no session is left.
    pub async fn until_none(&self, limit: Duration) -> anyhow::Result<()> {
        self.until(limit, |turn| turn.alive == 0)
            .await
            .with_context(|| format!("{} sessions are left", lock(&self.seen).alive))
    }

    async fn until(&self, limit: Duration, holds: impl Fn(&Turn) -> bool) -> anyhow::Result<()> {
        let mut turns = self.turns.clone();
        let waited = turns.wait_for(|turn| turn.failed.is_some() || holds(turn));
        let turn = tokio::time::timeout(limit, waited)
            .await
            .map_err(|_| anyhow!("not within {limit:?}"))??;
        match &turn.failed {
            Some(words) => bail!("the observer's watch failed: {words}"),
            None => Ok(()),
        }
    }
}

type Events = futures::stream::BoxStream<'static, kube::Result<WatchEvent<Lean>>>;

/// Just after the definitions were made, or changed, the API server begins its storage and refuses watches.
const BEGINNING: Duration = Duration::from_secs(30);

async fn first_events(client: &Client, path: &str, version: &str) -> anyhow::Result<Events> {
    let began = Instant::now();
    loop {
        match events(client, path, version).await {
            Err(error) if began.elapsed() < BEGINNING && too_soon(&error) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            answer => return answer,
        }
    }
}

fn too_soon(error: &anyhow::Error) -> bool {
    let api = error.downcast_ref::<kube::Error>();
    matches!(api, Some(kube::Error::Api(status)) if status.code == 429)
}

async fn events(client: &Client, path: &str, version: &str) -> anyhow::Result<Events> {
    let uri = format!("{path}?watch=true&timeoutSeconds=3600&resourceVersion={version}");
    let request = http::Request::get(uri).body(Vec::new())?;
    let stream = client
        .request_events::<Lean>(request)
        .await
        .context("watch of sessions")?;
    Ok(Box::pin(stream))
}

/// Notes events until the stream ends.
async fn follow(
    stream: &mut Events,
    sessions: &Mutex<Sessions>,
    tell: &watch::Sender<Turn>,
    version: &mut String,
) -> anyhow::Result<()> {
    while let Some(event) = stream.next().await.transpose()? {
        let now = Instant::now();
        let (lean, gone) = match event {
            WatchEvent::Added(lean) | WatchEvent::Modified(lean) => (lean, false),
            WatchEvent::Deleted(lean) => (lean, true),
            WatchEvent::Bookmark(bookmark) => {
                version.clone_from(&bookmark.metadata.resource_version);
                continue;
            }
            WatchEvent::Error(status) => bail!("{status:?}"),
        };
        version.clone_from(&lean.metadata.resource_version);
        let turn = lock(sessions).note(lean, gone, now);
        tell.send_if_modified(|told| {
            let news = (told.ready, told.alive) != turn;
            (told.ready, told.alive) = turn;
            news
        });
    }
    Ok(())
}

impl Sessions {
    fn note(&mut self, lean: Lean, gone: bool, now: Instant) -> (usize, usize) {
        let is_ready = lean
            .status
            .iter()
            .flat_map(|s| &s.conditions)
            .any(|c| c.kind == "Ready" && c.status == "True");
        let alive = &mut self.alive;
        let seen = self.by_name.entry(lean.metadata.name).or_insert_with(|| {
            *alive += 1;
            Seen {
                first: now,
                ready: None,
                gone: None,
                events_to_ready: 0,
                ready_now: false,
            }
        });
        seen.ready_now = is_ready && !gone;
        if seen.ready.is_none() {
            seen.events_to_ready += 1;
            if is_ready {
                seen.ready = Some(now);
                self.ready += 1;
            }
        }
        if gone && seen.gone.is_none() {
            seen.gone = Some(now);
            self.alive -= 1;
        }
        (self.ready, self.alive)
    }
}

fn lock(sessions: &Mutex<Sessions>) -> std::sync::MutexGuard<'_, Sessions> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}
