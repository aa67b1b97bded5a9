//! The nodes themselves: objects with a status, and a Lease each.

use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use serde_json::json;
use tokio::time::sleep;

use super::{clock, now, send};

/// Longest wait for a namespace to be complete.
const COMPLETE: Duration = Duration::from_secs(30);

/// Without its ServiceAccount a namespace takes no Pod.
pub async fn complete(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let there = async {
        while accounts.get_opt("default").await?.is_none() {
            sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(COMPLETE, there)
        .await
        .with_context(|| format!("namespace {namespace} got no ServiceAccount"))?
}

/// A node that reports. It says so once; from then on its Lease does.
pub async fn make(client: &Client, name: &str) -> anyhow::Result<()> {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
    let create = http::Request::post("/api/v1/nodes");
    send(client, create, "application/json", &node).await?;
    renew(client, name).await?;
    let resources = json!({"cpu": "1000", "memory": "1Ti", "pods": "100000"});
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "capacity": resources, "allocatable": resources,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "",
            "lastHeartbeatTime": now(), "lastTransitionTime": now(),
        }],
    }});
    let patch = http::Request::patch(format!("/api/v1/nodes/{name}/status"));
    send(client, patch, "application/merge-patch+json", &status).await
}

pub fn lease(node: &str) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}")
}

/// The Lease of a node, made where it is missing.
pub async fn renew(client: &Client, node: &str) -> anyhow::Result<()> {
    let lease_now = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": node},
        "spec": {
            "holderIdentity": node, "leaseDurationSeconds": 40,
            "renewTime": clock().strftime("%FT%T.%6fZ").to_string(),
        },
    });
    let apply = http::Request::patch(format!("{}?fieldManager=kubelets&force=true", lease(node)));
    send(client, apply, "application/apply-patch+yaml", &lease_now).await
}
