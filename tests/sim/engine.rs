//! A simulated engine just above the wire: names are unique, labels stand, 304, 400, 404, 409 and 500 mean what they
//! mean on Docker, games end by themselves, hints may be missed, and the daemon itself comes and goes.
//!
//! One [`Engine`] is the daemon; each controller process reaches it through its own [`Door`]. Held against a real
//! engine by `tests/conformance`.

mod acting;
mod door;
mod hands;
mod life;
mod looking;
mod memory;
mod odd;
mod sight;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dillinger_runner::session::container::{ContainerSpec, Transport};
use dillinger_runner::session::facts::{self, EngineId};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{broadcast, watch};

use crate::clock::SimClock;
use crate::history::{History, Life, Told, What};
use crate::process::Process;
use crate::striking::Striking;

pub use door::Door;
#[allow(unused_imports)]
pub use odd::Call;

use odd::Odd;

/// A request travels this long, and so does its answer.
const TRAVEL: Duration = Duration::from_millis(1);
/// A look that gets no answer ends in doubt after this.
const LOOK: Duration = Duration::from_secs(5);
/// So long a kill, a removal or a volume waits for its answer, a create or a start, and a stop for its refusal.
const WRITE: Duration = Duration::from_secs(30);
const START: Duration = Duration::from_secs(60);
const REFUSAL: Duration = Duration::from_millis(20);
/// A stop that nobody waits for any more is refused after this.
const LATE: Duration = Duration::from_secs(2);
/// A pull takes this long unless told otherwise.
const PULL: Duration = Duration::from_secs(20);
/// The daemon keeps so many events for who listens too slowly.
const EVENTS: usize = 256;
/// A daemon that hangs is called away after a quiet spell and a ping that nobody answers.
const CALLED_AWAY: Duration = Duration::from_secs(20);

/// What one run of a game does.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// After its start; None: never.
    pub ready_after: Option<Duration>,
    /// After its start, and with which code; None: it runs until it is told to stop.
    pub ends: Option<(Duration, i32)>,
    /// It ends because it took too much memory.
    pub out_of_memory: bool,
    /// From the signal to its end, and the code then.
    pub on_term: (Duration, i32),
    /// It cannot be started, in the engine's words.
    pub refused: Option<&'static str>,
}

impl Play {
    pub fn well() -> Play {
        Play {
            ready_after: Some(Duration::from_millis(300)),
            ends: None,
            out_of_memory: false,
            on_term: (Duration::from_secs(1), 0),
            refused: None,
        }
    }

    /// Ready so many seconds after its start.
    pub fn ready_after(seconds: u64) -> Play {
        Play {
            ready_after: Some(Duration::from_secs(seconds)),
            ..Play::well()
        }
    }

    pub fn never_ready() -> Play {
        Play {
            ready_after: None,
            ..Play::well()
        }
    }

    /// Ends by itself so many seconds after its start.
    pub fn ends(seconds: u64, code: i32) -> Play {
        Play {
            ends: Some((Duration::from_secs(seconds), code)),
            ..Play::well()
        }
    }

    /// Takes more time to end than anybody gives it.
    pub fn stubborn(self) -> Play {
        Play {
            on_term: (Duration::from_secs(6000), 0),
            ..self
        }
    }
}

/// What games do.
enum Plays {
    /// The n-th start of a container plays the n-th, then the last; an attempt that another container had plays as that did.
    InOrder(Vec<Play>),
    Of(fn(&ContainerSpec) -> Play),
}

/// Whether the daemon answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    Up,
    Down,
    Frozen,
}

/// What the daemon tells who listens.
#[derive(Clone, Debug)]
enum Event {
    Container {
        /// Empty for a stranger's.
        uid: String,
        id: String,
        does: Does,
    },
    Away,
    Back,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Does {
    Create,
    Start,
    Die,
    Pause,
    Unpause,
    Rename,
    Destroy,
}

/// An answer of the daemon that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub words: String,
}

impl Refusal {
    fn new(status: u16, words: String) -> Refusal {
        Refusal { status, words }
    }
}

/// The daemon.
pub struct Engine {
    state: Mutex<State>,
    clock: SimClock,
    history: History,
    events: broadcast::Sender<Event>,
    power: watch::Sender<Power>,
}

struct State {
    id: String,
    /// Ids that this engine, and those in its place, have had.
    ids: u128,
    live_restore: bool,
    /// It hangs for so long that who listens gave it up.
    called_away: bool,
    /// When the daemon itself last started.
    started: Timestamp,
    containers: BTreeMap<String, Kept>,
    volumes: BTreeMap<String, BTreeMap<String, String>>,
    images: BTreeSet<String>,
    /// What a pull can get; None: everything.
    registry: Option<BTreeSet<String>>,
    pull_takes: Duration,
    /// Ports that programs of the host hold.
    held: BTreeSet<(u16, Transport)>,
    cpus: i64,
    /// Host ports that controllers may choose.
    port_range: RangeInclusive<u16>,
    plays: Plays,
    starts: usize,
    lives_begun: usize,
    /// Which of the plays each attempt had last, and in which container, by session uid and attempt.
    lives: BTreeMap<(String, i32), (String, usize)>,
    made: u64,
    /// The last start of a container with ports, by session uid.
    took_ports: BTreeMap<String, usize>,
    /// What the daemon answers instead of what it should.
    odd: Vec<Odd>,
    /// The last container that was asked for, by session uid.
    asked_for: BTreeMap<String, ContainerSpec>,
    /// How often the daemon has gone: what it waited for went with it.
    deaths: usize,
    /// How often somebody took it away or brought it back.
    turns: usize,
}

struct Kept {
    spec: ContainerSpec,
    name: String,
    uid: String,
    created: Timestamp,
    started: Option<Timestamp>,
    /// Of the last run, since the world began: no clock that somebody sets makes a game ready.
    ready_at: Option<SignedDuration>,
    /// It was ready in some run.
    was_ready: bool,
    on_term: (Duration, i32),
    state: Inside,
}

#[derive(Clone, Debug)]
enum Inside {
    Created {
        /// Why its start failed.
        error: String,
        clash: Vec<u16>,
    },
    Live {
        /// Which start of the engine this is.
        run: usize,
        paused: bool,
    },
    Exited {
        finished: Timestamp,
        code: i32,
        out_of_memory: bool,
        error: String,
    },
    /// Being removed.
    Going,
}

impl Kept {
    fn is_live(&self) -> bool {
        match self.state {
            Inside::Live { .. } => true,
            Inside::Created { .. } | Inside::Exited { .. } | Inside::Going => false,
        }
    }
}

impl Engine {
    pub fn new(clock: SimClock, history: History, plays: Vec<Play>) -> Arc<Engine> {
        Engine::with(clock, history, Plays::InOrder(plays))
    }

    /// Each game plays as its container says.
    pub fn of(clock: SimClock, history: History, play: fn(&ContainerSpec) -> Play) -> Arc<Engine> {
        Engine::with(clock, history, Plays::Of(play))
    }

    fn with(clock: SimClock, history: History, plays: Plays) -> Arc<Engine> {
        Arc::new(Engine {
            state: Mutex::new(State {
                id: format!("{:032x}", 0xe_u128 << 124),
                ids: 1,
                live_restore: false,
                called_away: false,
                started: clock.now(),
                containers: BTreeMap::new(),
                volumes: BTreeMap::new(),
                images: BTreeSet::from(["example:1".to_owned()]),
                registry: None,
                pull_takes: PULL,
                held: BTreeSet::new(),
                cpus: 8,
                port_range: 7000..=8000,
                plays,
                starts: 0,
                lives_begun: 0,
                lives: BTreeMap::new(),
                made: 0,
                took_ports: BTreeMap::new(),
                odd: Vec::new(),
                asked_for: BTreeMap::new(),
                deaths: 0,
                turns: 0,
            }),
            clock,
            history,
            events: broadcast::Sender::new(EVENTS),
            power: watch::Sender::new(Power::Up),
        })
    }

    /// How a process reaches it.
    pub fn door(self: &Arc<Self>, process: Process, striking: Striking) -> Arc<Door> {
        Door::new(self.clone(), process, striking)
    }

    /// Containers that exist, by id, with their session's uid and whether they live.
    pub fn containers(&self) -> Vec<(String, String, bool)> {
        let state = self.lock();
        let show = |(id, c): (&String, &Kept)| (id.clone(), c.uid.clone(), c.is_live());
        state.containers.iter().map(show).collect()
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
    }

    /// For whoever judges.
    fn could_tell(&self, who: &str, told: Told) {
        self.history
            .add(self.clock.elapsed(), who, What::Engine(told));
    }

    fn tell(&self, id: &str, c: &Kept, does: Does) {
        // Nobody hears a daemon that is not there.
        if *self.power.borrow() == Power::Down {
            return;
        }
        let event = Event::Container {
            uid: c.uid.clone(),
            id: id.to_owned(),
            does,
        };
        // Nobody may listen.
        let _ = self.events.send(event);
    }

    /// Later, in the daemon itself, whatever became of its clients.
    fn later(self: &Arc<Self>, wait: Duration, act: impl FnOnce(&Arc<Engine>) + Send + 'static) {
        let engine = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            act(&engine);
        });
    }

    fn host(&self) -> facts::Engine {
        facts::Engine {
            id: EngineId(self.lock().id.clone()),
            name: Some("simulated".to_owned()),
        }
    }
}
