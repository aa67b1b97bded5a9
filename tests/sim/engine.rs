//! A simulated engine just above the wire: names are unique, labels stand, 304, 404 and 409 mean what they mean
//! on Docker, games end by themselves, and hints may be missed.
//!
//! One [`Engine`] is the daemon; each controller process reaches it through its own [`Door`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dillinger_runner::api::{Endpoint, keys};
use dillinger_runner::runtime::{
    EffectError, Hint, Look, Outcome, Owned, OwnedKind, Runtime, SessionKey, parse_terms,
};
use dillinger_runner::session::container::{ContainerSpec, Transport};
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

use crate::clock::SimClock;
use crate::faults::{Failure, Position};
use crate::history::{History, Life, What};
use crate::process::Process;
use crate::striking::{Striking, Verdict};

/// A request travels this long, and so does its answer.
const TRAVEL: Duration = Duration::from_millis(1);
/// A look that gets no answer ends in doubt after this.
const LOOK: Duration = Duration::from_secs(5);
/// A pull takes this long.
const PULL: Duration = Duration::from_secs(20);

/// What one run of a game does.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// After its start; None: never.
    pub ready_after: Option<Duration>,
    /// After its start, and with which code; None: it runs until it is told to stop.
    pub ends: Option<(Duration, i32)>,
    /// From the signal to its end, and the code then.
    pub on_term: (Duration, i32),
}

impl Play {
    pub fn well() -> Play {
        Play {
            ready_after: Some(Duration::from_millis(300)),
            ends: None,
            on_term: (Duration::from_secs(1), 0),
        }
    }
}

/// The daemon.
pub struct Engine {
    state: Mutex<State>,
    clock: SimClock,
    history: History,
    hints: broadcast::Sender<Hint>,
}

struct State {
    id: String,
    containers: BTreeMap<String, Kept>,
    volumes: BTreeMap<String, BTreeMap<String, String>>,
    images: BTreeSet<String>,
    pulling: BTreeSet<String>,
    /// The n-th start of a container plays the n-th, then the last.
    plays: Vec<Play>,
    starts: usize,
    made: u64,
}

struct Kept {
    spec: ContainerSpec,
    uid: String,
    created: Timestamp,
    state: Inside,
}

#[derive(Clone, Debug)]
enum Inside {
    Created,
    Running {
        started: Timestamp,
        ready_at: Option<Timestamp>,
        on_term: (Duration, i32),
        signalled: bool,
    },
    Exited {
        started: Timestamp,
        finished: Timestamp,
        code: i32,
        was_ready: bool,
    },
}

impl Engine {
    pub fn new(clock: SimClock, history: History, plays: Vec<Play>) -> Arc<Engine> {
        Arc::new(Engine {
            state: Mutex::new(State {
                id: "e0000000000000000000000000000001".to_owned(),
                containers: BTreeMap::new(),
                volumes: BTreeMap::new(),
                images: BTreeSet::from(["example:1".to_owned()]),
                pulling: BTreeSet::new(),
                plays,
                starts: 0,
                made: 0,
            }),
            clock,
            history,
            hints: broadcast::Sender::new(256),
        })
    }

    /// How a process reaches it.
    pub fn door(self: &Arc<Self>, process: Process, striking: Striking) -> Arc<Door> {
        Arc::new(Door {
            engine: self.clone(),
            process,
            striking,
            asked: Mutex::default(),
        })
    }

    /// The image is gone, so that it must be pulled.
    pub fn forget_images(&self) {
        self.lock().images.clear();
    }

    /// Somebody removes every container of this session by hand, running or not.
    pub fn remove_by_hand(&self, uid: &str) {
        let ids: Vec<String> = {
            let state = self.lock();
            let own = state.containers.iter().filter(|(_, c)| c.uid == uid);
            own.map(|(id, _)| id.clone()).collect()
        };
        for id in ids {
            self.gone(&id, "world");
        }
    }

    /// Containers that exist, by id, with their session's uid and whether they live.
    pub fn containers(&self) -> Vec<(String, String, bool)> {
        let state = self.lock();
        let show = |(id, c): (&String, &Kept)| {
            (
                id.clone(),
                c.uid.clone(),
                matches!(c.state, Inside::Running { .. }),
            )
        };
        state.containers.iter().map(show).collect()
    }

    /// Volumes that exist, with their session's uid.
    pub fn volumes(&self) -> Vec<(String, String)> {
        let state = self.lock();
        let uid =
            |labels: &BTreeMap<String, String>| labels.get(keys::UID).cloned().unwrap_or_default();
        state
            .volumes
            .iter()
            .map(|(name, labels)| (name.clone(), uid(labels)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, who: &str, id: &str, c: &Kept, state: Life) {
        let what = What::Container {
            id: id.to_owned(),
            uid: c.uid.clone(),
            attempt: c.spec.attempt,
            state,
        };
        self.history.add(self.clock.elapsed(), who, what);
        let _ = self.hints.send(Hint::Session(c.uid.clone()));
    }

    /// Later, in the daemon itself, whatever became of its clients.
    fn later(self: &Arc<Self>, wait: Duration, act: impl FnOnce(&Arc<Engine>) + Send + 'static) {
        let engine = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            act(&engine);
        });
    }

    fn begin(self: &Arc<Self>, id: &str, who: &str) -> Result<Outcome, EffectError> {
        let now = self.clock.now();
        let mut state = self.lock();
        let play = state.plays[state.starts.min(state.plays.len() - 1)];
        let Some(c) = state.containers.get_mut(id) else {
            return Err(EffectError::Failed(format!("404 No such container: {id}")));
        };
        if matches!(c.state, Inside::Running { .. }) {
            return Ok(Outcome::Done);
        }
        let ready_at = play.ready_after.map(|after| now + after);
        c.state = Inside::Running {
            started: now,
            ready_at,
            on_term: play.on_term,
            signalled: false,
        };
        self.note(who, id, c, Life::Running);
        state.starts += 1;
        drop(state);
        let id = id.to_owned();
        if let Some((after, code)) = play.ends {
            self.later(after, move |engine| engine.end(&id, now, code, "game"));
        }
        Ok(Outcome::Done)
    }

    /// The process of the run that began at `started` ends.
    fn end(&self, id: &str, began: Timestamp, code: i32, who: &str) {
        let now = self.clock.now();
        let mut state = self.lock();
        let Some(c) = state.containers.get_mut(id) else {
            return;
        };
        let Inside::Running {
            started, ready_at, ..
        } = c.state
        else {
            return;
        };
        if started != began {
            return;
        }
        c.state = Inside::Exited {
            started,
            finished: now,
            code,
            was_ready: ready_at.is_some_and(|at| at <= now),
        };
        self.note(who, id, c, Life::Exited(code));
    }

    fn signal(self: &Arc<Self>, id: &str, grace: i32, who: &str) -> Outcome {
        let mut state = self.lock();
        let Some(c) = state.containers.get_mut(id) else {
            return Outcome::Already;
        };
        let Inside::Running {
            started,
            on_term: (after, code),
            signalled,
            ..
        } = &mut c.state
        else {
            return Outcome::Done;
        };
        *signalled = true;
        let (began, after, code) = (*started, *after, *code);
        self.note(who, id, c, Life::Signalled);
        drop(state);
        let grace = Duration::from_secs(u64::try_from(grace).unwrap_or_default());
        let (wait, code) = if after <= grace {
            (after, code)
        } else {
            (grace, 137)
        };
        let id = id.to_owned();
        self.later(wait, move |engine| engine.end(&id, began, code, "engine"));
        Outcome::Done
    }

    fn kill(&self, id: &str, who: &str) -> Outcome {
        let began = match self.lock().containers.get(id).map(|c| c.state.clone()) {
            Some(Inside::Running { started, .. }) => started,
            Some(Inside::Created | Inside::Exited { .. }) | None => return Outcome::Already,
        };
        self.end(id, began, 137, who);
        Outcome::Done
    }

    fn remove(&self, id: &str, who: &str) -> Result<Outcome, EffectError> {
        let running = match self.lock().containers.get(id) {
            Some(c) => matches!(c.state, Inside::Running { .. }),
            None => return Ok(Outcome::Already),
        };
        if running {
            return Err(EffectError::Failed(
                "409 You cannot remove a running container".to_owned(),
            ));
        }
        self.gone(id, who);
        Ok(Outcome::Done)
    }

    fn gone(&self, id: &str, who: &str) {
        if let Some(c) = self.lock().containers.remove(id) {
            self.note(who, id, &c, Life::Removed);
        }
    }

    fn create(&self, spec: &ContainerSpec, who: &str) -> Result<Outcome, EffectError> {
        let mut state = self.lock();
        if state.containers.values().any(|c| c.spec.name == spec.name) {
            return Ok(Outcome::Already);
        }
        if !state.images.contains(&spec.image) {
            return Err(EffectError::Failed(format!(
                "404 No such image: {}",
                spec.image
            )));
        }
        state.made += 1;
        let id = format!("c{:063x}", state.made);
        let made = Kept {
            spec: spec.clone(),
            uid: spec.labels.get(keys::UID).cloned().unwrap_or_default(),
            created: self.clock.now(),
            state: Inside::Created,
        };
        self.note(who, &id, &made, Life::Created);
        state.containers.insert(id, made);
        Ok(Outcome::Done)
    }

    fn volume(&self, name: &str, labels: Option<&BTreeMap<String, String>>, who: &str) {
        let mut state = self.lock();
        let (uid, exists) = match labels {
            Some(labels) => {
                if state
                    .volumes
                    .insert(name.to_owned(), labels.clone())
                    .is_some()
                {
                    return;
                }
                (labels.get(keys::UID).cloned(), true)
            }
            None => match state.volumes.remove(name) {
                Some(labels) => (labels.get(keys::UID).cloned(), false),
                None => return,
            },
        };
        let what = What::Volume {
            name: name.to_owned(),
            uid: uid.unwrap_or_default(),
            exists,
        };
        self.history.add(self.clock.elapsed(), who, what);
    }

    fn pull(self: &Arc<Self>, image: &str) {
        let mut state = self.lock();
        if state.images.contains(image) || !state.pulling.insert(image.to_owned()) {
            return;
        }
        drop(state);
        let image = image.to_owned();
        self.later(PULL, move |engine| {
            let mut state = engine.lock();
            state.pulling.remove(&image);
            state.images.insert(image);
            let _ = engine.hints.send(Hint::All);
        });
    }

    fn act(self: &Arc<Self>, effect: &Effect, who: &str) -> Result<Outcome, EffectError> {
        match effect {
            Effect::Pull { image, policy: _ } => {
                self.pull(image);
                Ok(Outcome::Done)
            }
            Effect::CreateStorage(volumes) => {
                for volume in volumes {
                    self.volume(&volume.name, Some(&volume.labels), who);
                }
                Ok(Outcome::Done)
            }
            Effect::Create(spec) => self.create(spec, who),
            Effect::Start(id) => self.begin(&id.0, who),
            Effect::Stop(id, grace) => Ok(self.signal(&id.0, *grace, who)),
            Effect::Kill(id) => Ok(self.kill(&id.0, who)),
            Effect::Remove(id) => self.remove(&id.0, who),
            Effect::RemoveStorage(names) => {
                names.iter().for_each(|name| self.volume(name, None, who));
                Ok(Outcome::Done)
            }
        }
    }

    fn host(&self) -> facts::Engine {
        facts::Engine {
            id: EngineId(self.lock().id.clone()),
            name: Some("simulated".to_owned()),
        }
    }
}

/// One process's way to the engine.
pub struct Door {
    engine: Arc<Engine>,
    process: Process,
    striking: Striking,
    /// Containers that this process has asked whether they are ready.
    asked: Mutex<BTreeSet<String>>,
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
