//! Containers on one Docker Engine. bollard is used below this folder and nowhere else.
//!
//! `new` neither blocks nor fails while the engine is away. Looks answer doubt as a value within 5 s; acts
//! have a deadline each and never wait for a game.

mod act;
mod client;
mod create;
mod credentials;
mod engine;
mod events;
mod hints;
#[cfg(test)]
mod hostile;
mod list;
mod logs;
mod look;
mod parse;
mod ports;
mod probe;
mod pulls;
mod refusals;
#[cfg(test)]
mod strangers;
mod tail;

use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use tokio_util::task::AbortOnDropHandle;

use super::{EffectError, Hint, Log, LogRead, Look, Outcome, Owned, Runtime, SessionKey};
use crate::clock::Clock;
use crate::session::contract::PortTerms;
use crate::session::facts::{Engine, EngineId};
use crate::session::observation::{Image, Owner, StorageSeen};
use crate::session::plan::Effect;
use crate::session::ports::{ChosenPorts, NoPort};
use crate::session::seen::Seen;

/// How one Docker Engine is reached and used.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// As DOCKER_HOST: `unix:///path` or `tcp://host:port`; None: `unix:///var/run/docker.sock`.
    pub host: Option<String>,
    /// The labels that make a container ours, for `list`.
    pub owner: Owner,
    /// Address of the engine's host that game ports are published on.
    pub bind_address: IpAddr,
    /// Where players reach those ports: shown in endpoints.
    pub advertise_address: String,
    /// Host ports for Dynamic and Passthrough ports.
    pub port_range: RangeInclusive<u16>,
    /// Folder of the user's Docker credentials file, `config.json` (DOCKER_CONFIG, else `~/.docker`).
    pub credentials: Option<PathBuf>,
    /// When a pull failed is told by it.
    pub clock: Clock,
}

/// Containers on one Docker Engine.
pub struct DockerRuntime {
    config: DockerConfig,
    client: Arc<client::Client>,
    identity: engine::Identity,
    probes: probe::Probes,
    pulls: Arc<pulls::Pulls>,
    ports: ports::Ports,
    hints: hints::Hints,
    listed: hints::Listed,
    expected: events::Expected,
    /// Sessions whose last look found nothing: who may wait for a pull.
    waiting: Arc<Mutex<HashSet<String>>>,
    refusals: Arc<refusals::Refusals>,
}

impl DockerRuntime {
    /// Never blocks; the engine may be away, and come later. Its events are followed once `hints` is taken.
    pub fn new(config: DockerConfig) -> Arc<DockerRuntime> {
        let client = Arc::new(client::Client::new(config.host.as_deref()));
        Arc::new(DockerRuntime {
            config,
            identity: engine::Identity::default(),
            probes: probe::Probes::new(Arc::clone(&client)),
            pulls: Arc::default(),
            ports: ports::Ports::default(),
            hints: hints::Hints::default(),
            listed: hints::Listed::default(),
            expected: events::Expected::default(),
            waiting: Arc::default(),
            refusals: Arc::default(),
            client,
        })
    }

    fn remember_waiting(&self, uid: &str, seen: &Seen) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Seen::Absent | Seen::Foreign(_) => {
                waiting.insert(uid.to_owned());
            }
            Seen::Created(..)
            | Seen::Running(..)
            | Seen::Paused(_)
            | Seen::Going
            | Seen::Exited(..) => {
                waiting.remove(uid);
            }
            Seen::Unknown(_) => {}
        }
    }

    async fn carry_out(
        &self,
        key: &SessionKey,
        engine: &EngineId,
        effect: &Effect,
    ) -> Result<Outcome, EffectError> {
        // What makes things, or names them by something else than a random id, asks the engine who it is.
        let live = match effect {
            Effect::Create(_) | Effect::CreateStorage(_) | Effect::RemoveStorage(_) => true,
            Effect::Pull { .. }
            | Effect::Start(_)
            | Effect::Stop(..)
            | Effect::Kill(_)
            | Effect::Remove(_) => false,
        };
        act::same_engine(&self.client, &self.identity, engine, live).await?;
        match effect {
            Effect::Pull { image, policy } => {
                let (hints, waiting) = (self.hints.clone(), Arc::clone(&self.waiting));
                let folder = self.config.credentials.clone();
                let clock = self.config.clock.clone();
                self.pulls
                    .pull(&self.client, image, *policy, folder, clock, move || {
                        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                        waiting.iter().for_each(|uid| hints.session(uid));
                    });
                Ok(Outcome::Done)
            }
            Effect::CreateStorage(volumes) => {
                act::create_storage(&self.client, key, volumes, engine).await
            }
            Effect::Create(spec) => {
                act::create(&self.client, spec, engine, self.config.bind_address).await
            }
            Effect::Start(id) => {
                self.expected.insert(&id.0, "start");
                let started = act::start(&self.client, &id.0).await;
                if started.is_err() {
                    self.expected.remove(&id.0, "start");
                }
                started
            }
            Effect::Stop(id, grace) => {
                let (hints, refusals) = (self.hints.clone(), Arc::clone(&self.refusals));
                let uid = key.uid.clone();
                let late = move |words| {
                    refusals.note(&uid, words);
                    hints.session(&uid);
                };
                act::stop(&self.client, &id.0, *grace, late).await
            }
            Effect::Kill(id) => act::kill(&self.client, &id.0).await,
            Effect::Remove(id) => {
                self.expected.insert(&id.0, "destroy");
                let removed = act::remove(&self.client, &id.0).await;
                if removed.is_err() {
                    self.expected.remove(&id.0, "destroy");
                }
                removed
            }
            Effect::RemoveStorage(names) => act::remove_storage(&self.client, key, names).await,
        }
    }
}

impl Runtime for DockerRuntime {
    fn engine(&self) -> BoxFuture<'_, Option<Engine>> {
        Box::pin(async {
            let now = self.identity.now(&self.client);
            match tokio::time::timeout(client::LOOK, now).await {
                Ok(Ok(engine)) => Some(engine),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the Docker Engine does not say which it is");
                    None
                }
                Err(_) => None,
            }
        })
    }

    fn look<'a>(&'a self, look: Look<'a>) -> BoxFuture<'a, Seen> {
        Box::pin(async move { self.look_now(&look).await })
    }

    fn image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Image> {
        Box::pin(self.pulls.image(&self.client, image))
    }

    fn choose_ports(&self, key: &SessionKey, ports: &[PortTerms]) -> Result<ChosenPorts, NoPort> {
        self.ports
            .choose(&key.uid, ports, self.config.port_range.clone())
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

    fn refused_since(&self, uid: &str) -> Option<String> {
        self.refusals.take(uid)
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Owned>, EffectError>> {
        Box::pin(self.list_owned())
    }

    fn log<'a>(
        &'a self,
        uid: &'a str,
        read: LogRead,
    ) -> BoxFuture<'a, Result<Option<Log>, EffectError>> {
        Box::pin(async move { Ok(self.log_of(uid, read).await?) })
    }

    fn hints(self: Arc<Self>) -> BoxStream<'static, Hint> {
        let Some(receiver) = self.hints.take() else {
            tracing::error!("hints were taken before; they go there");
            return stream::pending().boxed();
        };
        // The task ends with the stream.
        let task = AbortOnDropHandle::new(tokio::spawn(events::watch(self)));
        stream::unfold((receiver, task), |(mut receiver, task)| async move {
            let hint = receiver.recv().await?;
            Some((hint, (receiver, task)))
        })
        .boxed()
    }

    fn forget(&self, uid: &str) {
        self.probes.forget(uid);
        self.ports.forget(uid);
        self.listed.take(uid);
        self.refusals.take(uid);
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid);
    }
}
