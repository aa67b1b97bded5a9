//! Tests of the table: each row a sentence, the whole product of its inputs walked, and properties on top.

mod before;
mod deletion;
mod ended;
mod finished;
mod getting;
mod hostile;
mod model;
mod pods;
mod properties;
mod running;
mod sketch;
mod stopping;

use jiff::{SignedDuration, Timestamp};

use super::{Act, Effect, Next, Plan, Report, Row, Says, plan};
use crate::session::facts::Facts;
use crate::session::fixtures::now;
use crate::session::observation::Observation;

/// The plan, of which this row is expected.
fn met(o: &Observation, row: Row) -> Plan {
    let plan = plan(o);
    assert_eq!(plan.row, row, "{plan:#?}");
    plan
}

fn recorded_by(plan: Plan) -> Facts {
    let Act::Record(facts) = plan.act else {
        panic!("{:?} records nothing: {:?}", plan.row, plan.act);
    };
    *facts
}

fn effect_of(plan: Plan) -> Effect {
    let Act::Effect(effect) = plan.act else {
        panic!("{:?} does nothing to the runtime: {:?}", plan.row, plan.act);
    };
    effect
}

fn said_by(plan: &Plan) -> &Says {
    let Report::Says(says) = &plan.report else {
        panic!("{:?} says nothing", plan.row);
    };
    says
}

fn in_seconds(seconds: i64) -> Next {
    Next::At(later(seconds))
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn doubling(first: i64, most: i64) -> Next {
    Next::Doubling {
        first: SignedDuration::from_secs(first),
        most: SignedDuration::from_secs(most),
    }
}
