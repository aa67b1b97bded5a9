//! What was asked for, and what was done to the parts, with the times: all that may excuse the end of a game.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970, as the engine counts them.
pub type Nanos = u64;

#[expect(
    clippy::disallowed_methods,
    reason = "compared with the times that the engine writes"
)]
pub fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.expect("it is later than 1970").as_nanos();
    Nanos::try_from(nanos).expect("it is earlier than 2500")
}

pub const SECOND: Nanos = 1_000_000_000;

/// What a session is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wished {
    Running,
    Stopped,
    Gone,
}

/// One session, from its creation on.
#[derive(Clone, Debug, Default)]
pub struct Life {
    pub name: String,
    /// Since when it is to be what; in order.
    pub wishes: Vec<(Nanos, Wished)>,
    /// How often its game was told to crash.
    pub crashes: usize,
    /// Its game was told to end well.
    pub ended: bool,
    /// The id of the world that its game once showed.
    pub world: Option<String>,
}

impl Life {
    pub fn wished(&self) -> Wished {
        self.wishes
            .last()
            .map_or(Wished::Gone, |(_, wished)| *wished)
    }

    /// At some time between these two it was not to run.
    pub fn was_unwanted(&self, from: Nanos, to: Nanos) -> bool {
        let ends = self.wishes.iter().skip(1).map(|(at, _)| *at);
        let ends = ends.chain([Nanos::MAX]);
        let mut spans = self.wishes.iter().zip(ends);
        spans.any(|((begin, wished), end)| *wished != Wished::Running && *begin <= to && from < end)
    }

    pub fn deletion(&self) -> Option<Nanos> {
        let mut wishes = self.wishes.iter();
        let gone = wishes.find(|(_, wished)| *wished == Wished::Gone)?;
        Some(gone.0)
    }
}

#[derive(Default)]
struct Pages {
    lives: BTreeMap<String, Life>,
    /// When the engine went down, and when it was up again.
    outages: Vec<(Nanos, Option<Nanos>)>,
    done: BTreeMap<String, usize>,
    violations: Vec<String>,
}

/// A copy is the same ledger.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Pages>>);

impl Ledger {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn born(&self, uid: &str, name: &str, at: Nanos) {
        let life = Life {
            name: name.to_owned(),
            wishes: vec![(at, Wished::Running)],
            ..Life::default()
        };
        self.pages().lives.insert(uid.to_owned(), life);
    }

    pub fn change(&self, uid: &str, change: impl FnOnce(&mut Life)) {
        if let Some(life) = self.pages().lives.get_mut(uid) {
            change(life);
        }
    }

    /// From now on it is to be this.
    pub fn wish(&self, uid: &str, wished: Wished) {
        let at = now();
        self.change(uid, |life| life.wishes.push((at, wished)));
    }

    pub fn lives(&self) -> BTreeMap<String, Life> {
        self.pages().lives.clone()
    }

    pub fn engine_goes_down(&self) {
        self.pages().outages.push((now(), None));
    }

    pub fn engine_is_up(&self) {
        if let Some((_, end)) = self.pages().outages.last_mut() {
            *end = Some(now());
        }
    }

    /// The engine went down or came up within a second of it.
    pub fn engine_was_down(&self, at: Nanos) -> bool {
        let pages = self.pages();
        let mut outages = pages.outages.iter();
        outages
            .any(|(begin, end)| at + SECOND >= *begin && end.is_none_or(|end| at <= end + SECOND))
    }

    /// One more of this was done.
    pub fn did(&self, what: &str) {
        *self.pages().done.entry(what.to_owned()).or_default() += 1;
    }

    pub fn done(&self) -> BTreeMap<String, usize> {
        self.pages().done.clone()
    }

    pub fn violation(&self, what: String) {
        println!("VIOLATION: {what}");
        self.pages().violations.push(what);
    }

    pub fn violations(&self) -> Vec<String> {
        self.pages().violations.clone()
    }
}

#[test]
fn a_stop_excuses_an_end_from_its_asking_to_the_resume() {
    let life = Life {
        wishes: vec![
            (10, Wished::Running),
            (20, Wished::Stopped),
            (30, Wished::Running),
        ],
        ..Life::default()
    };
    assert!(!life.was_unwanted(11, 19));
    assert!(life.was_unwanted(11, 20));
    assert!(life.was_unwanted(29, 40));
    assert!(!life.was_unwanted(30, 40));
    assert_eq!(life.wished(), Wished::Running);
}
