//! The cluster's parts and nodes, stopped and started as `deploy/local/cluster` does it.

use std::path::Path;
use std::process::Command;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::raw::RawPods;
use crate::told::pod;
use crate::wait::until;
use crate::world::World;

fn cluster(world: &World, verb: &str, words: &[&str]) {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/local/cluster");
    let output = Command::new(tool)
        .arg(verb)
        .arg(&world.folder)
        .args(words)
        .output()
        .expect("the cluster's tool runs");
    assert!(
        output.status.success(),
        "cluster {verb} {words:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// One part of a node. It is started again when this is dropped, so that a test that fails leaves the others a cluster.
pub struct Stopped<'a> {
    world: &'a World,
    node: &'static str,
    part: &'static str,
}

pub fn stop<'a>(world: &'a World, node: &'static str, part: &'static str) -> Stopped<'a> {
    cluster(world, "stop", &["--node", node, part]);
    Stopped { world, node, part }
}

impl Stopped<'_> {
    pub fn start(self) {}
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        cluster(self.world, "start", &["--node", self.node, self.part]);
    }
}

/// The second node without power; it comes back when this is dropped.
pub struct Off<'a>(&'a World);

pub fn power_off(world: &World) -> Off<'_> {
    cluster(world, "power-off", &["--node", "2"]);
    Off(world)
}

impl Off<'_> {
    pub fn power_on(self) {}
}

impl Drop for Off<'_> {
    fn drop(&mut self) {
        cluster(self.0, "power-on", &["--node", "2"]);
    }
}

pub async fn until_node(client: &Client, name: &str, ready: bool) {
    let nodes: Api<Node> = Api::all(client.clone());
    let wanted = if ready { "Ready" } else { "not Ready" };
    until(&format!("{name} is {wanted}"), || async {
        let node = nodes.get(name).await.ok()?;
        let conditions = node.status?.conditions?;
        let is = conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True");
        (is == ready).then_some(())
    })
    .await;
}

pub async fn patch_node(client: &Client, name: &str, spec: Value) {
    let nodes: Api<Node> = Api::all(client.clone());
    let change = Patch::Merge(json!({"spec": spec}));
    let patched = nodes.patch(name, &PatchParams::default(), &change).await;
    patched.unwrap_or_else(|error| panic!("PATCH of {name}: {error}"));
}

/// Takes a node out of scheduling, and waits until the scheduler knows: it refuses a Pod that asks for that node. It may be slow
/// to see it, after an outage of the API server above all.
pub async fn cordon(client: &Client, node: &str) {
    patch_node(client, node, json!({"unschedulable": true})).await;
    let raw = RawPods::open(client, "nodes-cordon").await;
    let there = json!({"nodeSelector": {"kubernetes.io/hostname": node}});
    for number in 0.. {
        let name = format!("asks-{number}");
        raw.make(&pod(&name, &[], &Value::Null, &there)).await;
        let placed = until("the scheduler judged the Pod", || async {
            let conditions = raw.pods.get(&name).await.ok()?.status?.conditions?;
            let scheduled = conditions.iter().find(|c| c.type_ == "PodScheduled")?;
            Some(scheduled.status == "True")
        })
        .await;
        if !placed {
            break;
        }
    }
    raw.close().await;
}

/// Waits until the API server answers again.
pub async fn until_served(client: &Client) {
    until("the API server answers", || async {
        client.apiserver_version().await.ok()
    })
    .await;
}
