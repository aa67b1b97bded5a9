//! Phase, conditions, endpoints: the status that follows from an observation and the plan over it.

use super::facts::Facts;
use super::observation::Observation;
use super::plan::Plan;
use crate::api::GameSessionStatus;

/// The whole status as it should stand after the plan's act; `facts` are those after the act.
/// The rim writes only what differs from `o.status`.
pub fn status(_o: &Observation, _facts: &Facts, _plan: &Plan) -> GameSessionStatus {
    todo!()
}
