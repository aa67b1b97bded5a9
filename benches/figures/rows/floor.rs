//! The floor that the API server itself sets: the writes of sessions, those of their Pods among them where there are any,
//! made by the driver alone, in a namespace that no controller serves. What is written is what a controller wrote.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use dillinger_runner::api::keys;
use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use serde_json::{Value, json};

use super::Bench;
use super::bed::{Bed, Place};
use crate::kubelets::{self, Pod};
use crate::load::{CLIENTS, FINALIZER, Load, Maker, at_share, milliseconds, sessions_path};

/// Objects of a paced floor.
const OBJECTS: usize = 60;

/// A session that is Ready, as the API server has it, and its Pod where it has one.
pub struct Like {
    session: Value,
    pod: Option<LikePod>,
}

#[derive(Clone)]
struct LikePod {
    /// As it was posted, but for its name.
    body: Value,
    node: String,
}

/// Bare objects in a namespace of their own.
struct Bare {
    load: Load,
    path: String,
    recorded: Value,
    ready: Value,
    pod: Option<LikePod>,
}

/// The middle time of all writes to Ready, in milliseconds, one object after the other at this rate a second.
pub async fn paced(bench: &Bench, like: &Like, maker: Maker, rate: f64) -> anyhow::Result<f64> {
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
pub async fn burst(bench: &Bench, like: &Like, maker: Maker, count: usize) -> anyhow::Result<f64> {
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
    async fn open(bench: &Bench, like: &Like, maker: Maker) -> anyhow::Result<Bare> {
        let namespace = bench.world.namespace("floor").await?;
        if like.pod.is_some() {
            kubelets::complete(&bench.world.client, &namespace).await?;
        }
        let (recorded, ready) = statuses(&like.session)?;
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
            pod: like.pod.clone(),
        })
    }

    /// All writes of one session to Ready.
    async fn write(&self, number: usize) -> anyhow::Result<()> {
        let name = format!("bare-{number}");
        let object = format!("{}/{name}", self.path);
        let status = format!("{object}/status");
        self.load.post(name.clone(), Instant::now()).await?;
        self.patch(&status, &self.recorded).await?;
        if let Some(pod) = &self.pod {
            self.run(&name, pod).await?;
        } else if self.load.maker == Maker::Kubectl {
            self.patch(&object, &json!({"metadata": {"finalizers": [FINALIZER]}}))
                .await?;
        }
        self.patch(&status, &self.ready).await
    }

    /// A Pod that is bound and runs.
    async fn run(&self, name: &str, like: &LikePod) -> anyhow::Result<()> {
        let (client, namespace) = (&self.load.client, &self.load.namespace);
        let mut body = like.body.clone();
        body["metadata"]["name"] = name.into();
        let request = http::Request::post(pods_path(namespace))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&body)?)?;
        let pod: Pod = client
            .request(request)
            .await
            .with_context(|| format!("Pod {name}"))?;
        kubelets::begin(client, namespace, &pod, &like.node).await
    }

    async fn clear(&self, count: usize) -> anyhow::Result<()> {
        let free = |number| async move {
            let name = format!("bare-{number}");
            if self.pod.is_some() {
                let (client, namespace) = (&self.load.client, &self.load.namespace);
                return kubelets::delete(client, namespace, &name, None).await;
            }
            let object = format!("{}/{name}", self.path);
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

impl Like {
    /// A session of this bed.
    pub async fn of(client: &Client, bed: &Bed, name: &str) -> anyhow::Result<Like> {
        let path = format!("{}/{name}", sessions_path(&bed.namespace));
        let session = read(client, &path).await?;
        let pod = match bed.place() {
            Place::Simulated => None,
            Place::Pods => Some(LikePod::of(client, &bed.namespace, &session).await?),
        };
        Ok(Like { session, pod })
    }
}

impl LikePod {
    async fn of(client: &Client, namespace: &str, session: &Value) -> anyhow::Result<LikePod> {
        let uid = session["metadata"]["uid"].as_str().context("no uid")?;
        let path = format!("{}?labelSelector={}={uid}", pods_path(namespace), keys::UID);
        let list = read(client, &path).await?;
        let found = list["items"]
            .get(0)
            .context("a Ready session without Pod")?;
        let mut spec = found["spec"].clone();
        let node = spec
            .as_object_mut()
            .and_then(|spec| spec.remove("nodeName"));
        let (labels, annotations) = (
            &found["metadata"]["labels"],
            &found["metadata"]["annotations"],
        );
        Ok(LikePod {
            body: json!({
                "apiVersion": "v1", "kind": "Pod", "spec": spec,
                "metadata": {"labels": labels, "annotations": annotations},
            }),
            node: node
                .as_ref()
                .and_then(Value::as_str)
                .context("a Pod that runs nowhere")?
                .to_owned(),
        })
    }
}

fn pods_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

async fn read(client: &Client, path: &str) -> anyhow::Result<Value> {
    let request = http::Request::get(path).body(Vec::new())?;
    let read = client.request(request).await;
    read.with_context(|| path.to_owned())
}
