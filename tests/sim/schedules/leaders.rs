//! Two controllers on one world.
//!
//! All orders of the writes of two are far too many, and most are the same: a write changes what the other does only
//! where it is to the same session or to its containers, so that what two do to two sessions needs no order; reads
//! take the place of the write that they lead to, since a decision stands from its read to its write; and who ran
//! alone before the second began is one order. What is left is cut to two changes of turn: the first up to its n-th
//! write, which it has decided on and not sent; the second for m writes, the next decided on and not sent; then the
//! first with what it had decided; then the second with what it had decided; then both as they like.

use super::crashes::POSITIONS;
use super::{only, writes};
use crate::faults::{Fault, FaultScript, Position};
use crate::striking::Met;

/// The second has done all that it wants after so many.
const RUNS: u32 = 8;
/// Just past the Lease; when the other is long at work; when it has done.
const PAUSES_MS: [u64; 3] = [2600, 6000, 30_000];

/// Two that both believe they lead.
pub fn two(clean: &Met) -> Vec<FaultScript> {
    let mut scripts = Vec::new();
    for write in writes(clean) {
        for at in [Position::Before, Position::Between] {
            for runs in 0..=RUNS {
                scripts.push(only(Fault::Rival { write, at, runs }));
            }
        }
    }
    scripts
}

/// One stands still past its Lease, another takes over, and the first wakes.
pub fn paused(clean: &Met) -> Vec<FaultScript> {
    let mut scripts = Vec::new();
    for write in writes(clean) {
        for at in POSITIONS {
            for ms in PAUSES_MS {
                scripts.push(only(Fault::Pause { write, at, ms }));
            }
        }
    }
    scripts
}
