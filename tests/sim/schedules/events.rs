//! What watches and the engine tell: lost, doubled, out of order, late, not at all, gone.

use super::only;
use crate::faults::{Fate, Fault, FaultScript};
use crate::striking::Met;

/// The read is stale by one, two and three events.
pub fn stale(clean: &Met) -> Vec<FaultScript> {
    each(clean, &[1, 2, 3].map(|more| Fate::Hold { more }))
}

pub fn disturbed(clean: &Met) -> Vec<FaultScript> {
    let fates = [
        Fate::Drop,
        Fate::Double,
        Fate::Swap,
        Fate::Freeze,
        Fate::Gone,
        Fate::Delay { ms: 3000 },
    ];
    each(clean, &fates)
}

/// 410 at the start of a watch, and in the place of a bookmark; in the middle is one of the fates of an event.
pub fn expired(clean: &Met) -> Vec<FaultScript> {
    /// Watches are begun anew twice a minute: the first ones stand for all.
    const MOST: u32 = 6;
    let ours = |of: &&String| of.starts_with("game");
    let mut scripts = Vec::new();
    for of in clean.starts.keys().filter(ours) {
        for start in 1..=clean.starts[of].min(MOST) {
            let of = of.clone();
            scripts.push(only(Fault::GoneAtStart { of, start }));
        }
    }
    for of in clean.bookmarks.keys().filter(ours) {
        for bookmark in 1..=clean.bookmarks[of].min(MOST) {
            let of = of.clone();
            scripts.push(only(Fault::GoneAtBookmark { of, bookmark }));
        }
    }
    scripts
}

pub fn of_engine(clean: &Met) -> Vec<FaultScript> {
    let of = "engine";
    let events = clean.events.get(of).copied().unwrap_or_default();
    let event = |event| {
        [Fate::Drop, Fate::Double, Fate::Swap].map(|does| {
            let of = of.to_owned();
            only(Fault::Event { of, event, does })
        })
    };
    (1..=events).flat_map(event).collect()
}

fn each(clean: &Met, fates: &[Fate]) -> Vec<FaultScript> {
    let mut scripts = Vec::new();
    let watched = clean.events.iter();
    for (of, times) in watched.filter(|(of, _)| of.starts_with("game")) {
        for event in 1..=*times {
            for does in fates.iter().copied() {
                let of = of.clone();
                scripts.push(only(Fault::Event { of, event, does }));
            }
        }
    }
    scripts
}
