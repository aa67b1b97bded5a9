//! A simulated engine just above the wire: names are unique, labels stand, 304, 404 and 409 mean what they mean
//! on Docker, games end by themselves, and hints may be missed.
//!
//! One [`Engine`] is the daemon; each controller process reaches it through its own [`Door`].

mod door;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dillinger_runner::api::keys;
use dillinger_runner::runtime::{EffectError, Hint, Outcome};
use dillinger_runner::session::container::ContainerSpec;
use dillinger_runner::session::facts::{self, EngineId};
use dillinger_runner::session::plan::Effect;
use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::clock::SimClock;
use crate::history::{History, Life, What};
use crate::process::Process;
use crate::striking::Striking;

pub use door::Door;

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
