//! Which node gets a Pod: the first that is ready, has room, and has its host ports free.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Cluster, PODS, key_of};
use crate::apiserver::{Key, Verb, Write};

const WHO: &str = "scheduler";

/// Number and protocol of each host port that a Pod asks for.
pub(super) fn host_ports(pod: &Value) -> BTreeSet<(i64, String)> {
    let containers = pod["spec"]["containers"].as_array();
    let ports = containers
        .into_iter()
        .flatten()
        .filter_map(|container| container["ports"].as_array())
        .flatten();
    let host = |port: &Value| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
        Some((port["hostPort"].as_i64()?, protocol))
    };
    ports.filter_map(host).collect()
}

pub(super) fn has_ended(pod: &Value) -> bool {
    ["Succeeded", "Failed"].contains(&pod["status"]["phase"].as_str().unwrap_or_default())
}

impl Cluster {
    /// One write says the node and that there is one.
    fn bind(&self, key: &Key, node: &str) {
        let scheduled = json!({"type": "PodScheduled", "status": "True"});
        let body = json!({"spec": {"nodeName": node}, "status": {"conditions": [scheduled]}});
        let write = Write {
            verb: Verb::Patch,
            key,
            status: false,
            body,
        };
        self.server.write(WHO, write);
    }

    /// A Pod without a node.
    pub(super) fn schedule(self: &Arc<Self>, pod: &Arc<Value>) {
        if pod["metadata"]["deletionTimestamp"].is_string() || has_ended(pod) {
            return;
        }
        let key = key_of(pod, PODS);
        // What it bound a moment ago counts.
        let all = self.server.objects(PODS);
        let wanted = host_ports(pod);
        let (mut no_room, mut no_port, mut not_fit) = (0, 0, 0);
        let nodes: Vec<(String, bool, usize)> = {
            let state = self.lock();
            let show = |(name, node): (&String, &super::Node)| {
                let fits = node.on && node.reports && !node.cordoned;
                (name.clone(), fits, node.room)
            };
            state.nodes.iter().map(show).collect()
        };
        for (name, fits, room) in &nodes {
            let there: Vec<&Arc<Value>> = all
                .iter()
                .filter(|other| other["spec"]["nodeName"] == **name && !has_ended(other))
                .collect();
            let mut held = there.iter().map(|other| host_ports(other));
            if !fits {
                not_fit += 1;
            } else if there.len() >= *room {
                no_room += 1;
            } else if held.any(|held| !held.is_disjoint(&wanted)) {
                no_port += 1;
            } else {
                self.bind(&key, name);
                // Its kubelet knows of it from now on, whatever becomes of the Pod.
                let bound = self.server.object(PODS, &key.namespace, &key.name);
                if let Some(bound) = bound.filter(|pod| pod["spec"]["nodeName"].is_string()) {
                    self.tend(&bound);
                }
                return;
            }
        }
        let mut why = Vec::new();
        for (count, words) in [
            (no_room, "Too many pods"),
            (
                no_port,
                "node(s) didn't have free ports for the requested pod ports",
            ),
            (not_fit, "node(s) were unschedulable"),
        ] {
            if count > 0 {
                why.push(format!("{count} {words}"));
            }
        }
        let message = format!("0/{} nodes are available: {}.", nodes.len(), why.join(", "));
        let said = pod["status"]["conditions"].as_array();
        let same = said.is_some_and(|all| all.iter().any(|c| c["message"] == message));
        if !same {
            let condition = json!({
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
            });
            let status = json!({"phase": "Pending", "conditions": [condition]});
            self.write_status(WHO, &key, &status);
        }
    }
}
