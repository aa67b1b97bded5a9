//! The API server is away, or back from an older copy.

use super::{only, writes};
use crate::faults::{Away, Fault, FaultScript};
use crate::striking::Met;

/// A second, a minute, ten.
const FOR_MS: [u64; 3] = [1000, 60_000, 600_000];

/// It is gone when each write arrives.
pub fn away(clean: &Met) -> Vec<FaultScript> {
    let mut scripts = Vec::new();
    for (_, at_ms) in &clean.writes {
        for how in [Away::Down, Away::Frozen] {
            for for_ms in FOR_MS {
                let from_ms = at_ms.saturating_sub(1);
                scripts.push(only(Fault::Away {
                    from_ms,
                    for_ms,
                    how,
                }));
            }
        }
    }
    scripts.dedup();
    scripts
}

/// After each write, one to three changes of sessions and Games are lost.
pub fn restored(clean: &Met) -> Vec<FaultScript> {
    let at = |after| [1, 2, 3].map(|back| only(Fault::Restore { after, back }));
    let api = |write: &u32| clean.writes[*write as usize - 1].0.contains("game");
    writes(clean).filter(api).flat_map(at).collect()
}
