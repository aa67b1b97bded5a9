//! The calls of the old runner, and ours beside them. Reads are answered from the copy; writes are sent to the API server,
//! one call each, bounded by the client's own deadline.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::list::Query;
use super::old::{Container, Session, Status, text};
use super::problem::Problem;
use super::request::{Asked, Kept, spoken_for};
use super::state::Gateway;
use crate::api::{Game, GameSession};

const CONTINUE: HeaderName = HeaderName::from_static("x-continue");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// `GET /health`
pub async fn health(State(gateway): State<Gateway>) -> Response {
    let (ready, parts) = gateway.health.report();
    let mut body = json!({
        "status": if ready { "healthy" } else { "unhealthy" },
        "service": "dillinger-runner",
        "timestamp": text(Timestamp::now()),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": gateway.started.elapsed().as_secs_f64(),
    });
    if ready {
        return Json(body).into_response();
    }
    let missing: Vec<&str> = parts.lines().filter(|line| line.starts_with("[-]")).collect();
    body["reason"] = missing.join("; ").into();
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

/// `GET /sessions`
pub async fn list(
    State(gateway): State<Gateway>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    gateway.filled("Failed to list sessions")?;
    let query: Query = serde_urlencoded::from_str(query.as_deref().unwrap_or_default())
        .map_err(|error| Problem::bad_request(format!("query: {error}")))?;
    let page = query.read()?.page(gateway.mirror.sessions());
    let shown: Vec<Session> = page.sessions.iter().map(|one| Session::of(one)).collect();
    let mut response = Json(shown).into_response();
    if let Some(next) = page.next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        response.headers_mut().insert(CONTINUE, next);
    }
    Ok(response)
}

/// `GET /sessions/:id`
pub async fn get(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
) -> Result<Json<Session>, Problem> {
    Ok(Json(Session::of(&*gateway.session(&id)?)))
}

/// `GET /containers`
pub async fn containers(State(gateway): State<Gateway>) -> Result<Json<Vec<Container>>, Problem> {
    gateway.filled("Failed to list containers")?;
    let sessions = gateway.mirror.sessions();
    let mut shown: Vec<Container> = sessions.iter().filter_map(|one| Container::of(one)).collect();
    shown.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    Ok(Json(shown))
}

/// `GET /games`
pub async fn games(State(gateway): State<Gateway>) -> Result<Json<Vec<Value>>, Problem> {
    gateway.filled("Failed to list games")?;
    let games = gateway.mirror.games();
    Ok(Json(games.iter().map(|game| shown_game(game)).collect()))
}

fn shown_game(game: &Game) -> Value {
    let spec = &game.spec;
    json!({
        "name": game.name_any(), "title": spec.title, "image": spec.image, "parameters": spec.parameters,
        "ports": spec.ports, "storage": !spec.storage.is_empty(), "runtimes": spec.runtimes,
    })
}

/// `POST /sessions`
pub async fn create(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    const FAILED: &str = "Failed to create session";
    let asked = Asked::parse(&body)?;
    gateway.filled(FAILED)?;
    let games = gateway.mirror.games();
    let games: Vec<&Game> = games.iter().map(Arc::as_ref).collect();
    let name = match header_text(&headers, &IDEMPOTENCY_KEY) {
        Some(key) => spoken_for(&gateway.namespace, &asked.user_id, key),
        None => uuid::Uuid::new_v4().to_string(),
    };
    let wanted = asked.session(&name, &games)?;
    let made = match gateway.sessions().create(&PostParams::default(), &wanted).await {
        Ok(made) => made,
        Err(kube::Error::Api(status)) if status.code == 409 && headers.contains_key(IDEMPOTENCY_KEY) => {
            same_again(&gateway, &wanted).await?
        }
        Err(error) => return Err(Problem::of_api(FAILED, &error)),
    };
    let made = gateway.mirror.wrote(made);
    let prefers = headers.get_all(PREFER);
    let later = prefers.iter().any(|one| one.to_str().is_ok_and(|words| words.contains("respond-async")));
    if later {
        let place = HeaderValue::from_str(&format!("/sessions/{name}")).expect("a uuid is a header value");
        let body = Json(Session::of(&made));
        return Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], body).into_response());
    }
    let settled = |session: &GameSession| Status::of(session) != Status::Starting;
    let waited = tokio::time::timeout(gateway.wait, gateway.mirror.wait_for(&name, settled)).await;
    let session = match waited {
        Ok(Some(session)) => session,
        // Deleted meanwhile: what was made is the answer, as it was.
        Ok(None) => made,
        Err(_) => gateway.session(&name)?,
    };
    Ok(Json(Session::of(&session)).into_response())
}

/// The session that the same key made before.
async fn same_again(gateway: &Gateway, wanted: &GameSession) -> Result<GameSession, Problem> {
    const FAILED: &str = "Failed to create session";
    let name = wanted.name_any();
    let there = gateway.sessions().get(&name).await;
    let there = there.map_err(|error| Problem::of_api(FAILED, &error))?;
    if there.spec.game_ref == wanted.spec.game_ref && Kept::of(&there) == Kept::of(wanted) {
        return Ok(there);
    }
    let words = "this Idempotency-Key was used for another request".to_owned();
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, FAILED, Some(words)))
}

/// `DELETE /sessions/:id`
pub async fn delete(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let session = gateway.session(&id)?;
    let stopped = Json(json!({"message": "Session stopped"}));
    if session.metadata.deletion_timestamp.is_some() {
        return Ok(stopped);
    }
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: session.uid(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match gateway.sessions().delete(&id, &params).await {
        Ok(deleted) => {
            if let Some(marked) = deleted.left() {
                gateway.mirror.wrote(marked);
            }
            Ok(stopped)
        }
        // Somebody else was first.
        Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(stopped),
        Err(error) => Err(Problem::of_api("Failed to stop session", &error)),
    }
}

/// `POST /sessions/:id/stop`
pub async fn stop(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
) -> Result<Json<Session>, Problem> {
    wish(&gateway, &id, "Stopped", "Failed to stop session").await
}

/// `POST /sessions/:id/start`
pub async fn start(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
) -> Result<Json<Session>, Problem> {
    wish(&gateway, &id, "Running", "Failed to start session").await
}

async fn wish(
    gateway: &Gateway,
    id: &str,
    state: &str,
    failed: &str,
) -> Result<Json<Session>, Problem> {
    let session = gateway.session(id)?;
    // Of this session only: another may have taken the name since.
    let patch = json!({"metadata": {"uid": session.uid()}, "spec": {"desiredState": state}});
    let patched = gateway
        .sessions()
        .patch(id, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map_err(|error| Problem::of_api(failed, &error))?;
    Ok(Json(Session::of(&gateway.mirror.wrote(patched))))
}

/// Whatever is not served.
pub async fn nothing() -> Problem {
    Problem::not_found("not_found", "there is nothing here; /openapi.json says what there is".to_owned())
}

fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}
