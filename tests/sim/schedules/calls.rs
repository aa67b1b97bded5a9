//! Each call, of each class and the n-th of it, failing in each way.

use super::only;
use crate::faults::{Failure, Fault, FaultScript};
use crate::striking::Met;

/// The first so many calls of a class: later ones are like them.
const NTH: u32 = 12;

pub fn failing(clean: &Met) -> Vec<FaultScript> {
    let mut scripts = Vec::new();
    let calls = clean.calls.iter();
    for (call, times) in calls.filter(|(call, _)| is_worth_failing(call)) {
        for nth in 1..=(*times).min(NTH) {
            for with in ways(call) {
                let call = call.clone();
                scripts.push(only(Fault::Fail { call, nth, with }));
            }
        }
    }
    scripts
}

/// Calls whose failures are worth a schedule of their own: those about sessions and Games, and all to the engine but
/// its name and its list of everything.
fn is_worth_failing(call: &str) -> bool {
    let ours = ["gamesessions", "games", "effect:", "look:"];
    ours.iter().any(|part| call.contains(part)) && !["look:engine", "look:list"].contains(&call)
}

fn ways(call: &str) -> Vec<Failure> {
    let mut ways = vec![Failure::Code(500), Failure::Refused, Failure::Hangs];
    if !call.starts_with("look:") {
        ways.extend([
            Failure::CommittedCode(504),
            Failure::Lost,
            Failure::CommittedHangs,
        ]);
    }
    if call.contains("games") {
        ways.extend([Failure::Code(429), Failure::Code(503), Failure::Code(504)]);
    }
    if ["patch:gamesessions", "delete:gamesessions"]
        .iter()
        .any(|write| call.starts_with(write))
    {
        ways.push(Failure::Overtaken);
    }
    // A signal that never reaches the game is followed by a kill: that fault ends the game otherwise.
    ways.retain(|with| call != "effect:stop" || *with != Failure::Hangs);
    ways
}
