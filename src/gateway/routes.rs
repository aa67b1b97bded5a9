//! The calls that read: the old runner's, and ours beside them. All are answered from the copy.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query as Queried, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use kube::ResourceExt;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Caller;
use super::events::array;
use super::list::Query;
use super::mirror::Shown;
use super::old::{Container, Session, now};
use super::problem::Problem;
use super::state::Gateway;
use crate::api::Game;
use crate::telemetry::health::Part;

const CONTINUE: HeaderName = HeaderName::from_static("x-continue");

/// The id in a path. One that is no text is no session's.
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id, Problem> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Id(id))
            .map_err(|error| Problem::not_found("Session not found", error.body_text()))
    }
}

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// healthy or unhealthy.
    status: &'static str,
    service: &'static str,
    timestamp: String,
    version: &'static str,
    /// Seconds since it started.
    uptime: f64,
    /// What is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Whether sessions can be served: the API server answers, and where a controller was named, it and its engine too.
#[utoipa::path(
    get, path = "/health", tag = "service", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health))
)]
pub async fn health(State(gateway): State<Gateway>) -> Response {
    let missing = missing(&gateway).await;
    let healthy = missing.is_empty();
    let body = Json(Health {
        status: if healthy { "healthy" } else { "unhealthy" },
        service: "dillinger-runner",
        timestamp: now(),
        version: env!("CARGO_PKG_VERSION"),
        uptime: gateway.started.elapsed().as_secs_f64(),
        reason: (!healthy).then(|| missing.join("; ")),
    });
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, body).into_response()
}

/// What is missing for sessions to be served, in words.
pub async fn missing(gateway: &Gateway) -> Vec<String> {
    let mut missing = Vec::new();
    for part in [Part::Sessions, Part::Games] {
        if gateway.health.is_missing(part) {
            missing.push(format!("{} cannot be listed", part.as_str()));
        }
    }
    if let Some(backend) = &gateway.backend {
        missing.extend(backend.missing().await);
    }
    missing
}

/// All sessions, the newest first.
#[utoipa::path(
    get, path = "/sessions", tag = "sessions", params(Query),
    responses(
        (status = 200, body = Vec<Session>, headers(
            ("X-Continue" = String, description = "What `continue` of the next page is, if there is one"),
            ("Link" = String, description = "The next page, if there is one"))),
        (status = 400),
        (status = 503),
    )
)]
pub async fn list(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
    RawQuery(raw): RawQuery,
    query: Result<Queried<Query>, QueryRejection>,
) -> Result<Response, Problem> {
    gateway.filled("Failed to list sessions")?;
    let Queried(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let wanted = query.read()?;
    let page = wanted.page(seen(&gateway, &caller));
    let mut response = json(array(page.sessions.iter()));
    if let Some(next) = page.next {
        let others = raw.unwrap_or_default();
        let others = others
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("continue="));
        let others: String = others.map(|pair| format!("{pair}&")).collect();
        let link = format!("</sessions?{others}continue={next}>; rel=\"next\"");
        let headers = response.headers_mut();
        for (name, value) in [(CONTINUE, next), (header::LINK, link)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
    Ok(response)
}

/// One session.
#[utoipa::path(
    get, path = "/sessions/{id}", tag = "sessions",
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
    let shown = gateway.session(&caller, &id, "Failed to get session")?;
    Ok(json(shown.text.to_string()))
}

/// The containers of sessions that have one now.
#[utoipa::path(
    get, path = "/containers", tag = "sessions",
    responses(
        (status = 200, body = Vec<Container>),
        (status = 503),
    )
)]
pub async fn containers(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Vec<Container>>, Problem> {
    gateway.filled("Failed to list containers")?;
    let sessions = seen(&gateway, &caller);
    let mut shown: Vec<Container> = sessions
        .iter()
        .filter_map(|one| Container::of(&one.session))
        .collect();
    shown.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    Ok(Json(shown))
}

/// A game that a session can run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Game)]
pub struct Entry {
    /// What `gameConfig.type` takes.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    image: String,
    /// What a session may set, as the Game declares it.
    #[schema(value_type = Vec<Object>)]
    parameters: Vec<crate::api::ParameterDeclaration>,
    /// Names of the ports that players connect to.
    ports: Vec<String>,
    /// Whether a session keeps anything over a stop.
    storage: bool,
    /// Docker, Pod.
    #[schema(value_type = Vec<String>)]
    runtimes: Vec<crate::api::RuntimeKind>,
}

impl Entry {
    fn of(game: &Game) -> Entry {
        let spec = &game.spec;
        Entry {
            name: game.name_any(),
            title: spec.title.clone(),
            image: spec.image.clone(),
            parameters: spec.parameters.clone(),
            ports: spec.ports.iter().map(|port| port.name.clone()).collect(),
            storage: !spec.storage.is_empty(),
            runtimes: spec.runtimes.clone(),
        }
    }
}

/// The catalog, by name.
#[utoipa::path(
    get, path = "/games", tag = "games",
    responses(
        (status = 200, body = Vec<Entry>),
        (status = 503),
    )
)]
pub async fn games(State(gateway): State<Gateway>) -> Result<Json<Vec<Entry>>, Problem> {
    gateway.filled("Failed to list games")?;
    let games = gateway.mirror.games();
    Ok(Json(games.iter().map(|game| Entry::of(game)).collect()))
}

/// Whatever is not served.
pub async fn nothing() -> Problem {
    let words = "there is nothing here; /openapi.json says what there is";
    Problem::not_found("not_found", words.to_owned())
}

/// The sessions that this caller may see, in no order.
pub fn seen(gateway: &Gateway, caller: &Caller) -> Vec<Shown> {
    let mut sessions = gateway.mirror.sessions();
    sessions.retain(|shown| gateway.sees(caller, &shown.session.spec.user));
    sessions
}

/// A text that is JSON already.
pub fn json(text: String) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, Body::from(text)).into_response()
}
