//! Nodes: whether they report, and what the controller manager does to the Pods of those that do not.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, Game, NODES, Node, PODS, START, Stage, key_of};
use crate::apiserver::{Key, Verb, Write};
use crate::history::{Life, Told, What};

/// A node that says nothing for so long is not ready.
const SILENCE: Duration = Duration::from_secs(40);
/// So long a Pod tolerates that.
const TOLERATED: Duration = Duration::from_secs(300);
/// Between two tries while the API server is away.
const AGAIN: Duration = Duration::from_secs(2);
const ROOM: usize = 110;

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
        let mut done = true;
        for pod in self.server.objects(PODS) {
            if pod["spec"]["nodeName"] == *name {
                done &= self.disrupt(&pod, "DeletionByTaintManager", "taint-eviction", None);
            }
        }
        if !done {
            let name = name.to_owned();
            self.later(AGAIN, move |cluster| cluster.evict_all(&name, silence));
        }
    }

    /// Its kubelet is back, and says how its Pods are.
    pub(super) fn speak(self: &Arc<Self>, name: &str) {
        let begun: Vec<String> = {
            let mut state = self.lock();
            let node = state.nodes.get_mut(name).expect("there are two");
            node.on = true;
            node.reports = true;
            let here = state.games.iter().filter(|(_, game)| game.node == name);
            let awaits = |game: &Game| matches!(game.stage, Stage::Starting | Stage::Waiting(..));
            let begun = here.filter(|(_, game)| awaits(game));
            begun.map(|(id, _)| id.clone()).collect()
        };
        for id in begun {
            self.later(START, move |cluster| cluster.start_game(&id));
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
        let (mut died, finished) = (Vec::new(), self.clock.now());
        {
            let mut state = self.lock();
            state.nodes.get_mut(name).expect("there are two").on = false;
            for game in state.games.values_mut().filter(|game| game.node == name) {
                if let Stage::Running { started, .. } = game.stage {
                    died.push(game.clone());
                    // What its kubelet finds of it when it is back: a Pod without its container.
                    game.stage = Stage::Ended {
                        code: 137,
                        reason: "ContainerStatusUnknown",
                        started,
                        finished,
                    };
                }
            }
        }
        for game in died {
            self.note("world", &game, Life::Exited(137));
        }
        self.silence(name)
    }

    /// The node is taken out of the cluster: its Pods go by force.
    pub(super) fn forget_node(self: &Arc<Self>, name: &str) {
        let write = Write {
            verb: Verb::Delete,
            key: &node_key(name),
            status: false,
            body: json!({}),
        };
        if ![200, 404].contains(&self.server.write("administrator", write)) {
            let name = name.to_owned();
            self.later(AGAIN, move |cluster| cluster.forget_node(&name));
            return;
        }
        self.force_all(name);
    }

    /// A person says that the node is off: its Pods go by force, the node stays.
    pub(super) fn force_all(self: &Arc<Self>, name: &str) {
        self.tell(Told::Back);
        let mut done = true;
        for pod in self.server.objects(PODS) {
            if pod["spec"]["nodeName"] == *name {
                let key = key_of(&pod, PODS);
                let failed = json!({"phase": "Failed"});
                self.write_status("pod-garbage-collector", &key, &failed);
                done &= self.disrupt(&pod, "DeletionByPodGC", "pod-garbage-collector", Some(0));
            }
        }
        if !done {
            let name = name.to_owned();
            self.later(AGAIN, move |cluster| cluster.force_all(&name));
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
        let mut conditions = pod["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        conditions.push(json!({
            "type": "DisruptionTarget", "status": "True", "reason": reason, "message": reason,
        }));
        let id = pod["metadata"]["uid"].as_str().unwrap_or_default();
        self.write_status(who, &key, &json!({"conditions": conditions}))
            && self.write_deletion(who, &key, id, grace)
    }
}
