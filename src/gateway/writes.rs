//! The calls that write: one request to the API server each, in the name that the way of authentication gives, bounded by
//! the client's own deadline. An answer that was lost is an unknown: the client may ask again, with an Idempotency-Key
//! without making a second session.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::auth::Caller;
use super::mirror::Shown;
use super::old::{Session, Status};
use super::problem::Problem;
use super::request::{Asked, CreateSession, Kept, spoken_for};
use super::routes::{self, Id};
use super::state::Gateway;
use crate::api::{DesiredState, Game, GameSession};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Longest Idempotency-Key.
const LONGEST_KEY: usize = 255;
const CREATE: &str = "Failed to create session";
const STOP: &str = "Failed to stop session";
const START: &str = "Failed to start session";

/// The old runner's answer to a DELETE.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    message: &'static str,
}

/// Makes a session, and waits until its game runs or failed, for a while.
#[utoipa::path(
    post, path = "/sessions", tag = "sessions", request_body = CreateSession,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key of the same user makes the same session, however often it is sent", min_length = 1, max_length = 255),
        ("Prefer" = Option<String>, Header, description = "respond-async: answer at once with 202"),
    ),
    responses(
        (status = 200, description = "The session, as it is after the wait: look at its status", body = Session),
        (status = 202, description = "Made; GET what Location says", body = Session),
        (status = 400),
        (status = 403),
        (status = 404, description = "No such game; the nearest names are told"),
        (status = 409),
        (status = 413),
        (status = 422, description = "The API server's own words"),
        (status = 429),
        (status = 503),
    )
)]
pub async fn create(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Made { shown, later } = make(&gateway, &caller, &headers, body).await?;
    let mut response = routes::json(shown.text.to_string());
    if later {
        let place = HeaderValue::from_str(&format!("/sessions/{}", shown.session.name_any()));
        let place = place.expect("a uuid is a header value");
        *response.status_mut() = StatusCode::ACCEPTED;
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// A session that was made.
pub struct Made {
    pub shown: Shown,
    /// The client did not want to wait.
    pub later: bool,
}

/// Makes a session of a request, and waits for it as the client prefers.
pub async fn make(
    gateway: &Gateway,
    caller: &Caller,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Made, Problem> {
    let body = body.map_err(|error| Problem::new(error.status(), &error.body_text(), None))?;
    let asked = Asked::parse(&body)?;
    let key = idempotency_key(headers)?;
    gateway.filled(CREATE)?;
    let user = asked.user(caller.user.as_deref(), gateway.own_only)?;
    let name = match key {
        Some(key) => spoken_for(&gateway.namespace, &user, key),
        None => uuid::Uuid::new_v4().to_string(),
    };
    let games = gateway.mirror.games();
    let games: Vec<&Game> = games.iter().map(Arc::as_ref).collect();
    let wanted = asked.session(&name, &user, &games)?;
    let api = gateway.sessions(caller);
    let made = match api.create(&PostParams::default(), &wanted).await {
        Ok(made) => made,
        Err(kube::Error::Api(status)) if status.is_already_exists() && key.is_some() => {
            same_again(gateway, caller, &wanted).await?
        }
        Err(error) => return Err(Problem::of_api(CREATE, &error)),
    };
    let made = gateway.mirror.wrote(made);
    if prefers_async(headers) {
        return Ok(Made {
            shown: made,
            later: true,
        });
    }
    let settled = |session: &GameSession| Status::of(session) != Status::Starting;
    let waited = tokio::select! {
        shown = gateway.mirror.wait_for(&name, settled) => shown,
        () = tokio::time::sleep(gateway.wait) => gateway.mirror.session(&name),
        () = gateway.stop.cancelled() => gateway.mirror.session(&name),
    };
    Ok(Made {
        // Deleted meanwhile: what was made is the answer, as it was.
        shown: waited.unwrap_or(made),
        later: false,
    })
}

/// The session that the same key made before.
async fn same_again(
    gateway: &Gateway,
    caller: &Caller,
    wanted: &GameSession,
) -> Result<GameSession, Problem> {
    let there = gateway.sessions(caller).get(&wanted.name_any()).await;
    let there = there.map_err(|error| Problem::of_api(CREATE, &error))?;
    // The Game may have changed since, and the warnings and parameters with it.
    let (kept, asked) = (Kept::of(&there), Kept::of(wanted));
    if (kept.game_id, kept.game_config) == (asked.game_id, asked.game_config) {
        return Ok(there);
    }
    let words = "this Idempotency-Key was used for another request".to_owned();
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        CREATE,
        Some(words),
    ))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=LONGEST_KEY).contains(&key.len()) => Ok(Some(key)),
        Ok(_) | Err(_) => Err(Problem::bad_request(format!(
            "Idempotency-Key is not a text of 1 to {LONGEST_KEY} printable ASCII characters"
        ))),
    }
}

fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut words = values
        .flat_map(|value| value.split([',', ';']))
        .map(str::trim);
    words.any(|word| word.eq_ignore_ascii_case("respond-async"))
}

/// Ends a session: the game is stopped, the session and its storage are removed. It is `stopping` until it is gone.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "Id of the session")),
    responses(
        (status = 200, description = "Also for a session that is stopping already", body = Message),
        (status = 403),
        (status = 404),
        (status = 503),
    )
)]
pub async fn delete(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    Id(id): Id,
) -> Result<Json<Message>, Problem> {
    end(&gateway, &caller, &id).await?;
    Ok(Json(Message {
        message: "Session stopped",
    }))
}

/// Deletes a session, unless it is being deleted already.
pub async fn end(gateway: &Gateway, caller: &Caller, id: &str) -> Result<(), Problem> {
    let session = gateway.session(caller, id, STOP)?.session;
    if session.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: session.uid(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match gateway.sessions(caller).delete(id, &params).await {
        Ok(deleted) => {
            if let Some(marked) = deleted.left() {
                gateway.mirror.wrote(marked);
            }
            Ok(())
        }
        // Somebody else was first.
        Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
        Err(error) => Err(Problem::of_api(STOP, &error)),
    }
}

/// Ends the game and keeps the session with its storage.
#[utoipa::path(
    post, path = "/sessions/{id}/stop", tag = "sessions",
    params(("id" = String, Path, description = "Id of the session")),
    responses(
        (status = 200, description = "The session, now told to stop", body = Session),
        (status = 403),
        (status = 404),
        (status = 422),
        (status = 503),
    )
)]
pub async fn stop(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    Id(id): Id,
) -> Result<Response, Problem> {
    wish(&gateway, &caller, &id, DesiredState::Stopped, STOP).await
}

/// Starts the game of a stopped session again, with its storage. One that has finished is refused.
#[utoipa::path(
    post, path = "/sessions/{id}/start", tag = "sessions",
    params(("id" = String, Path, description = "Id of the session")),
    responses(
        (status = 200, description = "The session, now told to run", body = Session),
        (status = 403),
        (status = 404),
        (status = 422, description = "The session has finished"),
        (status = 503),
    )
)]
pub async fn start(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    Id(id): Id,
) -> Result<Response, Problem> {
    wish(&gateway, &caller, &id, DesiredState::Running, START).await
}

async fn wish(
    gateway: &Gateway,
    caller: &Caller,
    id: &str,
    state: DesiredState,
    failed: &str,
) -> Result<Response, Problem> {
    let session = gateway.session(caller, id, failed)?.session;
    // Of this session only: another may have taken the name since.
    let patch = json!({"metadata": {"uid": session.uid()}, "spec": {"desiredState": state}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let patched = gateway.sessions(caller).patch(id, &params, &patch).await;
    let patched = patched.map_err(|error| Problem::of_api(failed, &error))?;
    let shown = gateway.mirror.wrote(patched);
    Ok(routes::json(shown.text.to_string()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        let values = values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_static(value)));
        values.collect()
    }

    #[test]
    fn who_prefers_not_to_wait_says_so_in_any_of_the_ways_of_the_header() {
        for values in [
            &["respond-async"][..],
            &["wait=5, Respond-Async"],
            &["return=minimal", "respond-async; x=1"],
        ] {
            let mut all = HeaderMap::new();
            for value in values {
                all.append(PREFER, HeaderValue::from_static(value));
            }
            assert!(prefers_async(&all), "{values:?}");
        }
        assert!(!prefers_async(&headers(PREFER, &["wait=10"])));
        assert!(!prefers_async(&HeaderMap::new()));
    }

    #[test]
    fn a_key_is_a_short_text() {
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        assert_eq!(
            idempotency_key(&headers(IDEMPOTENCY_KEY, &["k1"])).unwrap(),
            Some("k1")
        );
        assert_eq!(
            idempotency_key(&headers(IDEMPOTENCY_KEY, &[""]))
                .unwrap_err()
                .status,
            400
        );
        let long = HeaderValue::from_str(&"x".repeat(256)).unwrap();
        let long: HeaderMap = [(IDEMPOTENCY_KEY, long)].into_iter().collect();
        assert_eq!(idempotency_key(&long).unwrap_err().status, 400);
    }

    #[test]
    fn the_same_key_of_the_same_user_is_the_same_session_and_of_nobody_else() {
        let name = spoken_for("games", "ann", "k");
        assert_eq!(name, spoken_for("games", "ann", "k"));
        for other in [
            spoken_for("games", "bob", "k"),
            spoken_for("other", "ann", "k"),
            spoken_for("games", "annk", ""),
            spoken_for("games", "ann", "l"),
        ] {
            assert_ne!(name, other);
        }
    }
}
