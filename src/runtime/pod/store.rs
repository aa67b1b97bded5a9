//! What the watches showed: the Pods of our sessions and the nodes they are on. Never blocks beyond a short lock.
//!
//! A Pod that is gone is kept for a while as it was last seen, if it had ended and nobody has taken note of it: how it
//! ended is told by the last word of its watch, and by nothing afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::parse::{DELETED, Node, PodSeen, State};
use super::texts::Texts;
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
    pods: HashMap<Arc<str>, Vec<Arc<PodSeen>>>,
    texts: Texts,
    /// By UID of the session: gone, and how it ended is not on record yet.
    ended: HashMap<Arc<str>, (Instant, Arc<PodSeen>)>,
    /// By UID of the Pod: what is left of it is of no interest.
    dismissed: HashSet<String>,
    /// By UID of the Pod.
    gone: HashMap<String, Instant>,
    nodes: HashMap<String, NodeSeen>,
    /// By UID of the session.
    services: HashMap<String, ServiceSeen>,
    /// How many living Pods hold each host port.
    held: HashMap<(u16, Transport), usize>,
}

impl Store {
    fn locked(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a word about a Pod; true: it says something new.
    pub(super) fn apply(&self, mut pod: PodSeen, came: Came) -> bool {
        let mut known = self.locked();
        if came == Came::AsAReply && known.gone.contains_key(&pod.id) {
            return false;
        }
        if let Some(before) = known.find(&pod.session, &pod.id) {
            in_the_order_seen(before, &mut pod);
        }
        known.share(&mut pod);
        let pod = Arc::new(pod);
        let pods = known.pods.entry(pod.session.clone()).or_default();
        let before = match pods.iter_mut().find(|old| old.id == pod.id) {
            Some(old) if old.version > pod.version && came != Came::InAList => return false,
            Some(old) => Some(std::mem::replace(old, pod.clone())),
            None => {
                pods.push(pod.clone());
                None
            }
        };
        known.hold(&pod);
        let Some(before) = before else {
            return true;
        };
        known.release(&before);
        let same = PodSeen {
            version: pod.version,
            ..PodSeen::clone(&before)
        } == *pod;
        !same
    }

    /// The Pod is gone; `last` is how it was then.
    pub(super) fn deleted(&self, mut last: PodSeen) {
        let now = Instant::now();
        let mut known = self.locked();
        if let Some(before) = known.find(&last.session, &last.id) {
            in_the_order_seen(before, &mut last);
        }
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
            .filter(|pod| namespace.is_none_or(|own| *own == *pod.namespace));
        here.map(|pod| pod.id.clone()).collect()
    }

    /// A list is complete, and these Pods it did not show: they are gone. Their sessions.
    pub(super) fn unlisted(&self, missing: &HashSet<String>) -> Vec<Arc<str>> {
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
        self.locked().find(session, id).cloned()
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
    pub(super) fn node(&self, name: &str, seen: Option<NodeSeen>) -> Vec<Arc<str>> {
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
        match self.locked().nodes.get(&**name) {
            Some(NodeSeen { ready: true, .. }) => Node::Ready,
            Some(NodeSeen { ready: false, .. }) | None => Node::Away,
        }
    }

    /// Where players reach this Pod; None while that is not known.
    pub(super) fn host_of(&self, pod: &PodSeen) -> Option<String> {
        let known = self.locked();
        match pod.exposure {
            Exposure::HostPort | Exposure::NodePort => {
                known.nodes.get(pod.node.as_deref()?)?.address.clone()
            }
            Exposure::LoadBalancer => known.services.get(&*pod.session)?.address.clone(),
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

    /// How many living Pods of other sessions hold this host port. As quick with ten thousand of them as with one.
    pub(super) fn holders(&self, session: &str, port: (u16, Transport)) -> usize {
        let known = self.locked();
        let all = known.held.get(&port).copied().unwrap_or(0);
        let own = known.pods.get(session).into_iter().flatten();
        let own = own.flat_map(|pod| holds(pod)).filter(|held| **held == port);
        all.saturating_sub(own.count())
    }

    /// Every Pod that is there.
    pub(super) fn all(&self) -> Vec<Arc<PodSeen>> {
        self.locked().pods.values().flatten().cloned().collect()
    }
}

/// The host ports that a Pod keeps from others: those of a game that has not ended.
fn holds(pod: &PodSeen) -> &[(u16, Transport)] {
    match pod.state {
        State::Ended(_) => &[],
        State::Waiting(..) | State::NoFreePort(_) | State::Running { .. } | State::Lost => {
            &pod.bound
        }
    }
}

/// Whether a game ended by itself or because its Pod was deleted. Its times cannot say it to the second: the API server tells the
/// one and its node the other, each by a clock of its own. What was seen before does.
fn in_the_order_seen(before: &PodSeen, pod: &mut PodSeen) {
    let State::Ended(exit) = &mut pod.state else {
        return;
    };
    match &before.state {
        State::Ended(known) if !before.terminating && known.interrupted.is_none() => {
            exit.interrupted.take_if(|word| word == DELETED);
        }
        // Its kubelet's own deletion, which takes it away, is a later one than that which ended it.
        State::Ended(known) if known.interrupted.as_deref() == Some(DELETED) => {
            exit.interrupted.get_or_insert_with(|| DELETED.to_owned());
        }
        State::Ended(_) => {}
        State::Waiting(..) | State::NoFreePort(_) | State::Running { .. } | State::Lost => {
            if before.terminating {
                exit.interrupted.get_or_insert_with(|| DELETED.to_owned());
            }
        }
    }
}

impl Known {
    fn find(&self, session: &str, id: &str) -> Option<&Arc<PodSeen>> {
        self.pods.get(session)?.iter().find(|pod| pod.id == id)
    }

    fn remove(&mut self, session: &str, id: &str) {
        let Some(pods) = self.pods.get_mut(session) else {
            return;
        };
        let at = pods.iter().position(|pod| pod.id == id);
        let gone = at.map(|at| pods.remove(at));
        if pods.is_empty() {
            self.pods.remove(session);
        }
        if let Some(gone) = gone {
            self.release(&gone);
        }
    }

    /// What it has in common with others is kept once.
    fn share(&mut self, pod: &mut PodSeen) {
        let always = [&mut pod.namespace, &mut pod.image];
        let perhaps = [&mut pod.image_id, &mut pod.node, &mut pod.contract];
        for text in always.into_iter().chain(perhaps.into_iter().flatten()) {
            self.texts.share(text);
        }
    }

    fn hold(&mut self, pod: &PodSeen) {
        for port in holds(pod) {
            *self.held.entry(*port).or_default() += 1;
        }
    }

    fn release(&mut self, pod: &PodSeen) {
        for port in holds(pod) {
            if let Some(count) = self.held.get_mut(port) {
                *count -= 1;
                if *count == 0 {
                    self.held.remove(port);
                }
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
