//! What the faults of a script may cost, and what they may change: everything else is the controller's.

use crate::faults::{Fault, FaultScript, Outage};
use crate::scenarios::Run;

/// Virtual seconds. A crash: the restart, and the Lease of the one that died.
const CRASH: f64 = 10.0;
/// A panic: the wait after it, and a pull once more where it was lost that this one was under way.
const PANIC: f64 = 3.0 * CRASH;
/// A failed call: its longest deadline, and the wait after it.
const FAILURE: f64 = 120.0;
/// A lost event: until the next list or look, ten minutes apart; twice where the found one is lost again.
pub const LIST: f64 = 660.0;
/// So many milliseconds without the API server bring together what was to happen one after the other: wishes, ends, ports that
/// are tried again.
const LONG: u64 = 60_000;
/// Waits between tries after an outage have grown to 30 s, and to five minutes after ten.
const RETRY: f64 = 60.0;
pub const LAST_RETRY: f64 = 330.0;
/// Two that lead take turns, and wait for each other.
const TURNS: f64 = 30.0;
/// And that one of them leads no more.
const RIVALRY: f64 = 60.0;
/// A restored API server: a list finds what its watches lost, and the sweep what nobody owns.
const RESTORED: f64 = 3.0 * LIST;

/// What was made late for a session that is gone holds what it holds until a sweep, whose two looks are ten minutes apart.
pub const SWEPT: f64 = 2.0 * LIST;

/// What a script may cost and change.
#[derive(Clone, Copy, Debug)]
pub struct Allows {
    /// Virtual seconds.
    pub seconds: f64,
    /// Containers live as in the undisturbed run.
    pub lives: bool,
    pub end: End,
    /// A game may have been ready and have ended before anybody could record that it was.
    pub unseen: bool,
    /// The daemon begins anew.
    pub engine_restarts: bool,
}

/// How far the end is the undisturbed run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// But for times and versions.
    Same,
    /// The API server forgot what it was told: who of several attempts is the last, what it ended with, and, where the
    /// session itself was forgotten and made again, its uid and what follows from that.
    Forgotten,
    /// Games were ended by the fault itself: what counts is what became of the session.
    Outcome,
}

impl Allows {
    pub fn of(script: &FaultScript, clean: Option<&Run>) -> Allows {
        let whole = clean.map_or(0.0, |clean| clean.converged);
        let mut allows = Allows {
            seconds: 0.0,
            lives: true,
            end: End::Same,
            unseen: false,
            engine_restarts: false,
        };
        for fault in &script.0 {
            allows.seconds += cost(fault, whole);
            match fault {
                Fault::Engine {
                    does: Outage::Away { .. } | Outage::RestartsLive,
                    ..
                } => allows.engine_restarts = true,
                Fault::Engine {
                    does: Outage::RestartsEmpty | Outage::DiesEmpty,
                    ..
                } => {
                    allows.lives = false;
                    allows.end = allows.end.max(End::Outcome);
                }
                Fault::Restore { .. } => {
                    allows.lives = false;
                    allows.end = allows.end.max(End::Forgotten);
                }
                // What one decided to make before the other did away with it is made late: one life more.
                Fault::Pause { .. } | Fault::Rival { .. } => allows.lives = false,
                Fault::Away { for_ms, .. } => {
                    allows.unseen = true;
                    if *for_ms >= LONG {
                        allows.lives = false;
                        allows.end = allows.end.max(End::Outcome);
                    }
                }
                Fault::Fail { .. } if fault.may_hang() => allows.unseen = true,
                Fault::Unelected
                | Fault::Crash { .. }
                | Fault::Fail { .. }
                | Fault::Event { .. }
                | Fault::GoneAtStart { .. }
                | Fault::GoneAtBookmark { .. }
                | Fault::Engine {
                    does: Outage::Frozen { .. },
                    ..
                }
                | Fault::Clock { .. }
                | Fault::Pace { .. }
                | Fault::Panic { .. }
                | Fault::Terminate { .. } => {}
            }
        }
        allows
    }
}

fn cost(fault: &Fault, whole: f64) -> f64 {
    let seconds = |ms: u64| ms as f64 / 1000.0;
    match fault {
        Fault::Unelected => 0.0,
        Fault::Crash { .. } => CRASH,
        Fault::Panic { .. } => PANIC,
        // Its drain.
        Fault::Terminate { .. } => 2.0 * CRASH,
        Fault::Fail { .. } => FAILURE,
        Fault::Event { .. } => LIST,
        Fault::GoneAtStart { .. } | Fault::GoneAtBookmark { .. } => CRASH,
        Fault::Away { for_ms, .. } if *for_ms > LONG => seconds(*for_ms) + LAST_RETRY,
        Fault::Away { for_ms, .. } => seconds(*for_ms) + RETRY,
        Fault::Restore { .. } => RESTORED + whole,
        Fault::Pause { ms, .. } => seconds(*ms) + TURNS,
        Fault::Rival { .. } => RIVALRY + TURNS,
        Fault::Engine { does, .. } => match does {
            Outage::Away { ms } | Outage::Frozen { ms } => seconds(*ms) + RETRY,
            Outage::RestartsLive => RETRY,
            // Its games begin again.
            Outage::RestartsEmpty | Outage::DiesEmpty => RETRY + whole,
        },
        Fault::Clock { .. } => RETRY,
        // Our clock follows by a twentieth.
        Fault::Pace { .. } => whole * 0.15 + CRASH,
    }
}
