//! A status as anybody with the right to write one may write it, over everything that a look can show: it is read
//! or named as unreadable, the decision over it is sound, and what is written back can be written.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::{DesiredState, GameSessionStatus, RuntimeKind};
use crate::hostile::{any_json, cases, edited, edits, integer};
use crate::session::fixtures::*;
use crate::session::report;
use crate::session::seen::{Answer, Made, Seen};

/// Every field set, of a session in its second attempt that ran and was told to stop.
fn status() -> Value {
    json!({
        "observedGeneration": 7, "phase": "Stopping", "address": "192.0.2.1:7001", "runtime": "Docker",
        "engine": {"id": ENGINE, "name": "host"}, "attempt": 1, "attemptTime": "2030-01-02T03:00:00Z",
        "restarts": 1, "interruptions": 1, "startTime": "2030-01-02T03:01:00Z",
        "game": {"uid": "game-uid", "generation": 3},
        "container": {
            "name": "friday-0123456789", "id": "id-1", "image": "example/chess:1", "imageID": "sha256:1",
            "nodeName": "host", "startTime": "2030-01-02T03:00:30Z", "readyTime": "2030-01-02T03:01:00Z",
        },
        "stop": {"attempt": 1, "reason": "Requested", "time": "2030-01-02T03:04:00Z"},
        "lastExit": {
            "attempt": 0, "reason": "Error", "exitCode": 1, "signal": 9, "oomKilled": false,
            "startTime": "2030-01-02T02:00:30Z", "finishTime": "2030-01-02T02:59:00Z",
        },
        "endpoints": [{"name": "game", "protocol": "TCP", "host": "192.0.2.1", "port": 7001}],
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "Stopping", "message": "",
            "lastTransitionTime": "2030-01-02T03:04:00Z", "observedGeneration": 7,
        }],
    })
}

fn seens(attempt: i32) -> Vec<Seen> {
    vec![
        unreachable(),
        other_engine(),
        Seen::Foreign("container f00".to_owned()),
        Seen::Absent,
        created(attempt, Made::Fresh),
        created(attempt, Made::Failed("no such file".to_owned())),
        created(attempt, Made::PortClash(vec![7001], "taken".to_owned())),
        running(attempt, Answer::Ready),
        running(attempt, not_ready()),
        running(attempt, Answer::NotAsked),
        Seen::Paused(container(attempt)),
        Seen::Going,
        exited(attempt, 0),
        exited(attempt, 1),
        exited(attempt, 137),
    ]
}

fn check(status: &Value, label: i32) -> Result<(), TestCaseError> {
    let Ok(status) = serde_json::from_value::<GameSessionStatus>(status.clone()) else {
        return Ok(());
    };
    let Ok(facts) = Facts::parse(&status) else {
        return Ok(());
    };
    let attempts = [label, facts.attempt.unwrap_or(0)];
    for seen in attempts.into_iter().flat_map(seens) {
        let mut o = recorded().seeing(seen).on_failure(i32::MAX);
        o.facts = facts.clone();
        o.status = status.clone();
        for o in [o.clone(), o.clone().to_be_stopped(), o.deleted()] {
            let plan = plan(&o);
            prop_assert_eq!(
                unsafe_act(&o, &plan),
                None,
                "{:?} over {:?}",
                plan.row,
                o.seen
            );
            let facts = facts_after(&o, &plan);
            let written = report::status(&o, &facts, &plan);
            // What the controller writes it can read again, and means the same.
            let text = serde_json::to_string(&written).expect("a status is plain data");
            let again: GameSessionStatus = serde_json::from_str(&text).expect("a status");
            let read = Facts::parse(&again);
            prop_assert!(read.is_ok(), "{:?}: {:?}", plan.row, read);
            if let (Some(before), Some(after)) = (o.facts.attempt, facts.attempt) {
                prop_assert!(
                    after >= before,
                    "{:?}: attempt {} to {}",
                    plan.row,
                    before,
                    after
                );
            }
        }
    }
    Ok(())
}

/// Why this act must never follow from this state; from the promises, whatever is on record.
fn unsafe_act(o: &Observation, plan: &Plan) -> Option<&'static str> {
    let facts = &o.facts;
    let ended = o.session.deleted || facts.finish.is_some();
    let runs = !ended && o.session.desired == DesiredState::Running;
    let none = matches!(o.seen, Seen::Absent | Seen::Foreign(_)) || o.decreed_lost();
    let doubt = matches!(o.seen, Seen::Unknown(_)) && !o.decreed_lost();
    let label = o.seen.container().map(|c| c.attempt);
    let let_go = ended
        || facts.stop_of_attempt().is_some()
        || facts.exit_recorded()
        || label < facts.attempt;
    let wrong = match &plan.act {
        Act::Nothing | Act::Confirm => false,
        Act::Finalizer(true) => ended || doubt,
        Act::Finalizer(false) => {
            let nothing_was = doubt && o.session.deleted && facts.attempt.is_none();
            let of_the_cluster = o.session.deleted && facts.runtime == Some(RuntimeKind::Pod);
            !(nothing_was || of_the_cluster || (ended && none))
        }
        Act::DeleteSession => facts.finish.is_none() || (doubt && o.session.finalizer),
        Act::Record(_) => doubt,
        Act::Effect(Effect::Start(_)) => !(runs && matches!(o.seen, Seen::Created(..)) && !let_go),
        Act::Effect(Effect::Create(_) | Effect::CreateStorage(_) | Effect::Pull { .. }) => {
            !(runs && o.seen == Seen::Absent && o.session.finalizer)
        }
        Act::Effect(Effect::Stop(..) | Effect::Kill(_)) => !(let_go && o.seen.is_live()),
        Act::Effect(Effect::Remove(_)) => o.seen.is_live() || doubt,
        Act::Effect(Effect::RemoveStorage(_)) => !(ended && none),
    };
    wrong.then_some("the act breaks a promise")
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn whatever_stands_in_a_status_the_decision_over_it_is_sound(edits in edits(3), label in 0..4_i32) {
        check(&edited(status(), "", &edits), label)?;
    }

    #[test]
    fn whatever_numbers_stand_in_a_status_the_decision_over_it_is_sound(
        numbers in proptest::array::uniform8(proptest::option::of(integer())),
        label in integer(),
    ) {
        let mut status = status();
        let places = [
            "/attempt", "/restarts", "/interruptions", "/stop/attempt", "/lastExit/attempt", "/lastExit/exitCode",
            "/lastExit/signal", "/observedGeneration",
        ];
        for (place, number) in places.iter().zip(numbers) {
            if let Some(number) = number {
                *status.pointer_mut(place).expect("a number") = json!(number);
            }
        }
        check(&status, i32::try_from(label).unwrap_or(i32::MAX))?;
    }

    #[test]
    fn whatever_json_stands_for_a_status_it_is_read_or_told_apart(value in any_json()) {
        check(&value, 0)?;
    }
}
