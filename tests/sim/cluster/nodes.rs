//! Nodes: whether they report, and what the controller manager does to the Pods of those that do not.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::scheduler::has_ended;
use super::{Cluster, End, NODES, Node, PODS, START, SUMMED_UP, Stage, key_of};
use crate::apiserver::{Key, Verb, Write};
use crate::history::{Life, Told, What};

/// A node that says nothing for so long is not ready.
const SILENCE: Duration = Duration::from_secs(40);
/// So long a Pod tolerates that.
const TOLERATED: Duration = Duration::from_secs(300);
/// After its deletion a node's Pods are left alone for so long.
const ORPHANED: Duration = Duration::from_secs(40);
/// Between two looks of the collector of Pods.
const COLLECTS: Duration = Duration::from_secs(20);
/// Between two tries while the API server is away.
const AGAIN: Duration = Duration::from_secs(2);
const ROOM: usize = 110;
/// The code of a container that ended while its runtime was away.
const LOST: i32 = 255;

fn node_key(name: &str) -> Key {
    Key {
        resource: NODES.to_owned(),
        namespace: String::new(),
        name: name.to_owned(),
    }
}

/// What stands in the status of a node that reports, or of one that does not.
fn said(name: &str, ready: bool) -> Value {
    let number = name.trim_start_matches("node");
    json!({
        "addresses": [
            {"type": "InternalIP", "address": format!("10.201.0.{number}")},
            {"type": "Hostname", "address": name},
        ],
        "conditions": [{"type": "Ready", "status": if ready { "True" } else { "Unknown" }}],
    })
}

impl Cluster {
    pub(super) fn add_node(&self, name: &str) {
        let node = Node {
            on: true,
            reports: true,
            cordoned: false,
            room: ROOM,
            silences: 0,
        };
        self.lock().nodes.insert(name.to_owned(), node);
        let body = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": said(name, true),
        });
        let write = Write {
            verb: Verb::Create,
            key: &node_key(name),
            status: false,
            body,
        };
        assert_eq!(self.server.write("kubelet", write), 201, "{name}");
    }

    /// Its kubelet ends; its games run on.
    pub(super) fn silence(self: &Arc<Self>, name: &str) -> usize {
        self.tell(Told::Away);
        let silence = {
            let mut state = self.lock();
            let node = state.nodes.get_mut(name).expect("there are two");
            node.reports = false;
            node.silences += 1;
            node.silences
        };
        let name = name.to_owned();
        self.later(SILENCE, move |cluster| cluster.not_ready(&name, silence));
        silence
    }

    /// It is back from this silence, unless another one came meanwhile.
    pub(super) fn speak_after(self: &Arc<Self>, name: &str, silence: usize) {
        if self.is_silent(name, silence) {
            self.speak(name);
        }
    }

    fn is_silent(&self, name: &str, silence: usize) -> bool {
        let state = self.lock();
        let node = state.nodes.get(name);
        node.is_some_and(|node| node.silences == silence && !(node.on && node.reports))
    }

    fn not_ready(self: &Arc<Self>, name: &str, silence: usize) {
        if !self.is_silent(name, silence) {
            return;
        }
        let name = name.to_owned();
        if !self.write_status("node-lifecycle", &node_key(&name), &said(&name, false)) {
            self.later(AGAIN, move |cluster| cluster.not_ready(&name, silence));
            return;
        }
        self.later(TOLERATED, move |cluster| cluster.evict_all(&name, silence));
    }

    /// The Pods of a node that was silent for too long are deleted; nobody there ends them.
    fn evict_all(self: &Arc<Self>, name: &str, silence: usize) {
        if !self.is_silent(name, silence) {
            return;
        }
        if !self.taint(name) {
            let name = name.to_owned();
            self.later(AGAIN, move |cluster| cluster.evict_all(&name, silence));
        }
    }

    /// Its kubelet is back, and says how its Pods are.
    pub(super) fn speak(self: &Arc<Self>, name: &str) {
        {
            let mut state = self.lock();
            let node = state.nodes.get_mut(name).expect("there are two");
            node.on = true;
            node.reports = true;
            let now = self.clock.now();
            for (id, game) in &mut state.games {
                let id = id.clone();
                match &mut game.stage {
                    _ if game.node != name => {}
                    Stage::Starting | Stage::Waiting(..) => {
                        self.later(START, move |cluster| cluster.start_game(&id));
                    }
                    Stage::Ended {
                        end,
                        summed_up: false,
                    } => {
                        end.finished.get_or_insert(now);
                        self.later(SUMMED_UP, move |cluster| cluster.sum_up(&id));
                    }
                    Stage::Running { .. } | Stage::Ended { .. } | Stage::Failed(..) => {}
                }
            }
        }
        if !self.write_status("kubelet", &node_key(name), &said(name, true)) {
            let name = name.to_owned();
            self.later(AGAIN, move |cluster| cluster.speak(&name));
            return;
        }
        self.tell(Told::Back);
        self.look();
    }

    /// Everything on it ends at once, and nobody says so.
    pub(super) fn lose_power(self: &Arc<Self>, name: &str) -> usize {
        let mut died = Vec::new();
        {
            let mut state = self.lock();
            state.nodes.get_mut(name).expect("there are two").on = false;
            for game in state.games.values_mut().filter(|game| game.node == name) {
                if let Stage::Running { started, .. } = game.stage {
                    died.push(game.clone());
                    // What its node's runtime says of it when it is back.
                    game.stage = Stage::Ended {
                        end: End {
                            code: LOST,
                            reason: "Unknown",
                            message: None,
                            started: Some(started),
                            finished: None,
                        },
                        summed_up: false,
                    };
                }
            }
        }
        for game in died {
            self.note("world", &game, Life::Exited(LOST));
        }
        self.silence(name)
    }

    /// The node is taken out of the cluster: some time later its Pods go by force.
    pub(super) fn forget_node(self: &Arc<Self>, name: &str) {
        let write = Write {
            verb: Verb::Delete,
            key: &node_key(name),
            status: false,
            body: json!({}),
        };
        let name = name.to_owned();
        if ![200, 404].contains(&self.server.write("administrator", write)) {
            self.later(AGAIN, move |cluster| cluster.forget_node(&name));
            return;
        }
        self.later(ORPHANED, move |cluster| cluster.force_all(&name, true));
    }

    /// A person says that the node is off: its Pods are deleted, and some time later they go by force. The node stays.
    pub(super) fn give_up_node(self: &Arc<Self>, name: &str) {
        let name = name.to_owned();
        if self.taint(&name) {
            self.later(COLLECTS, move |cluster| cluster.force_all(&name, false));
        } else {
            self.later(AGAIN, move |cluster| cluster.give_up_node(&name));
        }
    }

    /// Deletes what nobody deleted yet, since it does not tolerate a taint of its node.
    fn taint(&self, name: &str) -> bool {
        let mut done = true;
        for pod in self.server.objects(PODS) {
            if pod["spec"]["nodeName"] == *name && !pod["metadata"]["deletionTimestamp"].is_string()
            {
                done &= self.disrupt(&pod, "DeletionByTaintManager", "taint-eviction", None);
            }
        }
        done
    }

    /// The collector of Pods: those of a node that is off, and all of one that is not there any more (`orphaned`).
    fn force_all(self: &Arc<Self>, name: &str, orphaned: bool) {
        if self.lock().nodes.get(name).is_none_or(|node| node.on) {
            return;
        }
        self.tell(Told::Back);
        let (who, mut done) = ("pod-garbage-collector", true);
        for pod in self.server.objects(PODS) {
            let deleted = pod["metadata"]["deletionTimestamp"].is_string();
            if pod["spec"]["nodeName"] != *name || !(deleted || orphaned) {
                continue;
            }
            let key = key_of(&pod, PODS);
            let id = pod["metadata"]["uid"].as_str().unwrap_or_default();
            let mut failed = json!({"phase": "Failed"});
            if orphaned {
                failed["conditions"] = disrupted(&pod, "DeletionByPodGC");
            }
            done &= (has_ended(&pod) || self.write_status(who, &key, &failed))
                && self.write_deletion(who, &key, id, Some(0));
        }
        if !done {
            let name = name.to_owned();
            self.later(AGAIN, move |cluster| cluster.force_all(&name, orphaned));
        }
    }

    /// Whether what runs there is to be seen, as of an engine.
    fn tell(&self, what: Told) {
        self.history
            .add(self.clock.elapsed(), "cluster", What::Engine(what));
    }

    /// Says why a Pod is deleted, and deletes it.
    pub(super) fn disrupt(&self, pod: &Value, reason: &str, who: &str, grace: Option<i64>) -> bool {
        let key = key_of(pod, PODS);
        let id = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let status = json!({"conditions": disrupted(pod, reason)});
        self.write_status(who, &key, &status) && self.write_deletion(who, &key, id, grace)
    }
}

/// The conditions of a Pod, and this cause of its end, which is the only one.
fn disrupted(pod: &Value, reason: &str) -> Value {
    let all = pod["status"]["conditions"].as_array();
    let others = all.into_iter().flatten().cloned();
    let mut all: Vec<Value> = others
        .filter(|condition| condition["type"] != "DisruptionTarget")
        .collect();
    all.push(json!({
        "type": "DisruptionTarget", "status": "True", "reason": reason, "message": reason,
    }));
    json!(all)
}
