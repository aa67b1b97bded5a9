//! The load: Games and sessions made as a client makes them, open loop or in a burst, each with its times.
//!
//! An open loop never waits for an answer before the next arrival; how late an arrival was sent is part of the
//! result. A refused request is an error. Every wait is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use futures::StreamExt;
use futures::stream;
use kube::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::figure::percentile;
use super::watch::Observer;

/// Clients of a burst: enough to keep the API server busy, few enough not to queue in it.
pub const CLIENTS: usize = 32;
/// Longest wait for a load to be Ready, or gone: 10,000 sessions at a tenth of the budget's pace.
pub const LIMIT: Duration = Duration::from_secs(1000);
/// Longest wait for a whole answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The finalizer that our own clients put in at create, which saves the controller one write.
pub const FINALIZER: &str = "dillinger.dev/container";

/// Who makes the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// kubectl, or anybody: no finalizer.
    Kubectl,
    /// Our own clients: the finalizer is there at create.
    Own,
}

/// Sessions of one Game in one namespace.
#[derive(Clone)]
pub struct Load {
    pub client: Client,
    pub namespace: String,
    pub game: String,
    pub maker: Maker,
    /// First letters of the names; two loads in one namespace need two.
    pub stem: String,
}

/// One session that was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    pub name: String,
    /// When it should have been sent.
    pub due: Instant,
    /// Just before it was sent.
    pub sent: Instant,
    /// When the API server's answer was there.
    pub acknowledged: Instant,
}

/// The Game that simulated sessions are of: one port and a check of readiness, which the simulated runtime answers.
pub fn simulated_game(name: &str) -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": name},
        "spec": {
            "image": "dillinger/testgame:1",
            "imagePullPolicy": "IfNotPresent",
            "args": ["--tcp", "7777"],
            "ports": [{"name": "game", "containerPort": 7777, "protocol": "TCP"}],
            "readiness": {"tcpSocket": {"port": "game"}},
            "terminationGracePeriodSeconds": 2,
            "startDeadlineSeconds": 300,
            "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}},
        },
    })
}

/// Where the sessions of a namespace are on the API server.
pub fn sessions_path(namespace: &str) -> String {
    format!("/apis/dillinger.dev/v1alpha1/namespaces/{namespace}/gamesessions")
}

/// Makes a Game from its JSON.
pub async fn make_game(client: &Client, namespace: &str, game: &Value) -> anyhow::Result<()> {
    let path = format!("/apis/dillinger.dev/v1alpha1/namespaces/{namespace}/games");
    let request = http::Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(game)?)?;
    client
        .request_text(request)
        .await
        .context("create of a Game")?;
    Ok(())
}

impl Load {
    /// One session, posted now.
    pub async fn post(&self, name: String, due: Instant) -> anyhow::Result<Posted> {
        let request = self.request(&name)?;
        let sent = Instant::now();
        answered(&self.client, request)
            .await
            .with_context(|| format!("create of session {name}"))?;
        let acknowledged = Instant::now();
        Ok(Posted {
            name,
            due,
            sent,
            acknowledged,
        })
    }

    fn request(&self, name: &str) -> anyhow::Result<http::Request<Vec<u8>>> {
        let metadata = match self.maker {
            Maker::Kubectl => json!({"name": name}),
            Maker::Own => json!({"name": name, "finalizers": [FINALIZER]}),
        };
        let session = json!({
            "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession", "metadata": metadata,
            "spec": {"gameRef": {"name": self.game}, "user": "alice"},
        });
        Ok(http::Request::post(sessions_path(&self.namespace))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&session)?)?)
    }

    /// Poisson arrivals at this rate a second for this long: an open loop, the same one for the same seed. Returns
    /// when all were answered.
    pub async fn paced(
        &self,
        rate: f64,
        lasts: Duration,
        seed: u64,
    ) -> anyhow::Result<Vec<Posted>> {
        let load = Arc::new(self.clone());
        let mut posts = JoinSet::new();
        let began = Instant::now();
        for (number, after) in arrivals(rate, lasts, seed).into_iter().enumerate() {
            let due = began + after;
            tokio::time::sleep_until(due.into()).await;
            let (load, name) = (load.clone(), format!("{}-{number}", self.stem));
            posts.spawn(async move { load.post(name, due).await });
        }
        let mut all = Vec::with_capacity(posts.len());
        while let Some(posted) = posts.join_next().await {
            all.push(posted??);
        }
        all.sort_by_key(|p| p.due);
        Ok(all)
    }

    /// That many sessions as fast as [`CLIENTS`] clients can post them. Returns when all were answered.
    pub async fn burst(&self, count: usize) -> anyhow::Result<Vec<Posted>> {
        let (load, next) = (Arc::new(self.clone()), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS.min(count) {
            let (load, next) = (load.clone(), next.clone());
            clients.spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return anyhow::Ok(mine);
                    }
                    let name = format!("{}-{number}", load.stem);
                    mine.push(load.post(name, Instant::now()).await?);
                }
            });
        }
        let mut all = Vec::with_capacity(count);
        while let Some(mine) = clients.join_next().await {
            all.extend(mine??);
        }
        Ok(all)
    }

    /// Deletes these sessions, so many at once, and returns when the API server has taken every request.
    pub async fn delete(
        &self,
        names: impl IntoIterator<Item = String>,
        clients: usize,
    ) -> anyhow::Result<()> {
        let path = sessions_path(&self.namespace);
        let deletes = names.into_iter().map(|name| {
            let (client, uri) = (self.client.clone(), format!("{path}/{name}"));
            async move {
                let request = http::Request::delete(uri).body(Vec::new())?;
                answered(&client, request)
                    .await
                    .with_context(|| format!("delete of session {name}"))?;
                anyhow::Ok(())
            }
        });
        let mut answers = stream::iter(deletes).buffer_unordered(clients);
        while let Some(answer) = answers.next().await {
            answer?;
        }
        Ok(())
    }
}

/// Sends a request and waits for all of its answer; the client itself bounds only the wait for its beginning.
async fn answered(client: &Client, request: http::Request<Vec<u8>>) -> anyhow::Result<()> {
    let answer = client.request_text(request);
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.context("its answer began and did not end")??;
    Ok(())
}

/// Times of arrival of a Poisson process, from its start.
pub fn arrivals(rate: f64, lasts: Duration, seed: u64) -> Vec<Duration> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut at = 0.0;
    std::iter::from_fn(|| {
        // 1 - x is never 0, whose logarithm is none.
        at -= (1.0 - random.f64()).ln() / rate;
        (at < lasts.as_secs_f64()).then(|| Duration::from_secs_f64(at))
    })
    .collect()
}

/// Milliseconds of a load, one value a session, in the order of the posts.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// From just before the POST until the observer saw Ready.
    pub ready: Vec<f64>,
    /// From just before the POST until its answer.
    pub acknowledged: Vec<f64>,
    /// From just before the POST until the observer saw the session at all.
    pub seen: Vec<f64>,
    /// From the due time until the POST was sent: the fault of the generator.
    pub late: Vec<f64>,
}

impl Times {
    /// Of sessions that are all Ready; an error names one that is not.
    pub fn of(posted: &[Posted], observer: &Observer) -> anyhow::Result<Times> {
        let mut times = Times::default();
        for post in posted {
            let seen = observer
                .seen(&post.name)
                .context("a session was never seen")?;
            let ready = seen
                .ready
                .ok_or_else(|| anyhow!("session {} was never Ready", post.name))?;
            let since = |moment: Instant| milliseconds(moment.saturating_duration_since(post.sent));
            times.ready.push(since(ready));
            times.seen.push(since(seen.first));
            times
                .acknowledged
                .push(milliseconds(post.acknowledged - post.sent));
            times
                .late
                .push(milliseconds(post.sent.saturating_duration_since(post.due)));
        }
        Ok(times)
    }
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A percentile of values that are not empty; an error says what is.
pub fn at_share(values: &[f64], share: f64) -> anyhow::Result<f64> {
    percentile(values, share).context("no session was measured")
}
