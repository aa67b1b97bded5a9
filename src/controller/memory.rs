//! What this process remembers of each session, and the clocks of doubt. With all of it lost every plan is
//! still safe; it only makes things faster. Never blocks beyond a short lock.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::backoff::doubled;
use super::tried::Tried;
use crate::session::observation::Memo;
use crate::session::plan::{Effect, Row};
use crate::session::seen::{ContainerId, Doubt, Seen};

/// What is remembered of one session.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    pub memo: Memo,
    /// A pull was started or joined for this attempt (policy Always counts it once the image is there).
    pub pulling: Option<i32>,
    /// The row of the last look and how often in a row it was met.
    row: Option<(Row, u32)>,
    /// When the attempt was recorded by this process.
    pub attempt_at: Option<(i32, Instant)>,
    /// The last container that this process started, or saw to run, before it was ready.
    pub run: Option<Run>,
    /// When the last report went out.
    pub reported: Option<Instant>,
    /// How the last effect failed, in words; None: it went through.
    failed: Option<String>,
    /// The last effect that did not go through, if none went through since.
    tried: Option<Box<Tried>>,
    /// This session was said to be unreadable, in this version of it.
    pub unreadable: Option<String>,
}

/// What this process knows of a container that runs.
#[derive(Clone, Debug)]
pub struct Run {
    id: ContainerId,
    /// When it was started by this process, or first seen to run by it.
    pub since: Instant,
    /// When it was first seen ready, whether or not that could be recorded.
    pub ready: Option<Timestamp>,
}

impl Remembered {
    /// The attempt was recorded by this process, now. What came before it got nobody its container.
    pub fn begins(&mut self, attempt: i32) {
        self.attempt_at = Some((attempt, Instant::now()));
        self.memo.able_since = None;
    }

    /// This container runs, since now unless that is known better, and is ready since then, unless it was before.
    pub fn runs(&mut self, id: &ContainerId, ready: Option<Timestamp>) {
        match &mut self.run {
            Some(run) if run.id == *id => run.ready = run.ready.or(ready),
            Some(_) | None => {
                self.run = Some(Run {
                    id: id.clone(),
                    since: Instant::now(),
                    ready,
                });
            }
        }
    }

    /// What is known of this container's run. An attempt may have had another one before.
    pub fn run_of(&self, id: &str) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.id.0 == id)
    }
}

impl Run {
    /// How long this process has known it to run.
    pub fn lasts(&self) -> SignedDuration {
        SignedDuration::try_from(self.since.elapsed()).unwrap_or(SignedDuration::MAX)
    }
}

/// By uid; and since when the engine has been away, one clock for all its sessions.
#[derive(Debug, Default)]
pub struct Memory {
    /// Boxed: a table keeps up to twice the room that it needs.
    sessions: Mutex<HashMap<String, Box<Remembered>>>,
    away_since: Mutex<Option<Timestamp>>,
}

impl Memory {
    /// A copy of what is remembered.
    pub fn of(&self, uid: &str) -> Remembered {
        self.lock()
            .get(uid)
            .map_or_else(Remembered::default, |known| (**known).clone())
    }

    /// Changes what is remembered.
    pub fn change<T>(&self, uid: &str, change: impl FnOnce(&mut Remembered) -> T) -> T {
        change(self.lock().entry(uid.to_owned()).or_default())
    }

    /// An effect failed, in these words. True: as the one before it did, and so it is to be told.
    pub fn failed(&self, uid: &str, words: &str) -> bool {
        self.change(uid, |known| {
            let again = known.failed.as_deref() == Some(words);
            known.failed = Some(words.to_owned());
            known.memo.trouble = again.then(|| words.to_owned());
            again
        })
    }

    /// This effect was sent, and did not go through.
    pub fn tried(&self, uid: &str, effect: &Effect, seen: &Seen) {
        let tried = Box::new(Tried::new(effect, seen));
        self.change(uid, |known| known.tried = Some(tried));
    }

    /// The last effect did not go through, and this would be the same once more.
    pub fn would_repeat(&self, uid: &str, effect: &Effect, seen: &Seen) -> bool {
        let sessions = self.lock();
        let tried = sessions.get(uid).and_then(|known| known.tried.as_ref());
        tried.is_some_and(|tried| tried.is(effect, seen))
    }

    /// An effect went through.
    pub fn went_through(&self, uid: &str) {
        if let Some(known) = self.lock().get_mut(uid) {
            known.failed = None;
            known.tried = None;
            known.memo.trouble = None;
            known.memo.quota = None;
        }
    }

    /// The session is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// How many sessions this process took for unreadable.
    pub fn unreadable(&self) -> usize {
        let sessions = self.lock();
        sessions
            .values()
            .filter(|known| known.unreadable.is_some())
            .count()
    }

    /// Since when this session has been in doubt, given what was just seen. An engine that is away has one
    /// clock for all its sessions; a doubt about one session alone has its own.
    pub fn doubt(&self, uid: &str, seen: &Seen, now: Timestamp) -> Option<Timestamp> {
        let mut away = self
            .away_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match seen {
            Seen::Unknown(doubt) => {
                let engine = match doubt {
                    Doubt::EngineUnreachable(_) => Some(*away.get_or_insert(now)),
                    Doubt::EngineMismatch { .. } | Doubt::NodeLost(_) => None,
                };
                let own = self.change(uid, |known| *known.memo.doubt_since.get_or_insert(now));
                Some(engine.map_or(own, |engine| engine.min(own)))
            }
            Seen::Foreign(_) | Seen::Absent | Seen::Created(..) => {
                *away = None;
                self.change(uid, |known| {
                    let doubted = known.memo.doubt_since.take();
                    let lasted = doubted.map_or(SignedDuration::ZERO, |since| {
                        now.duration_since(since).max(SignedDuration::ZERO)
                    });
                    known.memo.able_since = known
                        .memo
                        .able_since
                        .and_then(|able| able.checked_add(lasted).ok())
                        .or(Some(now));
                });
                None
            }
            Seen::Running(..) | Seen::Paused(_) | Seen::Going | Seen::Exited(..) => {
                *away = None;
                if let Some(known) = self.lock().get_mut(uid) {
                    known.memo.doubt_since = None;
                    known.memo.able_since = None;
                }
                None
            }
        }
    }

    /// The wait of a row that doubles from `first` to `most` while it is met again.
    pub fn doubling(&self, uid: &str, row: Row, first: Duration, most: Duration) -> Duration {
        self.change(uid, |known| {
            let times = match known.row {
                Some((before, times)) if before == row => times.saturating_add(1),
                Some(_) | None => 0,
            };
            known.row = Some((row, times));
            doubled(first, times, most)
        })
    }

    /// The last look met another row than one that doubles.
    pub fn other_row(&self, uid: &str) {
        if let Some(known) = self.lock().get_mut(uid) {
            known.row = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Box<Remembered>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn away() -> Seen {
        Seen::Unknown(Doubt::EngineUnreachable("no answer".to_owned()))
    }

    #[test]
    fn an_engine_that_is_away_has_one_clock_for_all_its_sessions() {
        let memory = Memory::default();
        assert_eq!(memory.doubt("a", &away(), at(10)), Some(at(10)));
        assert_eq!(memory.doubt("b", &away(), at(20)), Some(at(10)));
        assert_eq!(memory.doubt("a", &Seen::Absent, at(30)), None);
        assert_eq!(memory.doubt("a", &away(), at(40)), Some(at(40)));
    }

    #[test]
    fn one_session_in_doubt_keeps_its_clock_though_the_others_are_certain() {
        let memory = Memory::default();
        memory.doubt("a", &away(), at(10));
        memory.doubt("b", &Seen::Absent, at(15));
        assert_eq!(memory.doubt("a", &away(), at(20)), Some(at(10)));
    }

    #[test]
    fn a_doubt_about_the_engines_identity_is_no_outage_of_it() {
        let memory = Memory::default();
        let mismatch = Seen::Unknown(Doubt::EngineMismatch {
            recorded: "old".to_owned(),
            found: "new".to_owned(),
        });
        assert_eq!(memory.doubt("a", &mismatch, at(10)), Some(at(10)));
        assert_eq!(memory.doubt("b", &away(), at(20)), Some(at(20)));
    }

    #[test]
    fn an_attempt_that_was_made_again_was_ended_for_the_time_of_its_former_container() {
        let mut known = Remembered::default();
        let (first, second) = (ContainerId("a".to_owned()), ContainerId("b".to_owned()));
        known.runs(&first, Some(at(10)));
        known.runs(&first, Some(at(20)));
        assert_eq!(known.run_of("a").and_then(|run| run.ready), Some(at(10)));
        assert!(known.run_of("b").is_none());
        known.runs(&second, None);
        assert!(known.run_of("a").is_none());
        assert!(known.run_of("b").is_some_and(|run| run.ready.is_none()));
    }

    #[test]
    fn one_look_that_failed_began_the_provision_deadline_anew_and_now_costs_what_it_lasted() {
        let memory = Memory::default();
        let able = || memory.of("a").memo.able_since;
        memory.doubt("a", &away(), at(10));
        memory.doubt("a", &Seen::Absent, at(20));
        assert_eq!(able(), Some(at(20)), "nobody knew before");
        memory.doubt("a", &away(), at(3000));
        memory.doubt("a", &away(), at(3001));
        memory.doubt("a", &Seen::Absent, at(3002));
        assert_eq!(able(), Some(at(22)));
        memory.doubt("a", &Seen::Absent, at(3003));
        assert_eq!(able(), Some(at(22)));
    }

    #[test]
    fn what_was_seen_before_an_attempt_does_not_count_for_its_provision_deadline() {
        let memory = Memory::default();
        memory.doubt("a", &Seen::Absent, at(10));
        memory.change("a", |known| known.begins(1));
        memory.doubt("a", &away(), at(5000));
        memory.doubt("a", &Seen::Absent, at(7000));
        assert_eq!(memory.of("a").memo.able_since, Some(at(7000)));
    }

    #[test]
    fn a_wait_doubles_while_its_row_is_met_again_and_begins_anew_after_another() {
        let memory = Memory::default();
        let wait = |row| {
            let most = Duration::from_secs(30);
            memory
                .doubling("a", row, Duration::from_secs(1), most)
                .as_secs()
        };
        let waits: Vec<_> = (0..7).map(|_| wait(Row::U1)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(wait(Row::D4), 1);
        memory.other_row("a");
        assert_eq!(wait(Row::D4), 1);
    }
}
