//! What a reconcile tells of itself: one info log a state change, and the metrics of it.

use kube::{Resource, ResourceExt};

use super::context::Context;
use crate::api::{GameSession, GameSessionStatus};
use crate::session::facts::Facts;
use crate::session::observation::Observation;
use crate::session::plan::{Event, Row};
use crate::session::reason::Reason;
use crate::telemetry::metrics::ReasonLabel;
use crate::telemetry::stages::Stage;

/// Logs the change from one status to the next, if a person would see one.
pub fn changed(ctx: &Context, before: &GameSession, after: &GameSession, row: Row) {
    let old = before.status.as_ref().map(shown);
    let new = after.status.as_ref().map(shown);
    if old == new {
        return;
    }
    let Some((phase, reason, attempt)) = new else {
        return;
    };
    tracing::info!(
        session = %after.name_any(), namespace = after.namespace(), uid = after.uid(),
        attempt, row = ?row, phase, reason, controller = ctx.owner.controller, "state"
    );
}

fn shown(status: &GameSessionStatus) -> (Option<&str>, Option<&str>, Option<i32>) {
    let ready = status.condition("Ready");
    let reason = ready.map(|ready| ready.reason.as_str());
    (status.phase.as_deref(), reason, status.attempt)
}

/// Counts what a record means.
pub fn recorded(ctx: &Context, o: &Observation, after: &Facts) {
    let uid = &o.session.uid;
    if let (None, Some(finish)) = (&o.facts.finish, &after.finish) {
        let reason = finish.reason.as_str();
        ctx.metrics
            .finishes
            .get_or_create_owned(&ReasonLabel { reason })
            .inc();
    }
    if let Some(attempt) = after.attempt
        && o.facts.attempt != Some(attempt)
    {
        ctx.memory.change(uid, |known| known.begins(attempt));
    }
    if o.facts.ready_time().is_none() && after.ready_time().is_some() {
        let known = ctx.memory.of(uid);
        if let Some((attempt, at)) = known.attempt_at
            && after.attempt == Some(attempt)
        {
            ctx.metrics
                .start_to_ready
                .observe(at.elapsed().as_secs_f64());
        }
        let container = after.container.as_ref();
        if let Some(run) = container.and_then(|c| known.run_of(&c.id)) {
            ctx.stage_ended(uid, Stage::Ready, run.since);
        }
    }
}

/// The cache holds this version of the session, and with it all that we wrote before.
pub fn arrived(ctx: &Context, uid: &str, version: u64) {
    for answered in ctx.own_writes.arrived(uid, version) {
        ctx.stage_ended(uid, Stage::Watch, answered);
    }
}

/// A session that this version cannot read: one Warning for each version of it, and a metric.
pub fn unreadable<K>(ctx: &Context, object: &K, uid: &str, words: &str)
where
    K: Resource<DynamicType = ()>,
{
    let version = object.resource_version();
    let said = ctx.memory.change(uid, |known| {
        let said = known.unreadable == version;
        known.unreadable = version;
        said
    });
    if said {
        return;
    }
    let session = object.name_any();
    tracing::warn!(
        session,
        namespace = object.namespace(),
        uid,
        words,
        "session is left alone"
    );
    let event = Event {
        warning: true,
        reason: Reason::Unreadable,
        message: format!(
            "this version of the controller cannot read the session and leaves it alone: {words}"
        ),
    };
    ctx.events.hand_over(object.object_ref(&()), event);
}
