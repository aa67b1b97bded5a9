//! A runtime in memory: one container a session, ready when it is told to be.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::api::{Endpoint, RuntimeKind};
use crate::runtime::{EffectError, Hint, Look, Outcome, Owned, OwnedKind, Runtime, SessionKey};
use crate::session::container::ContainerSpec;
use crate::session::contract::PortTerms;
use crate::session::facts::{Engine, EngineId};
use crate::session::observation::{Image, StorageSeen};
use crate::session::plan::Effect;
use crate::session::ports::{ChosenPorts, NoPort};
use crate::session::seen::{Answer, Container, ContainerId, Doubt, Exit, Made, Seen};

#[derive(Default)]
struct State {
    containers: HashMap<String, Seen>,
    acts: Vec<&'static str>,
    made: usize,
    ready: bool,
    away: bool,
    /// A look at this session panics.
    panics: Option<String>,
    refuses: Option<String>,
    fails: Option<String>,
    /// Of this session alone.
    cursed: Option<String>,
    starts_fail: Option<String>,
    /// The next stop is taken for sent, and refused later.
    stop_refused: Option<String>,
    /// By session uid.
    refused_since: HashMap<String, String>,
    /// The name of each new container is in use, and nothing of that name is to be seen.
    names_taken: bool,
    /// Whatever fails is told as something that happened to its session.
    tells: bool,
    orphans: Vec<Owned>,
    hides_storage: bool,
    /// Sessions whose ports were given back.
    freed: BTreeSet<String>,
    hints: Option<mpsc::UnboundedSender<Hint>>,
}

/// A copy is the same engine.
#[derive(Clone)]
pub struct FakeRuntime {
    engine: &'static str,
    state: Arc<Mutex<State>>,
}

impl FakeRuntime {
    pub fn new(engine: &'static str) -> Self {
        let state = State {
            ready: true,
            ..State::default()
        };
        FakeRuntime {
            engine,
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        f(&mut state)
    }

    pub fn acts(&self) -> Vec<&'static str> {
        self.with(|s| s.acts.clone())
    }

    pub fn running(&self) -> usize {
        let runs = |seen: &&Seen| matches!(seen, Seen::Running(..));
        self.with(|s| s.containers.values().filter(runs).count())
    }

    pub fn made(&self) -> usize {
        self.with(|s| s.made)
    }

    pub fn hide_storage(&self, hidden: bool) {
        self.with(|s| s.hides_storage = hidden);
        self.hint(Hint::All);
    }

    pub fn has_freed_ports(&self, session: &str) -> bool {
        self.with(|s| s.freed.contains(session))
    }

    pub fn set_ready(&self, ready: bool) {
        self.with(|s| s.ready = ready);
        self.hint(Hint::All);
    }

    pub fn set_away(&self, away: bool) {
        self.with(|s| s.away = away);
        self.hint(Hint::All);
    }

    pub fn panic_at(&self, session: &str) {
        self.with(|s| s.panics = Some(session.to_owned()));
    }

    pub fn refuse_creates(&self, words: &str) {
        self.with(|s| s.refuses = Some(words.to_owned()));
    }

    /// Creates fail so until they are given nothing to say.
    pub fn fail_creates(&self, words: Option<&str>) {
        self.with(|s| s.fails = words.map(str::to_owned));
        self.hint(Hint::All);
    }

    /// No container can be made for this session.
    pub fn curse(&self, session: &str) {
        self.with(|s| s.cursed = Some(session.to_owned()));
    }

    /// Starts fail so, and leave no trace, until they are given nothing to say.
    pub fn fail_starts(&self, words: Option<&str>) {
        self.with(|s| s.starts_fail = words.map(str::to_owned));
    }

    /// The next stop does nothing, and is refused in these words when nobody waits for it any more.
    pub fn refuse_next_stop_late(&self, words: &str) {
        self.with(|s| s.stop_refused = Some(words.to_owned()));
    }

    pub fn take_names(&self, taken: bool) {
        self.with(|s| s.names_taken = taken);
    }

    /// As an engine does that makes a container, fails, and takes it away again.
    pub fn tell_of_failures(&self) {
        self.with(|s| s.tells = true);
    }

    /// Something is said of this session.
    pub fn name(&self, uid: &str) {
        self.hint(Hint::Session(uid.to_owned()));
    }

    /// Containers of sessions that nobody knows.
    pub fn orphans(&self, n: usize) {
        let orphan = |n| Owned {
            namespace: "games".to_owned(),
            session: format!("lost-{n}"),
            uid: format!("lost-uid-{n}"),
            kind: OwnedKind::Container { running: true },
            id: format!("lost-container-{n}"),
        };
        self.with(|s| s.orphans = (0..n).map(orphan).collect());
    }

    fn hint(&self, hint: Hint) {
        self.with(|s| {
            if let Some(hints) = &s.hints {
                let _ = hints.send(hint);
            }
        });
    }

    fn container(&self, spec: &ContainerSpec, made: usize) -> Container {
        let terms = crate::runtime::parse_terms(
            spec.labels
                .get(crate::api::keys::CONTRACT)
                .map(String::as_str),
        );
        let endpoints = spec.ports.iter().map(|port| Endpoint {
            name: port.name.clone(),
            protocol: "TCP".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: port.host_port.into(),
        });
        Container {
            id: ContainerId(format!("container-{made}")),
            name: spec.name.clone(),
            attempt: spec.attempt,
            created: start(),
            started: Some(start()),
            image: spec.image.clone(),
            image_id: None,
            node_name: None,
            endpoints: endpoints.collect(),
            terms,
        }
    }

    fn carry_out(&self, key: &SessionKey, effect: &Effect) -> Result<Outcome, EffectError> {
        // Where one act asks for the next at once, virtual time stands still.
        assert!(self.with(|s| s.acts.len()) < 5000, "a storm of acts");
        let done = self.attempt(key, effect);
        if !matches!(done, Ok(Outcome::Done)) && self.with(|s| s.tells) {
            self.name(&key.uid);
        }
        done
    }

    fn attempt(&self, key: &SessionKey, effect: &Effect) -> Result<Outcome, EffectError> {
        self.with(|s| s.acts.push(crate::controller::gate::effect_label(effect)));
        match effect {
            Effect::Pull { .. } | Effect::CreateStorage(_) | Effect::RemoveStorage(_) => {}
            Effect::Create(spec) => {
                if let Some(words) = self.with(|s| s.refuses.clone()) {
                    return Err(EffectError::Refused(words));
                }
                if let Some(words) = self.with(|s| s.fails.clone()) {
                    return Err(EffectError::Failed(words));
                }
                if self.with(|s| s.cursed.as_deref() == Some(&key.name)) {
                    return Err(EffectError::Failed("cursed".to_owned()));
                }
                if self.with(|s| s.names_taken) {
                    return Ok(Outcome::Already);
                }
                let made = self.with(|s| {
                    s.made += 1;
                    s.made
                });
                let container = Seen::Created(self.container(spec, made), Made::Fresh);
                self.with(|s| s.containers.insert(key.uid.clone(), container));
            }
            Effect::Start(_) => {
                if let Some(words) = self.with(|s| s.starts_fail.clone()) {
                    return Err(EffectError::Failed(words));
                }
                self.with(|s| {
                    if let Some(Seen::Created(c, _)) = s.containers.get(&key.uid).cloned() {
                        let running = Seen::Running(c, Answer::Ready);
                        s.containers.insert(key.uid.clone(), running);
                    }
                });
            }
            Effect::Stop(..) if self.with(|s| s.stop_refused.is_some()) => {
                self.with(|s| {
                    let words = s.stop_refused.take().unwrap();
                    s.refused_since.insert(key.uid.clone(), words);
                });
                self.hint(Hint::Session(key.uid.clone()));
            }
            Effect::Stop(..) | Effect::Kill(_) => {
                self.with(|s| {
                    if let Some(Seen::Running(c, _)) = s.containers.get(&key.uid).cloned() {
                        let exit = Exit {
                            code: Some(143),
                            finished: Some(start()),
                            ..Exit::default()
                        };
                        s.containers.insert(key.uid.clone(), Seen::Exited(c, exit));
                    }
                });
                self.hint(Hint::Session(key.uid.clone()));
            }
            Effect::Remove(_) => self.with(|s| {
                s.containers.remove(&key.uid);
            }),
        }
        Ok(Outcome::Done)
    }
}

/// When the world of these tests begins.
pub fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

impl Runtime for FakeRuntime {
    fn engine(&self) -> BoxFuture<'_, Option<Engine>> {
        let engine = Engine {
            id: EngineId(self.engine.to_owned()),
            name: None,
        };
        let away = self.with(|s| s.away);
        std::future::ready((!away).then_some(engine)).boxed()
    }

    fn look<'a>(&'a self, look: Look<'a>) -> BoxFuture<'a, Seen> {
        let panics = self.with(|s| s.panics.as_deref() == Some(&look.key.name));
        assert!(!panics, "the look that panics");
        let seen = self.with(|s| {
            if s.away {
                return Seen::Unknown(Doubt::EngineUnreachable("away".to_owned()));
            }
            if let Some(recorded) = look.engine
                && recorded.0 != self.engine
            {
                return Seen::Unknown(Doubt::EngineMismatch {
                    recorded: recorded.0.clone(),
                    found: self.engine.to_owned(),
                });
            }
            match s.containers.get(&look.key.uid) {
                Some(Seen::Running(c, _)) if look.probe && !s.ready => {
                    Seen::Running(c.clone(), Answer::NotReady("silence".to_owned()))
                }
                Some(seen) => seen.clone(),
                None => Seen::Absent,
            }
        });
        std::future::ready(seen).boxed()
    }

    fn image<'a>(&'a self, _image: &'a str) -> BoxFuture<'a, Image> {
        std::future::ready(Image::Present).boxed()
    }

    fn choose_ports(&self, _: &SessionKey, ports: &[PortTerms]) -> Result<ChosenPorts, NoPort> {
        let numbers = ports
            .iter()
            .zip(7000..)
            .map(|(port, n)| (port.name.clone(), n));
        Ok(ChosenPorts(numbers.collect()))
    }

    fn refused_since(&self, uid: &str) -> Option<String> {
        self.with(|s| s.refused_since.remove(uid))
    }

    fn free_ports(&self, key: &SessionKey) {
        self.with(|s| s.freed.insert(key.name.clone()));
    }

    fn shun_ports(&self, _: &SessionKey, _: &[u16]) {}

    fn storage<'a>(
        &'a self,
        _: &'a SessionKey,
        _: &'a [String],
    ) -> BoxFuture<'a, Result<StorageSeen, String>> {
        let listed = match self.with(|s| s.hides_storage) {
            false => Ok(StorageSeen::default()),
            true => Err("the volumes are not listed".to_owned()),
        };
        std::future::ready(listed).boxed()
    }

    fn act<'a>(
        &'a self,
        key: &'a SessionKey,
        engine: &'a EngineId,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Outcome, EffectError>> {
        assert_eq!(engine.0, self.engine, "an effect on another engine");
        std::future::ready(self.carry_out(key, effect)).boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Owned>, EffectError>> {
        std::future::ready(Ok(self.with(|s| s.orphans.clone()))).boxed()
    }

    fn hints(self: Arc<Self>) -> BoxStream<'static, Hint> {
        let (send, receive) = mpsc::unbounded_channel();
        self.with(|s| s.hints = Some(send));
        let next = |mut receive: mpsc::UnboundedReceiver<Hint>| async move {
            receive.recv().await.map(|hint| (hint, receive))
        };
        futures::stream::unfold(receive, next).boxed()
    }

    fn forget(&self, _: &str) {}
}

/// The kind that these tests serve.
pub const KIND: RuntimeKind = RuntimeKind::Docker;
