//! The floor that the API server itself sets: the writes of sessions, made by the driver alone, in a namespace that no
//! controller serves. The status that is written is one that a controller wrote.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use serde_json::{Value, json};

use super::Bench;
use crate::load::{CLIENTS, FINALIZER, Load, Maker, at_share, milliseconds, sessions_path};

/// Objects of a paced floor.
const OBJECTS: usize = 60;

/// Bare objects in a namespace of their own.
struct Bare {
    load: Load,
    path: String,
    recorded: Value,
    ready: Value,
}

/// The middle time of all writes to Ready, in milliseconds, one object after the other at this rate a second.
/// `like` is a session that is Ready.
pub async fn paced(bench: &Bench, like: &Value, maker: Maker, rate: f64) -> anyhow::Result<f64> {
    let bare = Bare::open(bench, like, maker).await?;
    let (began, count) = (Instant::now(), bench.size(OBJECTS, 20));
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let due = began + Duration::from_secs_f64(number as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        let sent = Instant::now();
        bare.write(number).await?;
        times.push(milliseconds(sent.elapsed()));
    }
    bare.clear(count).await?;
    at_share(&times, 0.5)
}

/// Objects a second with as many clients as a burst has.
pub async fn burst(bench: &Bench, like: &Value, maker: Maker, count: usize) -> anyhow::Result<f64> {
    let bare = Arc::new(Bare::open(bench, like, maker).await?);
    let began = Instant::now();
    let writes = (0..count).map(|number| {
        let bare = bare.clone();
        // On the runtime's own threads, as the load is.
        async move { tokio::spawn(async move { bare.write(number).await }).await? }
    });
    stream::iter(writes)
        .buffer_unordered(CLIENTS)
        .try_collect::<Vec<()>>()
        .await?;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    bare.clear(count).await?;
    Ok(rate)
}

impl Bare {
    async fn open(bench: &Bench, like: &Value, maker: Maker) -> anyhow::Result<Bare> {
        let namespace = bench.world.namespace("floor").await?;
        let (recorded, ready) = statuses(like)?;
        Ok(Bare {
            path: sessions_path(&namespace),
            load: Load {
                client: bench.world.client.clone(),
                namespace,
                game: "arena".to_owned(),
                maker,
                stem: "bare".to_owned(),
            },
            recorded,
            ready,
        })
    }

    /// All writes of one session to Ready.
    async fn write(&self, number: usize) -> anyhow::Result<()> {
        let name = format!("bare-{number}");
        let object = format!("{}/{name}", self.path);
        let status = format!("{object}/status");
        self.load.post(name, Instant::now()).await?;
        self.patch(&status, &self.recorded).await?;
        if self.load.maker == Maker::Kubectl {
            self.patch(&object, &json!({"metadata": {"finalizers": [FINALIZER]}}))
                .await?;
        }
        self.patch(&status, &self.ready).await
    }

    async fn clear(&self, count: usize) -> anyhow::Result<()> {
        let free = |number| async move {
            let object = format!("{}/bare-{number}", self.path);
            self.patch(&object, &json!({"metadata": {"finalizers": null}}))
                .await
        };
        stream::iter((0..count).map(free))
            .buffer_unordered(CLIENTS)
            .try_collect::<Vec<()>>()
            .await?;
        self.load
            .delete((0..count).map(|number| format!("bare-{number}")), CLIENTS)
            .await
    }

    /// A merge patch, as the controller makes them.
    async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let request = http::Request::patch(path)
            .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
            .body(serde_json::to_vec(body)?)?;
        self.load
            .client
            .request_text(request)
            .await
            .with_context(|| format!("patch of {path}"))?;
        Ok(())
    }
}

/// The status as first recorded, not ready yet, and as it is when Ready.
fn statuses(like: &Value) -> anyhow::Result<(Value, Value)> {
    let ready = like
        .get("status")
        .context("a Ready session without status")?
        .clone();
    let mut recorded = ready.clone();
    let conditions = recorded["conditions"]
        .as_array_mut()
        .context("no conditions")?;
    let condition = conditions.iter_mut().find(|c| c["type"] == "Ready");
    condition.context("no condition Ready")?["status"] = "False".into();
    for later in ["address", "endpoints", "startTime"] {
        recorded.as_object_mut().context("no status")?.remove(later);
    }
    Ok((json!({"status": recorded}), json!({"status": ready})))
}

/// A session as the API server has it.
pub async fn session(client: &Client, namespace: &str, name: &str) -> anyhow::Result<Value> {
    let request =
        http::Request::get(format!("{}/{name}", sessions_path(namespace))).body(Vec::new())?;
    client
        .request(request)
        .await
        .with_context(|| format!("session {name}"))
}
