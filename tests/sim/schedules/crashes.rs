//! The controller ends: killed once, twice, killed and then failed, by a panic of its own, in order.

use super::{only, writes};
use crate::faults::{Failure, Fault, FaultScript, Position};
use crate::striking::Met;

pub const POSITIONS: [Position; 3] = [Position::Before, Position::Between, Position::After];
/// So many writes after a crash are each made to fail.
const NEXT: usize = 3;

pub fn one(clean: &Met) -> Vec<FaultScript> {
    at_each(clean, |write, at| Fault::Crash { write, at })
}

/// The second at every write that comes after the restart.
pub fn two(crashed: &[(FaultScript, Met)]) -> Vec<FaultScript> {
    let mut scripts = Vec::new();
    for (script, run) in crashed {
        for write in writes(run).filter(|write| *write > crash(script)) {
            for at in POSITIONS {
                let mut script = script.clone();
                script.0.push(Fault::Crash { write, at });
                scripts.push(script);
            }
        }
    }
    scripts
}

/// One of the first writes after the restart fails.
pub fn then_call(crashed: &[(FaultScript, Met)]) -> Vec<FaultScript> {
    let mut scripts = Vec::new();
    for (script, run) in crashed {
        let first = crash(script) as usize;
        let all = &run.writes;
        for write in first..all.len().min(first + NEXT) {
            let call = &all[write].0;
            let nth = all[..=write].iter().filter(|(c, _)| c == call).count();
            let mut ways = vec![
                Failure::Code(500),
                Failure::Refused,
                Failure::Lost,
                Failure::CommittedHangs,
            ];
            // A signal that never reaches the game is followed by a kill: that fault ends the game otherwise.
            if call != "effect:stop" {
                ways.push(Failure::Hangs);
            }
            if call.contains("gamesessions") {
                ways.push(Failure::Overtaken);
            }
            for with in ways {
                let mut script = script.clone();
                script.0.push(Fault::Fail {
                    call: call.clone(),
                    nth: u32::try_from(nth).expect("a run is short"),
                    with,
                });
                scripts.push(script);
            }
        }
    }
    scripts
}

pub fn panics(clean: &Met) -> Vec<FaultScript> {
    at_each(clean, |write, at| Fault::Panic { write, at })
}

pub fn terminated(clean: &Met) -> Vec<FaultScript> {
    writes(clean)
        .map(|write| only(Fault::Terminate { write }))
        .collect()
}

fn at_each(clean: &Met, fault: impl Fn(u32, Position) -> Fault) -> Vec<FaultScript> {
    let fault = &fault;
    writes(clean)
        .flat_map(|write| POSITIONS.map(|at| only(fault(write, at))))
        .collect()
}

/// The write at which this script's crash is.
fn crash(script: &FaultScript) -> u32 {
    let write = script.0.iter().find_map(|fault| match fault {
        Fault::Crash { write, .. } => Some(*write),
        _ => None,
    });
    write.expect("it is a script of one crash")
}
