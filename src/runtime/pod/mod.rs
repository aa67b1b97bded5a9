//! Containers as Pods of the cluster that holds the sessions: its scheduler places them, its kubelets run them.
//!
//! `new` neither blocks nor fails while the API server is away. A look reads what the watches showed, and is doubt while they
//! show nothing or the past; acts have a deadline each and never wait for a game.

mod act;
mod body;
mod look;
mod parse;
mod placing;
mod ports;
mod probe;
mod service;
mod store;
mod texts;
mod told;
mod watch;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use kube::Client;
use kube::ResourceExt;
use kube::api::ListParams;
use tokio::sync::watch as watch_channel;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::hints::Hints;
use super::{EffectError, Hint, Look, Outcome, Owned, OwnedKind, Runtime, SessionKey};
use crate::api::{Exposure, keys};
use crate::session::container;
use crate::session::contract::{Contract, PortTerms};
use crate::session::facts::{Engine, EngineId};
use crate::session::observation::{Image, Owner, StorageSeen};
use crate::session::plan::Effect;
use crate::session::ports::{ChosenPorts, NoPort};
use crate::session::seen::Seen;
use parse::{PodSeen, State};
use store::{Came, Store};

/// How long ago the start of the watch of this kind and namespace was answered; None: never.
pub type Age = Arc<dyn Fn(&'static str, Option<&str>) -> Option<Duration> + Send + Sync>;

/// How long one question after the engine waits for the first lists.
const FIRST_LISTS: Duration = Duration::from_secs(5);

/// How one cluster is used.
#[derive(Clone)]
pub struct PodConfig {
    pub client: Client,
    /// The labels that make a Pod ours; the cluster in them is the engine.
    pub owner: Owner,
    /// Namespaces whose Pods are watched; empty: all.
    pub namespaces: Vec<String>,
    /// Host ports for Dynamic and Passthrough ports.
    pub port_range: RangeInclusive<u16>,
    /// Ports of Services, where a game is exposed by one.
    pub node_port_range: RangeInclusive<u16>,
    /// How games are exposed that do not say it themselves.
    pub exposure: Exposure,
    pub age: Age,
}

/// Pods of one cluster.
pub struct PodRuntime {
    config: PodConfig,
    client: Client,
    store: Store,
    ports: ports::Ports,
    probes: probe::Probes,
    hints: Hints,
    /// First lists that are still to come.
    unlisted: watch_channel::Sender<usize>,
    /// When the last of them came.
    listed: OnceLock<Instant>,
    /// By session uid: who has the name of its Pod.
    strangers: Mutex<HashMap<String, Stranger>>,
}

/// A Pod with our name that is not ours.
#[derive(Clone, Debug)]
struct Stranger {
    words: String,
    going: bool,
}

impl PodRuntime {
    /// Never blocks; the API server may be away, and come later. The watches begin once `hints` is taken.
    pub fn new(config: PodConfig) -> Arc<PodRuntime> {
        let client = config.client.clone();
        // Two a watched namespace, or two for all: Pods and Services; and one of the nodes.
        let lists = 2 * config.namespaces.len().max(1) + 1;
        Arc::new(PodRuntime {
            store: Store::default(),
            ports: ports::Ports::default(),
            probes: probe::Probes::new(client.clone()),
            hints: Hints::default(),
            unlisted: watch_channel::Sender::new(lists),
            listed: OnceLock::new(),
            strangers: Mutex::default(),
            client,
            config,
        })
    }

    /// How long ago the last of the first lists came; None: not all of them came yet.
    fn since_listed(&self) -> Option<Duration> {
        self.listed.get().map(Instant::elapsed)
    }

    fn one_more_list(&self) {
        let mut complete = false;
        self.unlisted.send_modify(|left| {
            *left = left.saturating_sub(1);
            complete = *left == 0;
        });
        if complete && self.listed.set(Instant::now()).is_ok() {
            self.hints.all();
        }
    }

    /// Whoever leads has seen everything once.
    async fn engine_now(&self) -> Option<Engine> {
        let mut left = self.unlisted.subscribe();
        let complete = left.wait_for(|left| *left == 0);
        let listed = tokio::time::timeout(FIRST_LISTS, complete).await;
        listed.ok()?.ok()?;
        Some(Engine {
            id: EngineId(self.config.owner.cluster.clone()),
            name: None,
        })
    }

    /// A word of the watch about a Pod.
    fn word(&self, pod: PodSeen, came: Came) {
        let session = pod.session.clone();
        if self.store.apply(pod, came) {
            self.hints.session(&session);
        }
    }

    fn stranger(&self, uid: &str) -> Option<Stranger> {
        let strangers = self.strangers.lock();
        strangers
            .unwrap_or_else(PoisonError::into_inner)
            .get(uid)
            .cloned()
    }

    fn remember_stranger(&self, uid: &str, stranger: Option<Stranger>) {
        let mut strangers = self
            .strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match stranger {
            Some(stranger) => strangers.insert(uid.to_owned(), stranger),
            None => strangers.remove(uid),
        };
    }

    async fn carry_out(
        &self,
        key: &SessionKey,
        engine: &EngineId,
        effect: &Effect,
    ) -> Result<Outcome, EffectError> {
        let ours = &self.config.owner.cluster;
        if engine.0 != *ours {
            return Err(EffectError::OtherEngine {
                expected: engine.0.clone(),
                found: ours.clone(),
            });
        }
        match effect {
            Effect::Create(spec) => self.create(key, spec).await,
            Effect::CreateStorage(volumes) => self.create_storage(key, volumes).await,
            Effect::Stop(id, grace) => self.delete(key, id, Some(*grace)).await,
            Effect::Kill(id) => self.delete(key, id, None).await,
            Effect::Remove(id) => {
                let removed = self.delete(key, id, None).await?;
                self.store.dismiss(&key.uid, &id.0);
                Ok(removed)
            }
            // The kubelet pulls and starts; storage goes with the session, by its owner reference.
            Effect::Pull { .. } | Effect::Start(_) | Effect::RemoveStorage(_) => {
                Ok(Outcome::Already)
            }
        }
    }

    /// How a game is exposed that wishes this, or nothing. A game that needs certain numbers has them on its node.
    fn exposure(&self, wish: Option<Exposure>, any_port: bool) -> Exposure {
        if any_port {
            wish.unwrap_or(self.config.exposure)
        } else {
            Exposure::HostPort
        }
    }

    async fn storage_now(
        &self,
        key: &SessionKey,
        wanted: &[String],
    ) -> Result<StorageSeen, String> {
        if wanted.is_empty() {
            return Ok(StorageSeen::default());
        }
        let ours = ListParams::default().labels(&format!("{}={}", keys::UID, key.uid));
        let listed = act::bounded(async { self.claims(&key.namespace).list_metadata(&ours).await })
            .await
            .map_err(|failure| EffectError::from(failure).to_string())?;
        let present: Vec<String> = listed.items.iter().map(ResourceExt::name_any).collect();
        let missing = wanted
            .iter()
            .filter(|name| !present.contains(name))
            .cloned()
            .collect();
        Ok(StorageSeen { present, missing })
    }

    fn owned(&self) -> Vec<Owned> {
        let pods = self.store.all();
        pods.iter()
            .map(|pod| Owned {
                namespace: pod.namespace.to_string(),
                session: String::new(),
                uid: pod.session.to_string(),
                kind: OwnedKind::Container {
                    running: matches!(pod.state, State::Running { .. }),
                },
                id: pod.id.clone(),
            })
            .collect()
    }
}

impl Runtime for PodRuntime {
    fn engine(&self) -> BoxFuture<'_, Option<Engine>> {
        Box::pin(self.engine_now())
    }

    fn look<'a>(&'a self, look: Look<'a>) -> BoxFuture<'a, Seen> {
        Box::pin(async move { self.look_now(&look).await })
    }

    fn image<'a>(&'a self, _image: &'a str) -> BoxFuture<'a, Image> {
        // Each kubelet has its own; what it lacks, it pulls.
        Box::pin(std::future::ready(Image::Present))
    }

    fn choose_ports(&self, key: &SessionKey, ports: &[PortTerms]) -> Result<ChosenPorts, NoPort> {
        let held = |number, transport| self.store.holders(&key.uid, (number, transport));
        let (range, nodes) = (self.config.port_range.clone(), self.store.nodes());
        self.ports.choose(&key.uid, ports, range, &held, nodes)
    }

    fn choose_for(&self, key: &SessionKey, contract: &Contract) -> Result<ChosenPorts, NoPort> {
        let wish = contract.placement.exposure;
        match self.exposure(wish, container::any_port(contract)) {
            Exposure::HostPort => self.choose_ports(key, &contract.terms.ports),
            Exposure::NodePort => {
                let range = self.config.node_port_range.clone();
                let ports = &contract.terms.ports;
                // What others hold the API server knows, and refuses.
                self.ports.choose(&key.uid, ports, range, &|_, _| 0, 1)
            }
            Exposure::LoadBalancer | Exposure::None => Ok(ports::own(&contract.terms.ports)),
        }
    }

    fn free_ports(&self, key: &SessionKey) {
        self.ports.forget(&key.uid);
    }

    fn shun_ports(&self, _key: &SessionKey, ports: &[u16]) {
        self.ports.shun(ports);
    }

    fn storage<'a>(
        &'a self,
        key: &'a SessionKey,
        wanted: &'a [String],
    ) -> BoxFuture<'a, Result<StorageSeen, String>> {
        Box::pin(self.storage_now(key, wanted))
    }

    fn act<'a>(
        &'a self,
        key: &'a SessionKey,
        engine: &'a EngineId,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Outcome, EffectError>> {
        Box::pin(self.carry_out(key, engine, effect))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Owned>, EffectError>> {
        Box::pin(std::future::ready(Ok(self.owned())))
    }

    fn hints(self: Arc<Self>) -> BoxStream<'static, Hint> {
        let Some(receiver) = self.hints.take() else {
            tracing::error!("hints were taken before; they go there");
            return stream::pending().boxed();
        };
        // The watches end with the stream.
        let mut watches = JoinSet::new();
        if self.config.namespaces.is_empty() {
            watches.spawn(watch::pods(self.clone(), None));
            watches.spawn(watch::services(self.clone(), None));
        }
        for namespace in &self.config.namespaces {
            watches.spawn(watch::pods(self.clone(), Some(namespace.clone())));
            watches.spawn(watch::services(self.clone(), Some(namespace.clone())));
        }
        watches.spawn(watch::nodes(self.clone()));
        stream::unfold((receiver, watches), |(mut receiver, watches)| async move {
            let hint = receiver.recv().await?;
            Some((hint, (receiver, watches)))
        })
        .boxed()
    }

    fn forget(&self, uid: &str) {
        self.probes.forget(uid);
        self.ports.forget(uid);
        self.store.forget(uid);
        self.remember_stranger(uid, None);
    }
}

#[cfg(test)]
mod tests;
