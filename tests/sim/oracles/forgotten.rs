//! What it costs that a controller died with all that it remembered, read from what happened, death by death.
//!
//! Memory only makes things faster (DESIGN §3, rule 12), so its loss may make them slower, in these ways and no other:
//! - a pull is let go of with the one who waited for it, and that an image was pulled for an attempt is on no record:
//!   whoever comes next pulls once more;
//! - which ports strangers hold is learned by trying: each port that was known to be taken is tried once more, by one
//!   container more, which never starts;
//! - nobody knows whether a game was told to end: it is told again, and its grace begins anew;
//! - a doubt is shown once it has lasted for 15 s: those begin anew, and so does the first look, which is waited for;
//! - time in which nobody could have got a session its container is not held against it: the provision deadline begins
//!   anew, which is to be seen where it ends the session.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::story::{Story, at, is_session, number, text, uid};
use crate::apiserver::ChangeKind;
use crate::history::{Life, Told, What};

/// A doubt is shown after 15 s; the first look at an engine that hangs takes 5 s.
const DOUBT: f64 = 20.0;

/// What deaths cost.
#[derive(Debug, Default)]
pub struct Forgotten<'a> {
    /// Virtual seconds.
    pub seconds: f64,
    /// Containers that were made for a port that had been known to be taken.
    pub containers: BTreeSet<&'a str>,
}

impl<'a> Forgotten<'a> {
    /// Of one run, beyond what deaths that its scenario tells of cost the undisturbed one.
    pub fn of(story: &Story<'a>, undisturbed: &Costs) -> Forgotten<'a> {
        let own = Costs::of(story);
        let beyond = |cost: fn(&Costs) -> f64| (cost(&own) - cost(undisturbed)).max(0.0);
        let deaths = beyond(|costs| costs.deaths);
        let pulls = beyond(|costs| costs.pulls).min(deaths * longest_pull(story));
        let others = beyond(|costs| costs.graces)
            + beyond(|costs| costs.doubts)
            + beyond(|costs| costs.provisions);
        Forgotten {
            seconds: pulls + others,
            containers: ports_tried_again(story),
        }
    }
}

/// What there was in a run of each thing that a death makes more of; seconds, but for the deaths.
#[derive(Debug)]
pub struct Costs {
    deaths: f64,
    pulls: f64,
    graces: f64,
    doubts: f64,
    provisions: f64,
}

impl Costs {
    pub fn of(story: &Story<'_>) -> Costs {
        Costs {
            deaths: deaths(story),
            pulls: pulls(story),
            graces: graces(story),
            doubts: doubts(story),
            provisions: provisions(story),
        }
    }
}

fn deaths(story: &Story<'_>) -> f64 {
    let died = |what: &What| matches!(what, What::Died(_));
    let deaths = story.entries.iter().filter(|entry| died(&entry.what));
    deaths.count() as f64
}

fn each_pull(story: &Story<'_>) -> impl Iterator<Item = f64> {
    story.entries.iter().filter_map(|entry| match &entry.what {
        What::Engine(Told::Pull { takes, .. }) => Some(takes.as_secs_f64()),
        What::Engine(Told::PortTaken { .. } | Told::Away | Told::Back)
        | What::Stored { .. }
        | What::Container { .. }
        | What::Volume { .. }
        | What::Died(_)
        | What::Note(_) => None,
    })
}

fn pulls(story: &Story<'_>) -> f64 {
    each_pull(story).sum()
}

fn longest_pull(story: &Story<'_>) -> f64 {
    each_pull(story).fold(0.0, f64::max)
}

/// From the last signal before a death to the first after it.
fn graces(story: &Story<'_>) -> f64 {
    let (mut seconds, mut deaths) = (0.0, 0);
    let mut told: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for entry in story.entries {
        match &entry.what {
            What::Died(_) => deaths += 1,
            What::Container {
                id,
                state: Life::Signalled,
                ..
            } if entry.who.starts_with("controller") => {
                let before = told.insert(id, (at(entry), deaths));
                if let Some((when, _)) = before.filter(|(_, then)| *then < deaths) {
                    seconds += at(entry) - when;
                }
            }
            What::Stored { .. }
            | What::Container { .. }
            | What::Volume { .. }
            | What::Engine(_)
            | What::Note(_) => {}
        }
    }
    seconds
}

/// Deaths while the engine was away, hung, or was another one than is on record.
fn doubts(story: &Story<'_>) -> f64 {
    let engine = |session: &Value| text(session, "/status/engine/id").to_owned();
    let (mut seconds, mut away) = (0.0, false);
    for entry in story.entries {
        match &entry.what {
            What::Engine(Told::Away) => away = true,
            What::Engine(Told::Back) => away = false,
            // The one before was given up.
            What::Stored {
                key,
                object,
                before: Some(before),
                ..
            } if is_session(key) && engine(object) != engine(before) => away = false,
            What::Died(_) if away => seconds += DOUBT,
            What::Engine(Told::Pull { .. } | Told::PortTaken { .. })
            | What::Stored { .. }
            | What::Container { .. }
            | What::Volume { .. }
            | What::Died(_)
            | What::Note(_) => {}
        }
    }
    seconds
}

/// How long each session that ended without a container of its last attempt had waited for it at the last death.
fn provisions(story: &Story<'_>) -> f64 {
    // By uid: the attempt, and when it was recorded; gone once the session has finished.
    let mut wait: BTreeMap<&str, (i64, f64)> = BTreeMap::new();
    let mut waited: BTreeMap<(&str, i64), f64> = BTreeMap::new();
    let mut made: BTreeSet<(&str, i64)> = BTreeSet::new();
    for entry in story.entries {
        match &entry.what {
            What::Stored {
                key, kind, object, ..
            } if is_session(key) => {
                let status = &object["status"];
                let over = *kind == ChangeKind::Deleted || status["finishTime"].is_string();
                match number(status, "/attempt").filter(|_| !over) {
                    Some(n) => {
                        let known = wait.entry(uid(object)).or_insert((n, at(entry)));
                        if known.0 != n {
                            *known = (n, at(entry));
                        }
                    }
                    None => {
                        wait.remove(uid(object));
                    }
                }
            }
            What::Container { uid, attempt, .. } => {
                made.insert((uid.as_str(), i64::from(*attempt)));
            }
            What::Died(_) => {
                for (uid, (n, since)) in &wait {
                    waited.insert((*uid, *n), at(entry) - since);
                }
            }
            What::Stored { .. } | What::Volume { .. } | What::Engine(_) | What::Note(_) => {}
        }
    }
    let ended = story.sessions.values().filter_map(|session| {
        let status = &session["status"];
        let attempt = (uid(session), number(status, "/attempt")?);
        let unmade = status["finishTime"].is_string() && !made.contains(&attempt);
        waited.get(&attempt).copied().filter(|_| unmade)
    });
    ended.sum()
}

/// Each port once after each death.
pub fn ports_tried_again<'a>(story: &Story<'a>) -> BTreeSet<&'a str> {
    let (mut again, mut deaths) = (BTreeSet::new(), 0);
    let mut learned: BTreeMap<u16, usize> = BTreeMap::new();
    for entry in story.entries {
        match &entry.what {
            What::Died(_) => deaths += 1,
            What::Engine(Told::PortTaken { id, port }) => {
                let before = learned.insert(*port, deaths);
                if before.is_some_and(|then| then < deaths) {
                    again.insert(id.as_str());
                }
            }
            What::Engine(Told::Pull { .. } | Told::Away | Told::Back)
            | What::Stored { .. }
            | What::Container { .. }
            | What::Volume { .. }
            | What::Note(_) => {}
        }
    }
    again
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use super::*;
    use crate::history::Entry;

    /// What happened, with the second at which it did.
    fn told(all: &[(i64, What)]) -> Vec<Entry> {
        let entry = |(second, what): &(i64, What)| Entry {
            at: SignedDuration::from_secs(*second),
            who: "controller-1".to_owned(),
            what: what.clone(),
        };
        all.iter().map(entry).collect()
    }

    fn died(second: i64) -> (i64, What) {
        (second, What::Died("controller-1".to_owned()))
    }

    fn taken(second: i64, id: &str, port: u16) -> (i64, What) {
        let id = id.to_owned();
        (second, What::Engine(Told::PortTaken { id, port }))
    }

    fn pull(second: i64) -> (i64, What) {
        let image = "example:1".to_owned();
        let takes = Duration::from_secs(20);
        (second, What::Engine(Told::Pull { image, takes }))
    }

    fn signal(second: i64) -> (i64, What) {
        let what = What::Container {
            id: "c".to_owned(),
            uid: "u".to_owned(),
            attempt: 0,
            state: Life::Signalled,
        };
        (second, what)
    }

    fn cost(all: &[(i64, What)], undisturbed: &[(i64, What)]) -> (f64, usize) {
        let (ours, theirs) = (told(all), told(undisturbed));
        let undisturbed = Costs::of(&Story::of(&theirs));
        let forgotten = Forgotten::of(&Story::of(&ours), &undisturbed);
        (forgotten.seconds, forgotten.containers.len())
    }

    #[test]
    fn each_port_is_tried_once_more_after_a_death_and_no_more_than_once() {
        let first = [taken(1, "a", 7000), taken(1, "b", 7001)];
        let once = [died(2), taken(3, "c", 7000), taken(3, "d", 7001)];
        let twice = [taken(4, "e", 7000)];
        let without = [taken(2, "c", 7000)];
        assert_eq!(cost(&[&first[..], &once].concat(), &first).1, 2);
        assert_eq!(cost(&[&first[..], &once, &twice].concat(), &first).1, 2);
        assert_eq!(cost(&[&first[..], &without].concat(), &first).1, 0);
    }

    #[test]
    fn a_pull_is_made_once_more_after_a_death_and_never_without_one() {
        let clean = [pull(1)];
        assert_eq!(cost(&[pull(1), died(2), pull(4)], &clean).0, 20.0);
        assert_eq!(cost(&[pull(1), died(2), pull(4), pull(30)], &clean).0, 20.0);
        assert_eq!(cost(&[pull(1), pull(30)], &clean).0, 0.0);
    }

    #[test]
    fn a_grace_begins_anew_with_the_signal_that_the_next_controller_sends() {
        let clean = [signal(1)];
        assert_eq!(cost(&[signal(1), died(5), signal(8)], &clean).0, 7.0);
        assert_eq!(cost(&[signal(1), signal(8)], &clean).0, 0.0);
    }

    #[test]
    fn a_doubt_begins_anew_only_where_there_was_one() {
        let (away, back) = (What::Engine(Told::Away), What::Engine(Told::Back));
        let hung = [(1, away.clone()), died(5), (60, back.clone())];
        assert_eq!(cost(&hung, &[]).0, DOUBT);
        assert_eq!(cost(&[(1, away), (4, back), died(5)], &[]).0, 0.0);
    }
}
