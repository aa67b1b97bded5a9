//! One controller process's way to the simulated engine: each call travels, and may be struck by a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dillinger_runner::api::{Endpoint, keys};
use dillinger_runner::runtime::{
    EffectError, Hint, Look, Outcome, Owned, OwnedKind, Runtime, SessionKey, parse_terms,
};
use dillinger_runner::session::container::Transport;
use dillinger_runner::session::contract::PortTerms;
use dillinger_runner::session::facts::{self, EngineId};
use dillinger_runner::session::observation::{Image, StorageSeen};
use dillinger_runner::session::plan::Effect;
use dillinger_runner::session::ports::{self, ChosenPorts, NoPort};
use dillinger_runner::session::seen::{
    self, Answer, Container, ContainerId, Doubt, Exit, Made, Seen,
};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::faults::{Failure, Position};
use crate::process::Process;
use crate::striking::{Striking, Verdict};

use super::{Engine, Inside, Kept, LOOK, TRAVEL};

/// One process's way to the engine.
pub struct Door {
    pub(super) engine: Arc<Engine>,
    pub(super) process: Process,
    pub(super) striking: Striking,
    /// Containers that this process has asked whether they are ready.
    pub(super) asked: Mutex<BTreeSet<String>>,
}

impl Door {
    /// A look: None when it gets no answer.
    async fn ask<T>(&self, what: &str, answer: impl FnOnce() -> T) -> Option<T> {
        self.process.alive().await;
        tokio::time::sleep(TRAVEL).await;
        let verdict = self.striking.meet(&format!("look:{what}"), false);
        let answered = match verdict {
            Verdict::Go => Some(answer()),
            Verdict::Fail(Failure::Hangs | Failure::CommittedHangs) => {
                tokio::time::sleep(LOOK).await;
                None
            }
            Verdict::Fail(_) | Verdict::Crash(_) | Verdict::ThenRestore(_) => None,
        };
        self.process.alive().await;
        answered
    }

    fn seen(&self, id: &str, c: &Kept, probe: bool, now: Timestamp) -> Seen {
        let terms = parse_terms(c.spec.labels.get(keys::CONTRACT).map(String::as_str));
        let started = match c.state {
            Inside::Created => None,
            Inside::Running { started, .. } | Inside::Exited { started, .. } => Some(started),
        };
        let endpoint = |port: &dillinger_runner::session::container::Published| Endpoint {
            name: port.name.clone(),
            protocol: match port.transport {
                Transport::Tcp => "TCP".to_owned(),
                Transport::Udp => "UDP".to_owned(),
            },
            host: "127.0.0.1".to_owned(),
            port: i32::from(port.host_port),
        };
        let container = Container {
            id: ContainerId(id.to_owned()),
            name: c.spec.name.clone(),
            attempt: c.spec.attempt,
            created: c.created,
            started,
            image: c.spec.image.clone(),
            image_id: Some("sha256:0".to_owned()),
            node_name: Some("simulated".to_owned()),
            endpoints: c.spec.ports.iter().map(endpoint).collect(),
            terms,
        };
        match &c.state {
            Inside::Created => Seen::Created(container, Made::Fresh),
            Inside::Running { ready_at, .. } => {
                let asks = container
                    .terms
                    .as_ref()
                    .is_some_and(|terms| terms.readiness.is_some());
                let answer = if asks {
                    self.answer(id, &c.uid, *ready_at, probe, now)
                } else {
                    Answer::Ready
                };
                Seen::Running(container, answer)
            }
            Inside::Exited {
                finished,
                code,
                was_ready,
                ..
            } => {
                let exit = Exit {
                    code: Some(*code),
                    finished: Some(*finished),
                    ready_in_log: *was_ready,
                    ..Exit::default()
                };
                Seen::Exited(container, exit)
            }
        }
    }

    /// The first question has no answer yet; a hint comes with it, and another when the game is ready.
    fn answer(
        &self,
        id: &str,
        uid: &str,
        ready_at: Option<Timestamp>,
        probe: bool,
        now: Timestamp,
    ) -> Answer {
        if !probe {
            return Answer::NotAsked;
        }
        let first = self
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned());
        if first {
            let until_ready =
                ready_at.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
            for wait in [Some(TRAVEL), until_ready.map(|wait| wait + TRAVEL)]
                .into_iter()
                .flatten()
            {
                let hint = Hint::Session(uid.to_owned());
                self.engine.later(wait, move |engine| {
                    let _ = engine.hints.send(hint);
                });
            }
            return Answer::NotAsked;
        }
        match ready_at {
            Some(at) if at <= now => Answer::Ready,
            Some(_) | None => Answer::NotReady("nothing answers".to_owned()),
        }
    }

    async fn effect(&self, engine: &EngineId, effect: &Effect) -> Result<Outcome, EffectError> {
        self.process.alive().await;
        tokio::time::sleep(TRAVEL).await;
        self.process.alive().await;
        let name = dillinger_runner::controller::gate::effect_label(effect);
        let no_answer = || EffectError::NoAnswer("the connection broke".to_owned());
        let answered = |code: u16| match code {
            400 | 422 => EffectError::Refused(format!("scripted {code}")),
            _ => EffectError::Failed(format!("scripted {code}")),
        };
        let verdict = self.striking.meet(&format!("effect:{name}"), true);
        match verdict {
            Verdict::Crash(Position::Before) => self.striking.die().await,
            Verdict::Fail(Failure::Code(code)) => return Err(answered(code)),
            Verdict::Fail(Failure::Refused) => return Err(no_answer()),
            Verdict::Fail(Failure::Hangs) => std::future::pending().await,
            Verdict::Go
            | Verdict::ThenRestore(_)
            | Verdict::Crash(Position::Between | Position::After)
            | Verdict::Fail(Failure::CommittedCode(_) | Failure::Lost | Failure::CommittedHangs) => {
            }
        }
        let found = self.engine.host().id;
        if found != *engine {
            return Err(EffectError::OtherEngine {
                expected: engine.0.clone(),
                found: found.0,
            });
        }
        let outcome = self.engine.act(effect, self.process.name());
        match verdict {
            Verdict::Crash(Position::Between) => self.striking.die().await,
            Verdict::Crash(Position::After) => self.striking.die_after(TRAVEL + TRAVEL / 2),
            Verdict::Fail(Failure::CommittedCode(code)) => return Err(answered(code)),
            Verdict::Fail(Failure::Lost) => return Err(no_answer()),
            Verdict::Fail(Failure::CommittedHangs) => std::future::pending().await,
            Verdict::Go
            | Verdict::ThenRestore(_)
            | Verdict::Crash(Position::Before)
            | Verdict::Fail(Failure::Code(_) | Failure::Refused | Failure::Hangs) => {}
        }
        tokio::time::sleep(TRAVEL).await;
        self.process.alive().await;
        outcome
    }
}

impl Runtime for Door {
    fn engine(&self) -> BoxFuture<'_, Option<facts::Engine>> {
        Box::pin(self.ask("engine", || self.engine.host()))
    }

    fn look<'a>(&'a self, look: Look<'a>) -> BoxFuture<'a, Seen> {
        Box::pin(async move {
            let seen = self
                .ask("container", || {
                    let found = self.engine.host().id;
                    if let Some(recorded) = look.engine.filter(|recorded| **recorded != found) {
                        return Seen::Unknown(Doubt::EngineMismatch {
                            recorded: recorded.0.clone(),
                            found: found.0,
                        });
                    }
                    let now = self.engine.clock.now();
                    let state = self.engine.lock();
                    let hits = state.containers.iter().filter_map(|(id, c)| {
                        if c.uid == look.key.uid {
                            Some(self.seen(id, c, look.probe, now))
                        } else if c.spec.name == look.key.container_name {
                            Some(Seen::Foreign(id.clone()))
                        } else {
                            None
                        }
                    });
                    seen::select(hits.collect(), look.attempt)
                })
                .await;
            seen.unwrap_or_else(|| Seen::Unknown(Doubt::EngineUnreachable("no answer".to_owned())))
        })
    }

    fn image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Image> {
        Box::pin(async move {
            let seen = self.ask("image", || {
                let state = self.engine.lock();
                if state.images.contains(image) {
                    Image::Present
                } else if state.pulling.contains(image) {
                    Image::Pulling(String::new())
                } else {
                    Image::Missing
                }
            });
            seen.await.unwrap_or(Image::Missing)
        })
    }

    fn choose_ports(&self, key: &SessionKey, wanted: &[PortTerms]) -> Result<ChosenPorts, NoPort> {
        let state = self.engine.lock();
        let taken = |number: u16, transport: Transport| {
            let others = state.containers.values().filter(|c| c.uid != key.uid);
            others
                .flat_map(|c| &c.spec.ports)
                .any(|p| p.host_port == number && p.transport == transport)
        };
        ports::choose(&key.uid, wanted, 7000..=8000, &taken, &|_| false)
    }

    fn shun_ports(&self, _: &SessionKey, _: &[u16]) {}

    fn storage<'a>(
        &'a self,
        key: &'a SessionKey,
        wanted: &'a [String],
    ) -> BoxFuture<'a, Option<StorageSeen>> {
        Box::pin(self.ask("storage", || {
            let volumes = self.engine.volumes();
            let present: Vec<String> = volumes
                .into_iter()
                .filter(|(_, uid)| *uid == key.uid)
                .map(|(name, _)| name)
                .collect();
            let missing = wanted
                .iter()
                .filter(|name| !present.contains(name))
                .cloned()
                .collect();
            StorageSeen { present, missing }
        }))
    }

    fn act<'a>(
        &'a self,
        _: &'a SessionKey,
        engine: &'a EngineId,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Outcome, EffectError>> {
        Box::pin(self.effect(engine, effect))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Owned>, EffectError>> {
        Box::pin(async move {
            let listed = self.ask("list", || {
                let state = self.engine.lock();
                let owned = |labels: &BTreeMap<String, String>, kind, id: &String| Owned {
                    namespace: labels.get(keys::NAMESPACE).cloned().unwrap_or_default(),
                    session: labels.get(keys::SESSION).cloned().unwrap_or_default(),
                    uid: labels.get(keys::UID).cloned().unwrap_or_default(),
                    kind,
                    id: id.clone(),
                };
                let containers = state.containers.iter().map(|(id, c)| {
                    let running = matches!(c.state, Inside::Running { .. });
                    owned(&c.spec.labels, OwnedKind::Container { running }, id)
                });
                let volumes = state
                    .volumes
                    .iter()
                    .map(|(name, labels)| owned(labels, OwnedKind::Storage, name));
                containers.chain(volumes).collect()
            });
            listed
                .await
                .ok_or_else(|| EffectError::NoAnswer("no answer".to_owned()))
        })
    }

    fn hints(self: Arc<Self>) -> BoxStream<'static, Hint> {
        let receiver = self.engine.hints.subscribe();
        futures::stream::unfold((self, receiver), |(door, mut receiver)| async move {
            let hint = match receiver.recv().await {
                Ok(hint) => hint,
                Err(broadcast::error::RecvError::Lagged(_)) => Hint::All,
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            door.process.alive().await;
            Some((hint, (door, receiver)))
        })
        .boxed()
    }

    fn forget(&self, _: &str) {}
}
