//! Watches of our own, of our Pods, their Services and the nodes: what they show goes into the store, and what is new there is a hint.
//!
//! No stream is shared with anybody: a deletion must never be missed. Each watch has its own errors and its own waits, and
//! lists anew every ten minutes. What is kept of an object is a fraction of it.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Node, Service};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::PodRuntime;
use super::parse::PodSeen;
use super::store::{Came, NodeSeen, ServiceSeen};
use super::told::PodTold;
use crate::api::keys;

/// Seconds after which the API server ends a watch and it is started anew: how old its last answer can be while all is well.
const TIMEOUT: u32 = 30;
/// Objects a page: what one page holds is what a list costs in memory.
const PAGE: u32 = 100;
/// Between two lists.
const LIST: Duration = Duration::from_secs(600);
/// Waits between tries.
const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(3);

/// What one watch saw.
enum Saw<K> {
    /// A list begins.
    Begun,
    Found(K),
    Applied(K),
    Deleted(K),
    /// A list is complete.
    Listed,
}

/// Follows our Pods in one namespace, or in all, until dropped.
pub(super) async fn pods(runtime: Arc<PodRuntime>, namespace: Option<String>) {
    let api: Api<PodTold> = match &namespace {
        Some(namespace) => Api::namespaced(runtime.client.clone(), namespace),
        None => Api::all(runtime.client.clone()),
    };
    let config = ours(&runtime);
    let mut missing = HashSet::new();
    let mut first = true;
    let sink = |saw: Saw<PodTold>| match saw {
        Saw::Begun => missing = runtime.store.known_in(namespace.as_deref()),
        Saw::Found(pod) => {
            if let Some(pod) = PodSeen::of(&pod) {
                missing.remove(&pod.id);
                runtime.word(pod, Came::InAList);
            }
        }
        Saw::Applied(pod) => {
            if let Some(pod) = PodSeen::of(&pod) {
                runtime.word(pod, Came::AsAnEvent);
            }
        }
        Saw::Deleted(pod) => {
            if let Some(pod) = PodSeen::of(&pod) {
                let session = pod.session.clone();
                runtime.store.deleted(pod);
                runtime.hints.session(&session);
            }
        }
        Saw::Listed => {
            for session in runtime.store.unlisted(&std::mem::take(&mut missing)) {
                runtime.hints.session(&session);
            }
            if std::mem::take(&mut first) {
                runtime.one_more_list();
            }
        }
    };
    follow("pods", api, config, sink).await;
}

/// Follows the Services of our sessions in one namespace, or in all, until dropped.
pub(super) async fn services(runtime: Arc<PodRuntime>, namespace: Option<String>) {
    let api: Api<Service> = match &namespace {
        Some(namespace) => Api::namespaced(runtime.client.clone(), namespace),
        None => Api::all(runtime.client.clone()),
    };
    let config = ours(&runtime);
    let mut shown = HashSet::new();
    let mut first = true;
    let tell = |session: &str, seen: Option<ServiceSeen>| {
        if runtime.store.service(session, seen) {
            runtime.hints.session(session);
        }
    };
    let session_of = |service: &Service| service.labels().get(keys::UID).cloned();
    let sink = |saw: Saw<Service>| match saw {
        Saw::Begun => shown.clear(),
        Saw::Found(service) => {
            if let Some(session) = session_of(&service) {
                tell(&session, Some(service_seen(&service)));
                shown.insert(session);
            }
        }
        Saw::Applied(service) => {
            if let Some(session) = session_of(&service) {
                tell(&session, Some(service_seen(&service)));
            }
        }
        Saw::Deleted(service) => {
            if let Some(session) = session_of(&service) {
                tell(&session, None);
            }
        }
        Saw::Listed => {
            let missing = runtime
                .store
                .services_missing_in(namespace.as_deref(), &shown);
            for session in missing {
                tell(&session, None);
            }
            if std::mem::take(&mut first) {
                runtime.one_more_list();
            }
        }
    };
    follow("services", api, config, sink).await;
}

/// What carries our labels.
fn ours(runtime: &PodRuntime) -> watcher::Config {
    let owner = &runtime.config.owner;
    let labels = format!(
        "{}={},{}={}",
        keys::CLUSTER,
        owner.cluster,
        keys::CONTROLLER,
        owner.controller
    );
    watcher::Config::default().labels(&labels)
}

/// Follows the nodes until dropped.
pub(super) async fn nodes(runtime: Arc<PodRuntime>) {
    let api: Api<Node> = Api::all(runtime.client.clone());
    let mut shown = HashSet::new();
    let mut first = true;
    let tell = |name: &str, seen: Option<NodeSeen>| {
        for session in runtime.store.node(name, seen) {
            runtime.hints.session(&session);
        }
    };
    let sink = |saw: Saw<Node>| match saw {
        Saw::Begun => shown.clear(),
        Saw::Found(node) => {
            shown.insert(node.name_any());
            tell(&node.name_any(), Some(node_seen(&node)));
        }
        Saw::Applied(node) => tell(&node.name_any(), Some(node_seen(&node))),
        Saw::Deleted(node) => tell(&node.name_any(), None),
        Saw::Listed => {
            for name in runtime.store.nodes_missing_in(&shown) {
                tell(&name, None);
            }
            if std::mem::take(&mut first) {
                runtime.one_more_list();
            }
        }
    };
    follow("nodes", api, watcher::Config::default(), sink).await;
}

/// Whether it reports, and where players reach it: an address that the world knows before one that only the cluster does.
pub(super) fn node_seen(node: &Node) -> NodeSeen {
    let status = node.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let addresses = status.and_then(|status| status.addresses.as_ref());
    let of_kind = |kind: &str| {
        let mut all = addresses.into_iter().flatten();
        all.find(|address| address.type_ == kind)
            .map(|address| address.address.clone())
    };
    NodeSeen {
        ready,
        address: of_kind("ExternalIP").or_else(|| of_kind("InternalIP")),
    }
}

/// Where the load balancer before a Service is reached: by its address, or by its name where it has only that.
pub(super) fn service_seen(service: &Service) -> ServiceSeen {
    let balancer = service
        .status
        .as_ref()
        .and_then(|s| s.load_balancer.as_ref());
    let entries = balancer.and_then(|balancer| balancer.ingress.as_ref());
    let mut entries = entries.into_iter().flatten();
    ServiceSeen {
        namespace: service.namespace().unwrap_or_default(),
        address: entries.find_map(|entry| entry.ip.clone().or_else(|| entry.hostname.clone())),
    }
}

async fn follow<K>(
    kind: &'static str,
    api: Api<K>,
    config: watcher::Config,
    mut sink: impl FnMut(Saw<K>),
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = config.timeout(TIMEOUT).page_size(PAGE);
    let mut events = watcher(api.clone(), config.clone()).boxed();
    let mut list_at = Instant::now() + LIST;
    let mut failures = 0_u32;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = tokio::time::sleep_until(list_at) => {
                events = watcher(api.clone(), config.clone()).boxed();
                list_at = Instant::now() + LIST;
                continue;
            }
        };
        match event {
            Some(Ok(event)) => {
                if !matches!(event, Event::Init) {
                    failures = 0;
                }
                sink(match event {
                    Event::Init => Saw::Begun,
                    Event::InitApply(object) => Saw::Found(object),
                    Event::InitDone => Saw::Listed,
                    Event::Apply(object) => Saw::Applied(object),
                    Event::Delete(object) => Saw::Deleted(object),
                });
            }
            Some(Err(error)) => {
                // An expired version is the ordinary way to a new list.
                if failures > 0 {
                    tracing::warn!(kind, %error, "watch failed");
                }
                let wait = FIRST.saturating_mul(1 << failures.min(10)).min(MOST);
                failures += 1;
                tokio::time::sleep(wait).await;
            }
            None => {
                tracing::error!(kind, "a watch ended, which it never does");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(ready: &str, addresses: serde_json::Value) -> NodeSeen {
        let node = json!({
            "metadata": {"name": "node1"},
            "status": {
                "conditions": [
                    {"type": "MemoryPressure", "status": "False"},
                    {"type": "Ready", "status": ready},
                ],
                "addresses": addresses,
            },
        });
        node_seen(&serde_json::from_value(node).expect("a node"))
    }

    #[test]
    fn players_are_told_the_address_that_the_world_knows() {
        let inside = json!({"type": "InternalIP", "address": "10.0.0.1"});
        let outside = json!({"type": "ExternalIP", "address": "203.0.113.1"});
        let name = json!({"type": "Hostname", "address": "node1"});
        let address = |addresses| seen("True", addresses).address;
        assert_eq!(
            address(json!([name, inside, outside])).as_deref(),
            Some("203.0.113.1")
        );
        assert_eq!(address(json!([name, inside])).as_deref(), Some("10.0.0.1"));
        assert_eq!(address(json!([name])), None);
    }

    #[test]
    fn a_load_balancer_is_reached_by_its_address_or_by_its_name() {
        let address = |balancer: serde_json::Value| {
            let service =
                json!({"metadata": {"namespace": "arcade"}, "status": {"loadBalancer": balancer}});
            service_seen(&serde_json::from_value(service).expect("a Service")).address
        };
        let named = json!({"hostname": "lb.example.org"});
        let numbered = json!({"ip": "203.0.113.7", "hostname": "lb.example.org"});
        assert_eq!(
            address(json!({"ingress": [numbered]})).as_deref(),
            Some("203.0.113.7")
        );
        assert_eq!(
            address(json!({"ingress": [named]})).as_deref(),
            Some("lb.example.org")
        );
        assert_eq!(address(json!({})), None);
    }

    #[test]
    fn a_node_that_says_nothing_of_itself_does_not_report() {
        assert!(seen("True", json!([])).ready);
        assert!(!seen("False", json!([])).ready);
        assert!(!seen("Unknown", json!([])).ready);
        assert!(!node_seen(&Node::default()).ready);
    }
}
