//! What befalls Pods and nodes in a scenario: people, the scheduler and the kubelets, by the words of those.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, Game, PODS, Stage, key_of};
use crate::faults::Outage;
use crate::history::Life;

/// Of a kubelet, and of a node.
const RESTART: Duration = Duration::from_secs(3);

impl Cluster {
    /// The Pods of this session.
    fn pods_of(&self, uid: &str) -> Vec<Arc<Value>> {
        let mut pods = self.server.objects(PODS);
        let label = dillinger_runner::api::keys::UID;
        pods.retain(|pod| pod["metadata"]["labels"][label] == *uid);
        pods
    }

    fn node_of(&self, uid: &str) -> Option<String> {
        let pods = self.pods_of(uid);
        let bound = pods.iter().find_map(|pod| pod["spec"]["nodeName"].as_str());
        bound.map(str::to_owned)
    }

    /// `kubectl delete pod`.
    pub fn delete_pods(&self, uid: &str, grace: Option<i64>) {
        for pod in self.pods_of(uid) {
            let id = pod["metadata"]["uid"].as_str().unwrap_or_default();
            self.write_deletion("somebody", &key_of(&pod, PODS), id, grace);
        }
    }

    /// The eviction API, as `kubectl drain` calls it.
    pub fn evict(&self, uid: &str) {
        for pod in self.pods_of(uid) {
            self.disrupt(&pod, "EvictionByEvictionAPI", "somebody", None);
        }
    }

    /// A Pod of a higher priority needs the room.
    pub fn preempt(&self, uid: &str) {
        for pod in self.pods_of(uid) {
            self.disrupt(&pod, "PreemptionByScheduler", "scheduler", None);
        }
    }

    /// The kubelet ends a Pod, for want of memory on its node.
    pub fn evict_by_kubelet(self: &Arc<Self>, uid: &str) {
        for pod in self.pods_of(uid) {
            let id = pod["metadata"]["uid"].as_str().unwrap_or_default();
            let ended: Option<Game> = {
                let mut state = self.lock();
                state.games.get_mut(id).map(|game| {
                    let words = "The node was low on resource: memory.";
                    let before = game.clone();
                    game.stage = Stage::Failed("Evicted", words.to_owned());
                    before
                })
            };
            if let Some(game) = ended.filter(Game::is_live) {
                self.note("node", &game, Life::Exited(137));
            }
        }
        self.look();
    }

    /// The node of this session's Pod stops to report; its games run on.
    pub fn kubelet_stops(self: &Arc<Self>, uid: &str) {
        if let Some(node) = self.node_of(uid) {
            self.say(format!("the kubelet of {node} stops"));
            self.silence(&node);
        }
    }

    /// Every kubelet runs again.
    pub fn kubelets_return(self: &Arc<Self>) {
        for node in self.names() {
            self.speak(&node);
        }
    }

    pub fn power_fails(self: &Arc<Self>, uid: &str) {
        if let Some(node) = self.node_of(uid) {
            self.say(format!("{node} loses its power"));
            self.lose_power(&node);
        }
    }

    /// A person takes the nodes that are off out of service.
    pub fn out_of_service(self: &Arc<Self>) {
        for node in self.off() {
            self.give_up_node(&node);
        }
    }

    /// A person deletes the nodes that are off.
    pub fn delete_nodes_that_are_off(self: &Arc<Self>) {
        for node in self.off() {
            self.forget_node(&node);
        }
    }

    /// No node takes Pods any more, or all do.
    pub fn cordon(self: &Arc<Self>, cordoned: bool) {
        for node in self.lock().nodes.values_mut() {
            node.cordoned = cordoned;
        }
        self.look();
    }

    /// Whether no registry has this image.
    pub fn no_image(&self, image: &str, missing: bool) {
        let mut state = self.lock();
        if missing {
            state.missing.insert(image.to_owned());
        } else {
            state.missing.remove(image);
        }
    }

    /// What a script does to an engine, done to all nodes: their kubelets are away, or their games end with their power.
    pub fn strike(self: &Arc<Self>, does: Outage) {
        // Whoever took one away already brings it back.
        if self
            .lock()
            .nodes
            .values()
            .any(|node| !(node.on && node.reports))
        {
            return;
        }
        let after = match does {
            Outage::Away { ms } | Outage::Frozen { ms } => Duration::from_millis(ms),
            Outage::RestartsLive | Outage::RestartsEmpty | Outage::DiesEmpty => RESTART,
        };
        for node in self.names() {
            let silence = match does {
                Outage::Away { .. } | Outage::Frozen { .. } | Outage::RestartsLive => {
                    self.silence(&node)
                }
                Outage::RestartsEmpty | Outage::DiesEmpty => self.lose_power(&node),
            };
            self.later(after, move |cluster| cluster.speak_after(&node, silence));
        }
    }

    fn names(&self) -> Vec<String> {
        self.lock().nodes.keys().cloned().collect()
    }

    fn off(&self) -> Vec<String> {
        let state = self.lock();
        let off = state.nodes.iter().filter(|(_, node)| !node.on);
        off.map(|(name, _)| name.clone()).collect()
    }

    /// A Pod that its kubelet refuses: the next that is bound finds no room there.
    pub fn next_is_refused(self: &Arc<Self>, uid: &str) {
        for pod in self.pods_of(uid) {
            let status = json!({
                "phase": "Failed", "reason": "OutOfpods", "conditions": [],
                "message": "Pod was rejected: Node didn't have enough resource: pods",
            });
            self.write_status("kubelet", &key_of(&pod, PODS), &status);
        }
    }
}
