//! What the watches showed: the Pods of our sessions and the nodes they are on. Never blocks beyond a short lock.
//!
//! A Pod that is gone is kept for a while as it was last seen, if it had ended and nobody has taken note of it: how it
//! ended is told by the last word of its watch, and by nothing afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::parse::{Node, PodSeen, State};
use crate::api::Exposure;
use crate::session::container::Transport;

/// How long an end that nobody took note of is kept; the slow clock looks sooner.
const TOMBSTONE: Duration = Duration::from_secs(15 * 60);
/// How long after its deletion an older word of a Pod may still come: the longest wait for an answer, and more.
const LATE: Duration = Duration::from_secs(120);

/// Where a word about a Pod comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    InAList,
    AsAnEvent,
    /// As the answer to a write of ours: the watch may be behind it, or ahead.
    AsAReply,
}

/// A node as far as we ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeSeen {
    pub(super) ready: bool,
    pub(super) address: Option<String>,
}

/// A Service of a session as far as we ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceSeen {
    pub(super) namespace: String,
    /// Where the load balancer before it is reached, once there is one.
    pub(super) address: Option<String>,
}

#[derive(Default)]
pub(super) struct Store(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By UID of the session.
    pods: HashMap<String, Vec<Arc<PodSeen>>>,
    /// By UID of the session: gone, and how it ended is not on record yet.
    ended: HashMap<String, (Instant, Arc<PodSeen>)>,
    /// By UID of the Pod: what is left of it is of no interest.
    dismissed: HashSet<String>,
    /// By UID of the Pod.
    gone: HashMap<String, Instant>,
    nodes: HashMap<String, NodeSeen>,
    /// By UID of the session.
    services: HashMap<String, ServiceSeen>,
}

impl Store {
    fn locked(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a word about a Pod; true: it says something new.
    pub(super) fn apply(&self, pod: PodSeen, came: Came) -> bool {
        let mut known = self.locked();
        if came == Came::AsAReply && known.gone.contains_key(&pod.id) {
            return false;
        }
        let pods = known.pods.entry(pod.session.clone()).or_default();
        match pods.iter_mut().find(|old| old.id == pod.id) {
            Some(old) if old.version > pod.version && came != Came::InAList => false,
            Some(old) => {
                let same = PodSeen {
                    version: old.version,
                    ..pod.clone()
                } == **old;
                *old = Arc::new(pod);
                !same
            }
            None => {
                pods.push(Arc::new(pod));
                true
            }
        }
    }

    /// The Pod is gone; `last` is how it was then.
    pub(super) fn deleted(&self, last: PodSeen) {
        let now = Instant::now();
        let mut known = self.locked();
        known.gone.retain(|_, since| now - *since < LATE);
        known.gone.insert(last.id.clone(), now);
        known.remove(&last.session, &last.id);
        known.bury(Arc::new(last), now);
    }

    /// A list begins: the Pods that it must show, or they are gone. One that is made meanwhile is in no list before the next.
    pub(super) fn known_in(&self, namespace: Option<&str>) -> HashSet<String> {
        let known = self.locked();
        let here = known
            .pods
            .values()
            .flatten()
            .filter(|pod| namespace.is_none_or(|own| own == pod.namespace));
        here.map(|pod| pod.id.clone()).collect()
    }

    /// A list is complete, and these Pods it did not show: they are gone. Their sessions.
    pub(super) fn unlisted(&self, missing: &HashSet<String>) -> Vec<String> {
        let now = Instant::now();
        let mut known = self.locked();
        let missing: Vec<Arc<PodSeen>> = known
            .pods
            .values()
            .flatten()
            .filter(|pod| missing.contains(&pod.id))
            .cloned()
            .collect();
        let sessions = missing.iter().map(|pod| pod.session.clone()).collect();
        for pod in missing {
            known.remove(&pod.session, &pod.id);
            known.bury(pod, now);
        }
        sessions
    }

    /// The Pods of a session, and whether what is left of each is of no interest any more. Where there is none: the last
    /// one, if its end was not noted; the ends before `attempt` are.
    pub(super) fn of(&self, session: &str, attempt: Option<i32>) -> Vec<(Arc<PodSeen>, bool)> {
        let known = self.locked();
        let pods = known.pods.get(session).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<_> = pods
            .iter()
            .map(|pod| (pod.clone(), known.dismissed.contains(&pod.id)))
            .collect();
        if found.is_empty() {
            let ended = known.ended.get(session);
            let unnoted = ended.filter(|(_, pod)| pod.attempt >= attempt);
            found.extend(unnoted.map(|(_, pod)| (pod.clone(), false)));
        }
        found
    }

    /// One Pod by its own UID.
    pub(super) fn find(&self, session: &str, id: &str) -> Option<Arc<PodSeen>> {
        let known = self.locked();
        let pods = known.pods.get(session)?;
        pods.iter().find(|pod| pod.id == id).cloned()
    }

    /// Whether this process saw lately that this Pod is gone.
    pub(super) fn saw_go(&self, id: &str) -> bool {
        self.locked().gone.contains_key(id)
    }

    /// Its end was noted, or does not matter: until it is gone it is going.
    pub(super) fn dismiss(&self, session: &str, id: &str) {
        let mut known = self.locked();
        if known
            .ended
            .get(session)
            .is_some_and(|(_, pod)| pod.id == id)
        {
            known.ended.remove(session);
        }
        let there = known.pods.get(session);
        if there.is_some_and(|pods| pods.iter().any(|pod| pod.id == id)) {
            known.dismissed.insert(id.to_owned());
        }
    }

    pub(super) fn forget(&self, session: &str) {
        self.locked().ended.remove(session);
    }

    /// Takes a word about a node; the sessions with Pods there, if it says something new.
    pub(super) fn node(&self, name: &str, seen: Option<NodeSeen>) -> Vec<String> {
        let mut known = self.locked();
        let before = match &seen {
            Some(seen) => known.nodes.insert(name.to_owned(), seen.clone()),
            None => known.nodes.remove(name),
        };
        if before == seen {
            return Vec::new();
        }
        known
            .pods
            .values()
            .flatten()
            .filter(|pod| pod.node.as_deref() == Some(name))
            .map(|pod| pod.session.clone())
            .collect()
    }

    /// A list of nodes is complete; those that it did not show.
    pub(super) fn nodes_missing_in(&self, shown: &HashSet<String>) -> Vec<String> {
        let known = self.locked();
        let missing = known.nodes.keys().filter(|name| !shown.contains(*name));
        missing.cloned().collect()
    }

    /// What is known of the node of this Pod.
    pub(super) fn node_of(&self, pod: &PodSeen) -> Node {
        let Some(name) = &pod.node else {
            return Node::None;
        };
        match self.locked().nodes.get(name) {
            Some(NodeSeen { ready: true, .. }) => Node::Ready,
            Some(NodeSeen { ready: false, .. }) | None => Node::Away,
        }
    }

    /// Where players reach this Pod; None while that is not known.
    pub(super) fn host_of(&self, pod: &PodSeen) -> Option<String> {
        let known = self.locked();
        match pod.exposure {
            Exposure::HostPort | Exposure::NodePort => {
                known.nodes.get(pod.node.as_ref()?)?.address.clone()
            }
            Exposure::LoadBalancer => known.services.get(&pod.session)?.address.clone(),
            Exposure::None => pod.address.clone(),
        }
    }

    /// Takes a word about the Service of a session; true: it says something new.
    pub(super) fn service(&self, session: &str, seen: Option<ServiceSeen>) -> bool {
        let mut known = self.locked();
        let before = match &seen {
            Some(seen) => known.services.insert(session.to_owned(), seen.clone()),
            None => known.services.remove(session),
        };
        before != seen
    }

    pub(super) fn has_service(&self, session: &str) -> bool {
        self.locked().services.contains_key(session)
    }

    /// A list of Services is complete; the sessions of those that it did not show.
    pub(super) fn services_missing_in(
        &self,
        namespace: Option<&str>,
        shown: &HashSet<String>,
    ) -> Vec<String> {
        let known = self.locked();
        let missing = known
            .services
            .iter()
            .filter(|(_, service)| namespace.is_none_or(|own| own == service.namespace))
            .filter(|(session, _)| !shown.contains(*session));
        missing.map(|(session, _)| session.clone()).collect()
    }

    /// How many nodes report.
    pub(super) fn nodes(&self) -> usize {
        let known = self.locked();
        known.nodes.values().filter(|node| node.ready).count()
    }

    /// How many living Pods of other sessions hold each host port.
    pub(super) fn held(&self, session: &str) -> HashMap<(u16, Transport), usize> {
        let known = self.locked();
        let mut held = HashMap::new();
        let others = known.pods.iter().filter(|(uid, _)| *uid != session);
        for pod in others.flat_map(|(_, pods)| pods) {
            if !matches!(pod.state, State::Ended(_)) {
                for port in &pod.bound {
                    *held.entry(*port).or_default() += 1;
                }
            }
        }
        held
    }

    /// Every Pod that is there.
    pub(super) fn all(&self) -> Vec<Arc<PodSeen>> {
        self.locked().pods.values().flatten().cloned().collect()
    }
}

impl Known {
    fn remove(&mut self, session: &str, id: &str) {
        if let Some(pods) = self.pods.get_mut(session) {
            pods.retain(|pod| pod.id != id);
            if pods.is_empty() {
                self.pods.remove(session);
            }
        }
    }

    fn bury(&mut self, pod: Arc<PodSeen>, now: Instant) {
        self.ended.retain(|_, (since, _)| now - *since < TOMBSTONE);
        let noted = self.dismissed.remove(&pod.id);
        if !noted && matches!(pod.state, State::Ended(_)) {
            self.ended.insert(pod.session.clone(), (now, pod));
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
