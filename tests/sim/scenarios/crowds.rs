//! Several sessions at once.

use serde_json::json;

use super::{Scenario, scenario};

const FIVE: [&str; 5] = ["friday", "monday", "saturday", "sunday", "tuesday"];

/// These sessions, told one after the other.
fn each(mut told: Scenario, of: &[&'static str], words: fn(Scenario) -> Scenario) -> Scenario {
    for who in of {
        told = words(told.of(who));
    }
    told
}

pub fn all() -> Vec<Scenario> {
    let named = each(
        scenario("one that can never start among five that can"),
        &FIVE,
        |s| s,
    )
    .of("never")
    .session(&json!({"parameters": [{"name": "UNKNOWN", "value": "x"}]}));
    let without_end = named.says("Pending", "ParametersInvalid");
    vec![
        each(without_end, &FIVE, |s| s.phase("Running")),
        each(
            each(scenario("five sessions stopped together"), &FIVE, |s| {
                s.phase("Running")
            }),
            &FIVE,
            Scenario::stop,
        )
        .of("tuesday")
        .phase("Stopped")
        .of("friday")
        .phase("Stopped"),
        each(
            each(scenario("two of five sessions deleted"), &FIVE, |s| {
                s.phase("Running")
            }),
            &["friday", "sunday"],
            |s| s.delete().gone(),
        ),
    ]
}
