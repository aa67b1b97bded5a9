//! What is right, seen from outside: by the engine's own words, by a watch of the sessions, and by what stands in the end.
//!
//! I1 at most one live container a session at every instant · I2 nothing is left without a live owner · I3, I4 every
//! session is at its wish in the end, and its status says what the engine shows · I8 no game is ended or started anew by
//! a fault of the controller · I9 what was recorded stays · I10 storage never goes before its session.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{Ledger, Life, SECOND};
use crate::sights::Sight;
use crate::users::CRASH;
use crate::witness::Told;

/// A controller that was frozen, or cut off from the API server, may do so long what was wished before.
const LATE: u64 = 30 * SECOND;

/// Why games ended, for the table.
pub type Ends = BTreeMap<&'static str, usize>;

/// What the engine told, against what was asked for.
pub fn engine(told: &[Told], volumes: &BTreeMap<String, String>, ledger: &Ledger) -> Ends {
    let lives = ledger.lives();
    let mut story = Story {
        lives: &lives,
        ledger,
        volumes,
        running: BTreeMap::new(),
        created: BTreeMap::new(),
        started: BTreeSet::new(),
        attempts: BTreeMap::new(),
        stored: BTreeSet::new(),
        ends: Ends::new(),
    };
    for told in told {
        story.hear(told);
    }
    story.ends
}

struct Story<'a> {
    lives: &'a BTreeMap<String, Life>,
    ledger: &'a Ledger,
    /// Names of volumes, and whose they are.
    volumes: &'a BTreeMap<String, String>,
    running: BTreeMap<String, BTreeSet<String>>,
    created: BTreeMap<String, u64>,
    started: BTreeSet<String>,
    attempts: BTreeMap<(String, String), String>,
    stored: BTreeSet<String>,
    ends: Ends,
}

impl Story<'_> {
    fn hear(&mut self, told: &Told) {
        match told {
            Told::Listed { running, volumes } => {
                self.running.clear();
                for (uid, id) in running {
                    self.runs(uid, id);
                }
                let there: BTreeSet<_> = volumes.iter().cloned().collect();
                let missed: Vec<_> = self.stored.difference(&there).cloned().collect();
                for name in missed {
                    self.unstored(&name, u64::MAX);
                }
                self.stored = there;
            }
            Told::Volume { at, action, name } => match action.as_str() {
                "create" => {
                    self.stored.insert(name.clone());
                }
                _ => self.unstored(name, *at),
            },
            Told::Container {
                at,
                action,
                id,
                uid,
                attempt,
                exit_code,
            } => match action.as_str() {
                "create" => {
                    self.created.insert(id.clone(), *at);
                }
                "start" => {
                    if !self.started.insert(id.clone()) {
                        self.wrong(uid, &format!("I8 container {id} was started twice"));
                    }
                    let key = (uid.clone(), attempt.clone());
                    if let Some(before) = self.attempts.insert(key, id.clone())
                        && before != *id
                    {
                        let both = format!("I8 attempt {attempt} ran as {before} and as {id}");
                        self.wrong(uid, &both);
                    }
                    self.runs(uid, id);
                }
                "die" => {
                    self.runs_no_more(uid, id);
                    self.ended(uid, id, *at, exit_code);
                }
                "destroy" => self.runs_no_more(uid, id),
                _ => {}
            },
        }
    }

    fn runs(&mut self, uid: &str, id: &str) {
        let running = self.running.entry(uid.to_owned()).or_default();
        running.insert(id.to_owned());
        if running.len() > 1 {
            let all = format!("I1 two live containers at once: {running:?}");
            self.wrong(uid, &all);
        }
    }

    fn runs_no_more(&mut self, uid: &str, id: &str) {
        if let Some(running) = self.running.get_mut(uid) {
            running.remove(id);
        }
    }

    /// A game ends because it was told to, because nobody wants it, or because its engine went down.
    fn ended(&mut self, uid: &str, id: &str, at: u64, exit_code: &str) {
        let since = self.created.get(id).copied().unwrap_or(at);
        let life = self.lives.get(uid);
        let why = match life {
            _ if exit_code == CRASH => "it was told to crash",
            None => "made at the last moment",
            Some(life) if life.was_unwanted(since.saturating_sub(LATE), at) => "stop or deletion",
            Some(_) if self.ledger.engine_was_down(at) => "its engine went down",
            Some(life) if life.ended && exit_code == "0" => "it was told to end",
            Some(_) => {
                let what = format!("I8 container {id} ended with {exit_code}, and nobody asked");
                return self.wrong(uid, &what);
            }
        };
        *self.ends.entry(why).or_default() += 1;
    }

    fn unstored(&mut self, name: &str, at: u64) {
        self.stored.remove(name);
        if let Some(uid) = self.volumes.get(name)
            && let Some(life) = self.lives.get(uid)
            && life.deletion().is_none_or(|asked| asked > at)
        {
            let what = format!("I10 storage {name} went before its session");
            self.wrong(uid, &what);
        }
    }

    fn wrong(&self, uid: &str, what: &str) {
        let name = self.lives.get(uid).map_or("?", |life| &life.name);
        self.ledger.violation(format!("{name} ({uid}): {what}"));
    }
}

/// What the API server showed, against what was asked for.
pub fn sessions(by_uid: &BTreeMap<String, Vec<Sight>>, told: &[Told], ledger: &Ledger) {
    let lives = ledger.lives();
    let started: BTreeSet<&String> = told
        .iter()
        .flat_map(|told| match told {
            Told::Container { action, id, .. } if action == "start" => vec![id],
            Told::Listed { running, .. } => running.iter().map(|(_, id)| id).collect(),
            Told::Container { .. } | Told::Volume { .. } => Vec::new(),
        })
        .collect();
    for (uid, sights) in by_uid {
        let life = lives.get(uid);
        let wrong = |what: String| {
            let name = sights.first().map_or("?", |sight| &sight.name);
            ledger.violation(format!("{name} ({uid}): {what}"));
        };
        for pair in sights.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            if after.attempt < before.attempt {
                wrong(format!(
                    "I9 attempt fell from {:?} to {:?}",
                    before.attempt, after.attempt
                ));
            }
            if before.finish_time.is_some() && after.finish_time != before.finish_time {
                wrong(format!(
                    "I9 finished at {:?}, then at {:?}",
                    before.finish_time, after.finish_time
                ));
            }
        }
        for sight in sights {
            if sight.ready
                && !sight
                    .container
                    .as_ref()
                    .is_some_and(|id| started.contains(id))
            {
                wrong(format!("I3 Ready, and {:?} never ran", sight.container));
            }
        }
        if let Some(reason) = sights.iter().find_map(|sight| sight.finished.clone())
            && !life.is_none_or(|life| life.ended)
        {
            wrong(format!("I8 finished as {reason}, and nobody asked for it"));
        }
    }
}
