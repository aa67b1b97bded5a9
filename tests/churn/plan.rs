//! What is to happen in one round, all of it drawn from one seed before it begins.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

/// How big a round is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub length: Duration,
    /// Users, each with one session at a time under one name.
    pub users: usize,
    /// Between two deeds of a user, at most this much.
    pub pause: Duration,
    /// Between two troubles of one kind, at most this much.
    pub calm: Duration,
}

/// Something at this time after the round began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed<T> {
    pub at: Duration,
    pub what: T,
}

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    Create,
    Stop,
    Resume,
    Delete,
    /// A deadline far away: changes nothing that anybody sees.
    EditDeadline,
    /// A deadline that the Game does not allow, and the mending of it.
    EditBadly,
    Mend,
    /// The game is told to crash; it comes back with its storage.
    Crash,
    /// The game is told to end well: the session is finished.
    End,
    /// Asks the game for its world.
    Visit,
}

/// Which of the two controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    Leader,
    Standby,
    Both,
}

/// What befalls the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// SIGKILL, and started again after the pause.
    KillController(Whom, Duration),
    /// SIGTERM, and started again.
    EndController(Whom, Duration),
    /// SIGSTOP for so long: past its Lease.
    FreezeController(Whom, Duration),
    KillEngine(Duration),
    RestartEngine(Duration),
    FreezeEngine(Duration),
    KillApiServer(Duration),
    RestartApiServer(Duration),
    FreezeApiServer(Duration),
    /// The Game of all sessions is edited: what runs is not touched.
    EditGame,
}

impl Trouble {
    pub fn word(self) -> &'static str {
        match self {
            Trouble::KillController(..) => "controller SIGKILL",
            Trouble::EndController(..) => "controller SIGTERM",
            Trouble::FreezeController(..) => "controller SIGSTOP past its Lease",
            Trouble::KillEngine(_) => "engine SIGKILL",
            Trouble::RestartEngine(_) => "engine restart",
            Trouble::FreezeEngine(_) => "engine SIGSTOP",
            Trouble::KillApiServer(_) => "API server SIGKILL",
            Trouble::RestartApiServer(_) => "API server restart",
            Trouble::FreezeApiServer(_) => "API server SIGSTOP",
            Trouble::EditGame => "Game edited",
        }
    }
}

/// One round. Each user, and each kind of part, has a lane of its own: what stands in a lane is done in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub users: Vec<Vec<Timed<Deed>>>,
    pub controllers: Vec<Timed<Trouble>>,
    pub engine: Vec<Timed<Trouble>>,
    pub api_server: Vec<Timed<Trouble>>,
}

impl Plan {
    pub fn of(seed: u64, size: Size) -> Plan {
        let mut rng = Rng::with_seed(seed);
        let users = (0..size.users).map(|_| user(&mut rng.fork(), size));
        let users = users.collect();
        let mut lane = |draw: fn(&mut Rng) -> Trouble, share: u32| {
            let (mut rng, mut at) = (rng.fork(), Duration::ZERO);
            let mut lane = Vec::new();
            loop {
                at += between(&mut rng, size.calm * share / 2, size.calm * share);
                if at >= size.length {
                    return lane;
                }
                let what = draw(&mut rng);
                lane.push(Timed { at, what });
            }
        };
        Plan {
            seed,
            users,
            controllers: lane(controller, 1),
            engine: lane(engine, 3),
            api_server: lane(api_server, 2),
        }
    }

    /// How often each deed and each trouble is planned.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let mut add = |word: String| *counts.entry(word).or_default() += 1;
        for deed in self.users.iter().flatten() {
            add(format!("{:?}", deed.what));
        }
        for lane in [&self.controllers, &self.engine, &self.api_server] {
            for trouble in lane {
                add(trouble.what.word().to_owned());
            }
        }
        counts
    }
}

fn between(rng: &mut Rng, least: Duration, most: Duration) -> Duration {
    let milliseconds = |d: Duration| u64::try_from(d.as_millis()).expect("it is short");
    Duration::from_millis(rng.u64(milliseconds(least)..=milliseconds(most)))
}

/// One user's deeds, each possible after those before it.
fn user(rng: &mut Rng, size: Size) -> Vec<Timed<Deed>> {
    let mut at = between(rng, Duration::ZERO, size.pause / 2);
    let mut deeds = Vec::new();
    let mut stands = Stands::default();
    while at < size.length {
        let what = stands.draw(rng);
        deeds.push(Timed { at, what });
        at += between(rng, Duration::from_millis(50), size.pause);
    }
    deeds
}

/// What a user's session is, as far as its deeds say.
#[derive(Default)]
struct Stands {
    there: bool,
    stopped: bool,
    bad: bool,
    ended: bool,
    crashes: usize,
}

/// A second crash waits twice as long as the first to come back, a third four times.
const MOST_CRASHES: usize = 2;

impl Stands {
    fn draw(&mut self, rng: &mut Rng) -> Deed {
        if !self.there {
            *self = Stands {
                there: true,
                ..Stands::default()
            };
            return Deed::Create;
        }
        if self.ended {
            *self = Stands::default();
            return Deed::Delete;
        }
        if self.bad {
            self.bad = false;
            return Deed::Mend;
        }
        match rng.u32(0..100) {
            0..25 if self.stopped => {
                self.stopped = false;
                self.crashes = 0;
                Deed::Resume
            }
            0..25 => {
                self.stopped = true;
                Deed::Stop
            }
            25..45 => {
                *self = Stands::default();
                Deed::Delete
            }
            45..55 if !self.stopped && self.crashes < MOST_CRASHES => {
                self.crashes += 1;
                Deed::Crash
            }
            55..60 if !self.stopped => {
                self.ended = true;
                Deed::End
            }
            60..70 => {
                self.bad = true;
                Deed::EditBadly
            }
            70..80 => Deed::EditDeadline,
            _ => Deed::Visit,
        }
    }
}

fn controller(rng: &mut Rng) -> Trouble {
    let whom = match rng.u32(0..10) {
        0..6 => Whom::Leader,
        6..8 => Whom::Standby,
        _ => Whom::Both,
    };
    let pause = between(rng, Duration::ZERO, Duration::from_secs(2));
    match rng.u32(0..10) {
        0..4 => Trouble::KillController(whom, pause),
        4..6 => Trouble::EndController(whom, pause),
        _ => {
            let past = between(rng, Duration::from_secs(3), Duration::from_secs(7));
            Trouble::FreezeController(whom, past)
        }
    }
}

fn engine(rng: &mut Rng) -> Trouble {
    let pause = between(rng, Duration::ZERO, Duration::from_secs(4));
    match rng.u32(0..10) {
        0..4 => Trouble::KillEngine(pause),
        4..7 => Trouble::RestartEngine(pause),
        _ => {
            let hang = between(rng, Duration::from_secs(2), Duration::from_secs(12));
            Trouble::FreezeEngine(hang)
        }
    }
}

fn api_server(rng: &mut Rng) -> Trouble {
    let pause = between(rng, Duration::ZERO, Duration::from_secs(4));
    match rng.u32(0..10) {
        0..3 => Trouble::KillApiServer(pause),
        3..5 => Trouble::RestartApiServer(pause),
        5..8 => {
            let hang = between(rng, Duration::from_secs(1), Duration::from_secs(12));
            Trouble::FreezeApiServer(hang)
        }
        _ => Trouble::EditGame,
    }
}

#[test]
fn a_seed_draws_one_plan_and_another_seed_another() {
    let size = Size {
        length: Duration::from_secs(180),
        users: 8,
        pause: Duration::from_secs(8),
        calm: Duration::from_secs(10),
    };
    assert_eq!(Plan::of(7, size), Plan::of(7, size));
    assert_ne!(Plan::of(7, size).users, Plan::of(8, size).users);
    // Whatever the seed, a round has some of each: three of them are enough to meet all.
    let mut met = BTreeMap::new();
    for seed in 0..3 {
        for (word, times) in Plan::of(seed, size).counts() {
            *met.entry(word).or_insert(0) += times;
        }
    }
    assert_eq!(met.len(), 10 + 10, "{met:?}");
}
