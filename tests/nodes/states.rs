//! What Pods say while their node is silent, off, given up, deleted and back, against tests/pods/states.yaml, which the
//! simulated cluster is held to.

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::cluster::{self, patch_node, until_node};
use crate::raw::RawPods;
use crate::told::{By, pod};
use crate::world::World;

/// On the second node, and evicted from it so.
fn there(name: &str, tolerations: &Value) -> Value {
    let spec = json!({
        "nodeSelector": {"kubernetes.io/hostname": "node2"}, "tolerations": tolerations,
    });
    pod(name, &["--tcp", "7777"], &Value::Null, &spec)
}

#[tokio::test]
async fn a_pod_says_of_a_lost_node_what_the_simulated_one_says() {
    let world = World::here();
    let client = world.client().await;
    let raw = RawPods::open(&client, "nodes-states").await;
    let soon = json!([
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1},
    ]);
    let never = json!([{"operator": "Exists"}]);
    raw.make(&there("taken", &soon)).await;
    raw.make(&there("patient", &json!([]))).await;
    raw.make(&there("stays", &never)).await;
    for name in ["taken", "patient", "stays"] {
        raw.says(name, "running, ready").await;
    }

    let off = cluster::power_off(&world);
    until_node(&client, "node2", false).await;
    raw.is("patient", "its node is silent").await;
    raw.says("taken", "taken from a silent node, the cause")
        .await;
    raw.says("taken", "taken from a silent node").await;
    let given_up = json!([
        {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"},
    ]);
    patch_node(&client, "node2", json!({"taints": given_up})).await;
    raw.says("patient", "taken from a silent node").await;
    for name in ["patient", "taken"] {
        raw.says(name, "its node is out of service").await;
        raw.says(name, "its node is out of service, gone").await;
    }
    off.power_on();
    patch_node(&client, "node2", json!({"taints": null})).await;
    until_node(&client, "node2", true).await;
    let passing = "its node is back from a power failure, its phase to follow";
    let back = "its node is back from a power failure";
    raw.says_after("stays", passing, back).await;

    raw.make(&there("orphan", &never)).await;
    raw.says("orphan", "running, ready").await;
    let off = cluster::power_off(&world);
    until_node(&client, "node2", false).await;
    let nodes: Api<Node> = Api::all(client.clone());
    let deleted = nodes.delete("node2", &DeleteParams::default()).await;
    deleted.expect("the node is deleted");
    raw.says("orphan", "its node is deleted").await;
    raw.says("orphan", "its node is deleted, gone").await;
    off.power_on();
    until_node(&client, "node2", true).await;
    raw.telling().assert_met(|state| state.by == By::Nodes);
    raw.close().await;
}
