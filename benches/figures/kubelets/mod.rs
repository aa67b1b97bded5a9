//! Nodes without machines: the fewest writes that a scheduler and a kubelet can do with for each Pod of one namespace.
//!
//! A Pod is bound to a node in turn, and is then Running and ready in one write; one that is to go is told as ended, then
//! deleted, as a kubelet does. No container runs, no Event is written, nothing is in between. Works until dropped; what
//! fails is an error of every later wait and of [`Kubelets::alive`].

mod nodes;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use kube::Client;
use kube::core::WatchEvent;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::world::{World, connect};
pub use nodes::complete;

/// Requests at once, of all kubelets together.
const AT_ONCE: usize = 32;
/// Between two renewals of a node's Lease; the node controller gives a node up after 50 s without one.
const RENEWAL: Duration = Duration::from_secs(10);

pub struct Kubelets {
    cluster: Cluster,
    turns: watch::Receiver<Turn>,
    tasks: [AbortOnDropHandle<()>; 2],
}

/// Where they stand.
#[derive(Default)]
struct Turn {
    /// Pods that exist: name by UID.
    pods: HashMap<String, String>,
    failed: Option<String>,
}

/// A Pod as far as its kubelet asks.
#[derive(Clone, Debug, Deserialize)]
pub struct Pod {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
}
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    name: String,
    uid: String,
    resource_version: String,
    deletion_timestamp: Option<String>,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
    #[serde(default)]
    containers: Vec<Container>,
}
#[derive(Clone, Debug, Deserialize)]
struct Container {
    name: String,
    image: String,
}
#[derive(Deserialize)]
struct Head {
    metadata: HeadMeta,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadMeta {
    resource_version: String,
}

/// What all of them share.
#[derive(Clone)]
struct Cluster {
    client: Client,
    namespace: String,
    nodes: Arc<Vec<String>>,
    free: Arc<Semaphore>,
    tell: watch::Sender<Turn>,
}

impl Kubelets {
    /// So many nodes, all ready when this returns, which serve the Pods of a namespace that holds none yet.
    pub async fn start(world: &World, namespace: &str, nodes: usize) -> anyhow::Result<Kubelets> {
        let client = connect().await?;
        complete(&world.client, namespace).await?;
        let names: Vec<String> = (0..nodes).map(|n| format!("{namespace}-{n}")).collect();
        for name in &names {
            nodes::make(&client, name).await?;
        }
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let request = http::Request::get(format!("{path}?limit=1")).body(Vec::new())?;
        let head: Head = client.request(request).await.context("list of Pods")?;
        let (tell, turns) = watch::channel(Turn::default());
        let cluster = Cluster {
            client,
            namespace: namespace.to_owned(),
            nodes: Arc::new(names),
            free: Arc::new(Semaphore::new(AT_ONCE)),
            tell,
        };
        let (following, renewing) = (cluster.clone(), cluster.clone());
        let follow = tokio::spawn(async move {
            let ended = following
                .follow(&path, head.metadata.resource_version)
                .await;
            following.failed(ended, "the watch of Pods");
        });
        let renew = tokio::spawn(async move {
            let ended = renewing.renew().await;
            renewing.failed(ended, "the Lease of a node");
        });
        Ok(Kubelets {
            cluster,
            turns,
            tasks: [follow, renew].map(AbortOnDropHandle::new),
        })
    }

    /// An error, if one of them could not do its work.
    pub fn alive(&self) -> anyhow::Result<()> {
        match &self.turns.borrow().failed {
            None => Ok(()),
            Some(words) => bail!("the kubelets: {words}"),
        }
    }

    /// How many Pods exist.
    pub fn pods(&self) -> usize {
        self.turns.borrow().pods.len()
    }

    /// Waits until no Pod is left.
    pub async fn until_none(&self, limit: Duration) -> anyhow::Result<()> {
        let mut turns = self.turns.clone();
        let waited = turns.wait_for(|turn| turn.failed.is_some() || turn.pods.is_empty());
        let waited = tokio::time::timeout(limit, waited).await;
        waited
            .map_err(|_| anyhow!("{} Pods are left after {limit:?}", self.pods()))?
            .context("the kubelets ended")?;
        self.alive()
    }

    /// Takes away what Pods are left, sooner than the garbage collector would.
    pub async fn clear(&self, limit: Duration) -> anyhow::Result<()> {
        let names: Vec<String> = self.turns.borrow().pods.values().cloned().collect();
        let cluster = &self.cluster;
        stream::iter(names)
            .map(|name| async move { delete(&cluster.client, &cluster.namespace, &name, None).await })
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        self.until_none(limit).await
    }

    /// Takes the nodes away. No Pod is to be left.
    pub async fn stop(self) -> anyhow::Result<()> {
        drop(self.tasks);
        for name in self.cluster.nodes.iter() {
            for path in [format!("/api/v1/nodes/{name}"), nodes::lease(name)] {
                let request = http::Request::delete(path);
                send(
                    &self.cluster.client,
                    request,
                    "application/json",
                    &json!({}),
                )
                .await?;
            }
        }
        Ok(())
    }
}

impl Cluster {
    fn failed(&self, ended: anyhow::Result<()>, what: &str) {
        if let Err(error) = ended {
            self.tell.send_modify(|turn| {
                turn.failed.get_or_insert(format!("{what}: {error:#}"));
            });
        }
    }

    async fn follow(&self, path: &str, mut version: String) -> anyhow::Result<()> {
        let (mut begun, mut ended) = (HashSet::new(), HashSet::new());
        let mut nodes = self.nodes.iter().cycle();
        loop {
            let uri = format!("{path}?watch=true&timeoutSeconds=3600&resourceVersion={version}");
            let request = http::Request::get(uri).body(Vec::new())?;
            let stream = self.client.request_events::<Pod>(request).await?;
            let mut stream = Box::pin(stream);
            while let Some(event) = stream.next().await.transpose()? {
                let pod = match event {
                    WatchEvent::Added(pod) | WatchEvent::Modified(pod) => pod,
                    WatchEvent::Deleted(pod) => {
                        let uid = &pod.metadata.uid;
                        begun.remove(uid);
                        ended.remove(uid);
                        self.tell.send_modify(|turn| drop(turn.pods.remove(uid)));
                        version = pod.metadata.resource_version;
                        continue;
                    }
                    WatchEvent::Bookmark(bookmark) => {
                        version.clone_from(&bookmark.metadata.resource_version);
                        continue;
                    }
                    WatchEvent::Error(status) => bail!("{status:?}"),
                };
                version.clone_from(&pod.metadata.resource_version);
                let uid = pod.metadata.uid.clone();
                let cluster = self.clone();
                if pod.metadata.deletion_timestamp.is_some() {
                    if ended.insert(uid) {
                        self.work(async move { cluster.end(&pod).await });
                    }
                } else if pod.spec.node_name.is_none() && begun.insert(uid.clone()) {
                    let name = pod.metadata.name.clone();
                    self.tell
                        .send_modify(|turn| drop(turn.pods.insert(uid, name)));
                    let node = nodes.next().context("no node")?.clone();
                    self.work(async move {
                        begin(&cluster.client, &cluster.namespace, &pod, &node).await
                    });
                }
            }
        }
    }

    fn work(&self, work: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let cluster = self.clone();
        tokio::spawn(async move {
            let _turn = cluster.free.acquire().await;
            let done = work.await;
            cluster.failed(done, "a Pod");
        });
    }

    /// What a kubelet says of a game that ended, and then that nothing is left of it.
    async fn end(&self, pod: &Pod) -> anyhow::Result<()> {
        let name = &pod.metadata.name;
        if pod.spec.node_name.is_some() {
            let now = now();
            let ended = json!({"terminated": {
                "exitCode": 143, "reason": "Error", "startedAt": now, "finishedAt": now,
            }});
            let status =
                json!({"phase": "Failed", "containerStatuses": containers(pod, &ended, false)});
            patch_status(&self.client, &self.namespace, name, status).await?;
        }
        delete(&self.client, &self.namespace, name, Some(&pod.metadata.uid)).await
    }

    /// Keeps the nodes alive.
    async fn renew(&self) -> anyhow::Result<()> {
        loop {
            sleep(RENEWAL).await;
            for name in self.nodes.iter() {
                nodes::renew(&self.client, name).await?;
            }
        }
    }
}

/// The scheduler's write, then the kubelet's: the Pod is on this node, Running and ready.
pub async fn begin(client: &Client, namespace: &str, pod: &Pod, node: &str) -> anyhow::Result<()> {
    let name = &pod.metadata.name;
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "uid": pod.metadata.uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let bind = http::Request::post(pod_path(namespace, name, "/binding"));
    send(client, bind, "application/json", &binding).await?;
    let now = now();
    let running = json!({"running": {"startedAt": now}});
    let kinds = [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ];
    let conditions =
        kinds.map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": now}));
    let status = json!({
        "phase": "Running", "hostIP": "127.0.0.1", "podIP": "10.0.0.1", "startTime": now,
        "conditions": conditions, "containerStatuses": containers(pod, &running, true),
    });
    patch_status(client, namespace, name, status).await
}

/// Deletes a Pod without a grace: nothing is left of it.
pub async fn delete(
    client: &Client,
    namespace: &str,
    name: &str,
    uid: Option<&str>,
) -> anyhow::Result<()> {
    let mut options = json!({
        "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
    });
    if let Some(uid) = uid {
        options["preconditions"] = json!({"uid": uid});
    }
    let delete = http::Request::delete(pod_path(namespace, name, ""));
    send(client, delete, "application/json", &options).await
}

async fn patch_status(
    client: &Client,
    namespace: &str,
    name: &str,
    status: Value,
) -> anyhow::Result<()> {
    let patch = http::Request::patch(pod_path(namespace, name, "/status"));
    let kind = "application/merge-patch+json";
    send(client, patch, kind, &json!({"status": status})).await
}

/// What went meanwhile, or is as it should be already, is no failure.
async fn send(
    client: &Client,
    request: http::request::Builder,
    kind: &str,
    body: &Value,
) -> anyhow::Result<()> {
    let request = request
        .header(http::header::CONTENT_TYPE, kind)
        .body(serde_json::to_vec(body)?)?;
    let what = format!("{} {}", request.method(), request.uri());
    match client.request_text(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
        Err(error) => Err(error).context(what),
    }
}

fn now() -> String {
    clock().strftime("%FT%TZ").to_string()
}

#[allow(
    clippy::disallowed_methods,
    reason = "the API server compares what a node says with its own clock"
)]
fn clock() -> Timestamp {
    Timestamp::now()
}

fn pod_path(namespace: &str, name: &str, part: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods/{name}{part}")
}

fn containers(pod: &Pod, state: &Value, ready: bool) -> Vec<Value> {
    let one = |container: &Container| {
        json!({
            "name": container.name, "image": container.image, "imageID": "sha256:0", "restartCount": 0,
            "ready": ready, "started": ready, "state": state,
        })
    };
    pod.spec.containers.iter().map(one).collect()
}
