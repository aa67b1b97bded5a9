//! From a configuration to a gateway that answers, until it is told to stop. What is missing is waited for; `/health` says
//! what it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::request_id::{
    MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::set_header::SetResponseHeaderLayer;

use super::accept;
use super::auth::{Auth, Mode};
use super::backend::Backend;
use super::bearer::Anonymous;
use super::door::{self, Origins};
use super::limits::Limits;
use super::mirror::Mirror;
use super::problem::Problem;
use super::rights::{Need, needed};
use super::state::{Gateway, Inner};
use super::{api_runner, detail, doc, events, logs, page, routes, writes};
use crate::config::gateway::{AuthMode, GatewayConfig};
use crate::controller::client::{self, WatchAges};
use crate::controller::jitter::Jitter;
use crate::controller::log_port::Token;
use crate::controller::watches::Watch;
use crate::session::quoted::plain;
use crate::telemetry::health::{Health, Part};

/// Largest body of a request; the old runner took 10 MB and read three members of it.
const LARGEST_BODY: usize = 1024 * 1024;
/// Longest that a request takes until its answer begins, the wait of a create excepted.
const LONGEST: Duration = Duration::from_secs(30);

/// Serves until `stop`. `backend` is the controller's admin port and what it knows us by.
pub async fn gateway(
    config: GatewayConfig,
    backend: Option<(String, Option<Token>)>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = accept::listen(config.address)
        .with_context(|| format!("--gateway-address {}: cannot listen there", config.address))?;
    let address = listener
        .local_addr()
        .context("the gateway has no address")?;
    let ages = WatchAges::default();
    let client = client::connect(&ages).await?;
    let mode = match config.auth {
        AuthMode::None => Mode::Open(client.clone()),
        AuthMode::Kubernetes => Mode::Kubernetes {
            client: client.clone(),
            audience: config.audience.clone(),
        },
        AuthMode::Passthrough => Mode::Passthrough(Box::new(Anonymous::connect().await?)),
    };
    let gateway = Gateway(Arc::new(Inner {
        namespace: config.namespace.clone(),
        mirror: Mirror::default(),
        health: Health::new(),
        auth: Auth::new(
            mode,
            config.namespace.clone(),
            Limits::new(config.rate_limit),
        ),
        own_only: config.own_sessions_only,
        origins: Origins(config.cors_origins.clone()),
        backend: backend.map(|(url, token)| Backend::new(&url, token)),
        wait: config.create_wait,
        started: Instant::now(),
        stop: stop.clone(),
    }));
    let (auth, namespace) = (config.auth.as_str(), &config.namespace);
    tracing::info!(%address, namespace, auth, "the gateway answers");
    let follows = follow(&gateway, &client, &ages);
    let router = router(gateway.clone());
    tokio::select! {
        () = accept::serve(listener, router, stop) => {}
        () = follows => anyhow::bail!("a watch of the gateway ended"),
    }
    tracing::info!("the gateway stopped");
    Ok(())
}

/// Keeps the copy; never ends.
async fn follow(gateway: &Gateway, client: &Client, ages: &WatchAges) {
    let watch = |part, kind| Watch {
        part,
        kind,
        health: gateway.health.clone(),
        ages: ages.clone(),
        jitter: Jitter::random(),
    };
    let namespace = &gateway.namespace;
    let (sessions, games) = (gateway.mirror.clone(), gateway.mirror.clone());
    let api = Api::namespaced(client.clone(), namespace);
    let sessions =
        watch(Part::Sessions, "gamesessions").follow(api, move |saw| sessions.saw_session(saw));
    let api = Api::namespaced(client.clone(), namespace);
    let games = watch(Part::Games, "games").follow(api, move |saw| games.saw_game(saw));
    tokio::select! {
        () = sessions => {}
        () = games => {}
    }
}

/// All routes and what stands before them, the outermost first.
pub fn router(gateway: Gateway) -> Router {
    let origins = gateway
        .origins
        .0
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    let named = HeaderName::from_static;
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            named("idempotency-key"),
            named("prefer"),
            named("last-event-id"),
            named("x-request-id"),
        ])
        .expose_headers([
            header::LOCATION,
            header::LINK,
            header::RETRY_AFTER,
            named("x-continue"),
            named("x-request-id"),
        ]);
    let sniff = HeaderValue::from_static("nosniff");
    let before = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(middleware::from_fn(told))
        .layer(SetResponseHeaderLayer::overriding(
            header::X_CONTENT_TYPE_OPTIONS,
            sniff,
        ))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_server_error",
                None,
            )
            .into_response()
        }))
        .layer(middleware::from_fn_with_state(gateway.clone(), at_the_door))
        .layer(cors)
        .layer(middleware::from_fn_with_state(gateway.wait, in_time))
        .layer(middleware::from_fn_with_state(gateway.clone(), enter))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    page::with_page(Router::new())
        .route("/health", get(routes::health))
        .route("/openapi.json", get(doc::description))
        .route("/sessions", get(routes::list).post(writes::create))
        .route("/sessions/{id}", get(routes::get).delete(writes::delete))
        .route("/sessions/{id}/stop", post(writes::stop))
        .route("/sessions/{id}/start", post(writes::start))
        .route("/sessions/{id}/logs", get(logs::logs))
        .route("/sessions/{id}/resource", get(detail::resource))
        .route("/sessions/{id}/events", get(detail::happenings))
        .route("/containers", get(routes::containers))
        .route("/games", get(routes::games))
        .route("/events", get(events::events))
        .route("/api/runner/health", get(api_runner::health))
        .route("/api/runner/launch", post(api_runner::launch))
        .route("/api/runner/sessions", get(api_runner::list))
        .route(
            "/api/runner/sessions/{id}",
            get(api_runner::get).delete(api_runner::delete),
        )
        .fallback(routes::nothing)
        .method_not_allowed_fallback(not_allowed)
        .layer(before)
        .with_state(gateway)
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", None)
}

/// The access log: one line a request, when its answer begins.
async fn told(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), plain(request.uri().path(), 200));
    let id = request.extensions().get::<RequestId>().cloned();
    let response = next.run(request).await;
    let id = id
        .as_ref()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default();
    let (status, ms) = (
        response.status().as_u16(),
        began.elapsed().as_secs_f64() * 1e3,
    );
    let request = plain(id, 64);
    if path == "/health" {
        // Asked for every few seconds, by machines.
        tracing::debug!(%method, path, status, ms, request, "answered");
    } else {
        tracing::info!(%method, path, status, ms, request, "answered");
    }
    response
}

/// On loopback without authentication, a browser that was led here by another page stays outside.
async fn at_the_door(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    if gateway.auth.is_open()
        && let Err(problem) = door::check(request.headers(), &gateway.origins)
    {
        return problem.into_response();
    }
    next.run(request).await
}

async fn in_time(State(wait): State<Duration>, request: Request, next: Next) -> Response {
    let limit = LONGEST + wait;
    let answered = tokio::time::timeout(limit, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        let words = format!("no answer within {} s", limit.as_secs());
        Problem::unavailable("timeout", words).into_response()
    })
}

/// Who calls, and whether they may. What is no call of ours is told so without asking.
async fn enter(
    State(gateway): State<Gateway>,
    path: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let need = path.map(|path| needed(request.method(), path.as_str()));
    let right = match need {
        None | Some(Some(Need::Nothing)) => return next.run(request).await,
        Some(None) => return not_allowed().await.into_response(),
        Some(Some(Need::Right(right))) => right,
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |ConnectInfo(peer)| {
        *peer
    });
    let caller = match gateway.auth.caller(request.headers(), peer.ip()).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if let Err(problem) = gateway.auth.allow(&caller, right).await {
        return problem.into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

#[cfg(test)]
mod tests;
