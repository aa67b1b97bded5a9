//! I1, I5, I8: containers, from the outside.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::story::{Story, at, is_session, number, uid};
use crate::apiserver::{ChangeKind, RESTORE};
use crate::history::{Entry, Life, What};

/// What was ever known of one session.
#[derive(Default)]
struct Known {
    /// The newest attempt on record, now.
    attempt: Option<i64>,
    /// Attempts whose end was ever on record, or whose stop, or that a later one followed.
    over: BTreeSet<i64>,
    /// All of them are: it was deleted, or had finished.
    all_over: bool,
    gone: bool,
}

impl Known {
    fn learn(&mut self, session: &Value, kind: ChangeKind) {
        let status = &session["status"];
        self.gone = kind == ChangeKind::Deleted;
        self.attempt = number(status, "/attempt");
        for path in ["/lastExit/attempt", "/stop/attempt"] {
            self.over.extend(number(status, path));
        }
        if let Some(attempt) = self.attempt {
            self.over.extend(0..attempt);
        }
        let deleted = session["metadata"]["deletionTimestamp"].is_string();
        self.all_over |= deleted || self.gone || status["finishTime"].is_string();
    }

    fn is_over(&self, attempt: i32) -> bool {
        self.all_over || self.over.contains(&i64::from(attempt))
    }
}

/// I1: at no instant two of one session live. How many starts came when their attempt was over; each of these must
/// have ended again.
pub fn one_at_a_time(story: &Story<'_>, forced: bool, wrong: &mut Vec<String>) -> usize {
    let mut known: BTreeMap<&str, Known> = BTreeMap::new();
    let mut live: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut late: BTreeSet<&str> = BTreeSet::new();
    for entry in story.entries {
        match &entry.what {
            What::Stored {
                key, kind, object, ..
            } if is_session(key) => {
                if entry.who == RESTORE {
                    // An end that was forgotten is none, and its attempt rightly runs again.
                    known.remove(uid(object));
                }
                known.entry(uid(object)).or_default().learn(object, *kind);
            }
            What::Container {
                id,
                uid,
                attempt,
                state,
            } => {
                if uid.is_empty() {
                    // A stranger may have as many as he likes.
                    continue;
                }
                let of = live.entry(uid).or_default();
                if !state.is_live() {
                    of.remove(id.as_str());
                    continue;
                }
                let starts = of.insert(id);
                if of.len() > 1 && !forced {
                    wrong.push(format!("I1 two live at {:.3}: {of:?}", at(entry)));
                }
                let over = |known: &Known| known.is_over(*attempt);
                if starts
                    && *state == Life::Running
                    && entry.who.starts_with("controller")
                    && known.get(uid.as_str()).is_some_and(over)
                {
                    late.insert(id);
                }
            }
            What::Stored { .. }
            | What::Volume { .. }
            | What::Engine(_)
            | What::Died(_)
            | What::Note(_) => {}
        }
    }
    for id in &late {
        if story.containers.get(id).is_some_and(|c| c.2.is_live()) {
            wrong.push(format!("I1 a late start of {id} was never ended"));
        }
    }
    late.len()
}

/// I8: a controller ends a game only where a reason is on record, or was.
pub fn reasons(story: &Story<'_>, wrong: &mut Vec<String>) {
    let mut known: BTreeMap<&str, Known> = BTreeMap::new();
    for entry in story.entries {
        match &entry.what {
            What::Stored {
                key, kind, object, ..
            } if is_session(key) => {
                known.entry(uid(object)).or_default().learn(object, *kind);
            }
            What::Container {
                id,
                uid,
                attempt,
                state: state @ (Life::Signalled | Life::Exited(_)),
            } if entry.who.starts_with("controller") => {
                let over = |known: &Known| known.is_over(*attempt);
                if !known.get(uid.as_str()).is_none_or(over) {
                    wrong.push(format!(
                        "I8 {} ended {id} ({state:?}) at {:.3} and nothing on record says why",
                        entry.who,
                        at(entry)
                    ));
                }
            }
            What::Stored { .. }
            | What::Container { .. }
            | What::Volume { .. }
            | What::Engine(_)
            | What::Died(_)
            | What::Note(_) => {}
        }
    }
}

/// How one container lived: its attempt, and its states in order.
type Lived = (i32, Vec<Life>);

/// How each container of each session lived, by its name.
pub type Lives<'a> = BTreeMap<&'a str, Vec<Lived>>;

/// How each container of each session lived, in the order in which they were made, but for these. What two of them did
/// at one time has no order that would count; that two never live together is I1. A signal sent twice is one signal.
pub fn of<'a>(story: &Story<'a>, but: &BTreeSet<&str>) -> Lives<'a> {
    let mut lives: BTreeMap<&str, Vec<(&str, Lived)>> = BTreeMap::new();
    for entry in story.entries {
        let What::Container {
            id,
            uid,
            attempt,
            state,
        } = &entry.what
        else {
            continue;
        };
        if but.contains(id.as_str()) {
            continue;
        }
        let of = lives.entry(story.name(uid)).or_default();
        let at = of.iter().position(|(other, _)| other == id);
        let at = at.unwrap_or_else(|| {
            of.push((id.as_str(), (*attempt, Vec::new())));
            of.len() - 1
        });
        let life = &mut of[at].1.1;
        // What a cluster deletes after its end hears no signal.
        let heard = !matches!(life.last(), Some(Life::Signalled | Life::Exited(_)));
        if *state != Life::Signalled || heard {
            life.push(*state);
        }
    }
    let all = lives.into_iter();
    all.map(|(name, of)| (name, of.into_iter().map(|(_, lived)| lived).collect()))
        .collect()
}

/// I5; these containers are one more each, and rightly.
pub fn as_undisturbed(
    story: &Story<'_>,
    theirs: &Lives<'_>,
    more: &BTreeSet<&str>,
    wrong: &mut Vec<String>,
) {
    let ours = of(story, more);
    if ours != *theirs {
        wrong.push(format!(
            "I5 containers lived {ours:?}, undisturbed {theirs:?}"
        ));
    }
    for id in more {
        let lived = |entry: &Entry| match &entry.what {
            What::Container { id: of, state, .. } => of == id && state.is_live(),
            _ => false,
        };
        if story.entries.iter().any(lived) {
            wrong.push(format!("I5 {id} was one too many, and started"));
        }
    }
}
