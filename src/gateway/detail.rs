//! A session looked at closely: the resource itself, and the Kubernetes Events about it. What the page shows beside the
//! old runner's shape.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Caller;
use super::old::text;
use super::problem::Problem;
use super::rights::EVENTS;
use super::routes;
use super::state::Gateway;

const FAILED: &str = "Failed to get session";
/// Events of one session that are shown; the API server keeps them for an hour.
const MOST: u32 = 100;

/// The GameSession as the API server has it: `kubectl explain gamesession` describes it.
#[utoipa::path(
    get, path = "/sessions/{id}/resource", tag = "sessions",
    params(("id" = String, Path, description = "Id of the session")),
    responses(
        (status = 200, description = "The resource", body = Object),
        (status = 404),
        (status = 503),
    )
)]
pub async fn resource(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let shown = gateway.session(&caller, &id, FAILED)?;
    let resource = serde_json::to_string(&*shown.session);
    Ok(routes::json(
        resource.expect("texts and numbers become JSON"),
    ))
}

/// One Event about a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SessionEvent)]
pub struct Happening {
    /// When it was last seen.
    time: String,
    /// Normal or Warning.
    #[serde(rename = "type")]
    kind: String,
    reason: String,
    message: String,
    /// How often it was seen, if more than once.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i32>,
}

/// The Kubernetes Events about a session, the newest first. The caller must be allowed to list them.
#[utoipa::path(
    get, path = "/sessions/{id}/events", tag = "sessions",
    params(("id" = String, Path, description = "Id of the session")),
    responses(
        (status = 200, body = Vec<Happening>),
        (status = 403),
        (status = 404),
        (status = 503),
    )
)]
pub async fn happenings(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Happening>>, Problem> {
    let shown = gateway.session(&caller, &id, FAILED)?;
    gateway.auth.allow(&caller, EVENTS).await?;
    let uid = shown.session.uid().unwrap_or_default();
    let events: Api<Event> = Api::namespaced(caller.client.clone(), &gateway.namespace);
    let of_session = ListParams::default()
        .fields(&format!("involvedObject.uid={uid}"))
        .limit(MOST);
    let found = events.list(&of_session).await;
    let found = found.map_err(|error| Problem::of_api(FAILED, &error))?;
    let mut seen: Vec<(Timestamp, Happening)> = found.iter().map(happening).collect();
    seen.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(Json(seen.into_iter().map(|(_, one)| one).collect()))
}

/// An Event of either API: a series says when it was last seen, an old one has counted.
fn happening(event: &Event) -> (Timestamp, Happening) {
    let series = event.series.as_ref();
    let last = series.and_then(|series| series.last_observed_time.as_ref().map(|time| time.0));
    let time = last
        .or_else(|| event.last_timestamp.as_ref().map(|time| time.0))
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| {
            event
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0)
        })
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let count = series.and_then(|series| series.count).or(event.count);
    let one = Happening {
        time: text(time),
        kind: event.type_.clone().unwrap_or_else(|| "Normal".to_owned()),
        reason: event.reason.clone().unwrap_or_default(),
        message: event.message.clone().unwrap_or_default(),
        count: count.filter(|count| *count > 1),
    };
    (time, one)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(event: Value) -> Value {
        let event: Event = serde_json::from_value(event).unwrap();
        serde_json::to_value(happening(&event).1).unwrap()
    }

    #[test]
    fn events_of_the_new_api_and_of_the_old_one_look_the_same() {
        let mut event = json!({
            "metadata": {"creationTimestamp": "2026-01-01T00:00:01Z"},
            "involvedObject": {}, "type": "Warning", "reason": "BackOff", "message": "it crashed",
            "eventTime": "2026-01-01T00:00:02.000000Z",
        });
        let expected = |time: &str| json!({"time": time, "type": "Warning", "reason": "BackOff", "message": "it crashed"});
        assert_eq!(shown(event.clone()), expected("2026-01-01T00:00:02.000Z"));
        event["series"] = json!({"count": 3, "lastObservedTime": "2026-01-01T00:00:09.000000Z"});
        let mut often = expected("2026-01-01T00:00:09.000Z");
        often["count"] = 3.into();
        assert_eq!(shown(event), often);
        let old = json!({
            "metadata": {}, "involvedObject": {}, "type": "Warning", "reason": "BackOff", "message": "it crashed",
            "lastTimestamp": "2026-01-01T00:00:09Z", "count": 3,
        });
        assert_eq!(shown(old), often);
    }

    #[test]
    fn an_event_that_says_nothing_is_shown_as_that() {
        let bare = shown(json!({"metadata": {}, "involvedObject": {}}));
        let expected = json!({"time": "1970-01-01T00:00:00.000Z", "type": "Normal", "reason": "", "message": ""});
        assert_eq!(bare, expected);
    }
}
