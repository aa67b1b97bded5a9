//! The engine is away or restarts, and clocks are wrong.

use super::{only, writes};
use crate::faults::{Fault, FaultScript, Outage, Whose};
use crate::striking::Met;

const OUTAGES: [Outage; 7] = [
    Outage::Away { ms: 3000 },
    Outage::Away { ms: 60_000 },
    Outage::Frozen { ms: 3000 },
    Outage::Frozen { ms: 60_000 },
    Outage::RestartsLive,
    Outage::RestartsEmpty,
    Outage::DiesEmpty,
];

pub fn struck(clean: &Met) -> Vec<FaultScript> {
    writes(clean)
        .flat_map(|write| OUTAGES.map(|does| only(Fault::Engine { write, does })))
        .collect()
}

/// An hour ahead and back at each write, of the host alone and of everybody; slow and fast all the time.
pub fn clocks(clean: &Met) -> Vec<FaultScript> {
    let mut scripts: Vec<_> = [90, 110]
        .map(|percent| only(Fault::Pace { percent }))
        .to_vec();
    for write in writes(clean) {
        for seconds in [3600, -3600] {
            for whose in [Whose::Host, Whose::All] {
                scripts.push(only(Fault::Clock {
                    write,
                    seconds,
                    whose,
                }));
            }
        }
    }
    scripts
}
