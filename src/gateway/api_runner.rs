//! The calls of the backend that stood in front of the old runner, under `/api/runner`: the same sessions in its wrappings.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Caller;
use super::events::array;
use super::list::Wanted;
use super::old::{Session, now};
use super::problem::Problem;
use super::request::CreateSession;
use super::routes::{self, Id};
use super::state::Gateway;
use super::writes::{self, Made};

/// Whether the runner is well, as the old backend told it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunnerHealth {
    runner: Runner,
}

/// The runner, seen from the old backend.
#[derive(Debug, Serialize, ToSchema)]
pub struct Runner {
    healthy: bool,
    /// Where it is: the address of this request.
    url: String,
}

/// Whether sessions can be served. It is 200 whatever the answer.
#[utoipa::path(
    get, operation_id = "runnerHealth", path = "/api/runner/health", tag = "backend", security(()),
    responses((status = 200, body = RunnerHealth))
)]
pub async fn health(State(gateway): State<Gateway>, headers: HeaderMap) -> Json<RunnerHealth> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let runner = Runner {
        healthy: routes::missing(&gateway).await.is_empty(),
        url: format!("http://{}", host.unwrap_or("localhost")),
    };
    Json(RunnerHealth { runner })
}

/// A session that was launched.
#[derive(ToSchema)]
pub struct Launched {
    pub success: bool,
    pub session: Session,
    pub message: String,
    pub timestamp: String,
}

/// All sessions, counted.
#[derive(ToSchema)]
pub struct Sessions {
    pub sessions: Vec<Session>,
    pub count: usize,
    pub timestamp: String,
}

/// A session that was ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    success: bool,
    message: &'static str,
    session_id: String,
    timestamp: String,
}

/// As POST /sessions.
#[utoipa::path(
    post, operation_id = "runnerLaunch", path = "/api/runner/launch", tag = "backend", request_body = CreateSession,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "As of POST /sessions", min_length = 1, max_length = 255),
        ("Prefer" = Option<String>, Header, description = "respond-async: answer at once with 202"),
    ),
    responses(
        (status = 200, body = Launched),
        (status = 202, description = "Asked for with Prefer: respond-async", body = Launched),
        (status = 400),
        (status = 404, description = "No such game"),
        (status = 409),
        (status = 413),
        (status = 422),
        (status = 503),
    )
)]
pub async fn launch(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Made { shown, later } = writes::make(&gateway, &caller, &headers, body).await?;
    let members = [
        ("success", "true".to_owned()),
        ("session", shown.text.to_string()),
        ("message", quoted("Session launched")),
    ];
    let mut response = wrapped(&members);
    if later {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    Ok(response)
}

/// All sessions, the newest first.
#[utoipa::path(
    get, operation_id = "runnerList", path = "/api/runner/sessions", tag = "backend",
    responses(
        (status = 200, body = Sessions),
        (status = 503),
    )
)]
pub async fn list(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Response, Problem> {
    gateway.filled("Failed to list sessions")?;
    let page = Wanted::default().page(routes::seen(&gateway, &caller));
    let members = [
        ("sessions", array(page.sessions.iter())),
        ("count", page.sessions.len().to_string()),
    ];
    Ok(wrapped(&members))
}

/// One session, not wrapped.
#[utoipa::path(
    get, operation_id = "runnerGet", path = "/api/runner/sessions/{id}", tag = "backend",
    params(("id" = String, Path, description = "Id of the session")),
    responses(
        (status = 200, body = Session),
        (status = 404),
        (status = 503),
    )
)]
pub async fn get(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    Id(id): Id,
) -> Result<Response, Problem> {
    let shown = gateway.session(&caller, &id, "Failed to get session");
    let shown = shown.map_err(|problem| of(problem, &id))?;
    Ok(routes::json(shown.text.to_string()))
}

/// As DELETE /sessions/{id}.
#[utoipa::path(
    delete, operation_id = "runnerDelete", path = "/api/runner/sessions/{id}", tag = "backend",
    params(("id" = String, Path, description = "Id of the session")),
    responses(
        (status = 200, body = Ended),
        (status = 404),
        (status = 503),
    )
)]
pub async fn delete(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    Id(id): Id,
) -> Result<Response, Problem> {
    let ended = writes::end(&gateway, &caller, &id).await;
    ended.map_err(|problem| of(problem, &id))?;
    let ended = Ended {
        success: true,
        message: "Session stopped",
        session_id: id,
        timestamp: now(),
    };
    Ok(Json(ended).into_response())
}

/// A problem with this session.
fn of(mut problem: Problem, id: &str) -> Problem {
    problem.session_id = Some(id.chars().take(64).collect());
    problem
}

/// An object of members that are JSON already, and the time.
fn wrapped(members: &[(&str, String)]) -> Response {
    let mut body = String::from("{");
    for (name, value) in members {
        body.push_str(&format!("\"{name}\":{value},"));
    }
    body.push_str(&format!("\"timestamp\":{}}}", quoted(&now())));
    routes::json(body)
}

/// A text as JSON that needs no escapes.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn what_is_wrapped_is_json() {
        let members = [
            ("sessions", "[{\"id\":\"a\"}]".to_owned()),
            ("count", "1".to_owned()),
            ("message", quoted("words")),
        ];
        let response = wrapped(&members);
        let bytes = axum::body::to_bytes(response.into_body(), 4096).await;
        let mut body: Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
        let stamp = body.as_object_mut().unwrap().remove("timestamp");
        assert!(
            stamp
                .unwrap()
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .is_ok()
        );
        assert_eq!(
            body,
            json!({"sessions": [{"id": "a"}], "count": 1, "message": "words"})
        );
    }
}
