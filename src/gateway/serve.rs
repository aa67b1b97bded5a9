//! From a configuration to a gateway that answers, until it is told to stop. What is missing is waited for; `/health` says
//! what it is.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::door::{self, Origins};
use super::mirror::Mirror;
use super::problem::Problem;
use super::state::{Gateway, Inner};
use super::{events, routes};
use crate::controller::client::WatchAges;
use crate::controller::jitter::Jitter;
use crate::controller::watches::Watch;
use crate::telemetry::health::{Health, Part};

/// Largest body of a request; the old runner took 10 MB and read three members of it.
const LARGEST_BODY: usize = 1024 * 1024;
/// Longest that a request may take, the stream of events and the wait of a create excepted.
const LONGEST: Duration = Duration::from_secs(30);
/// What is under way at the end may finish within this.
const DRAIN: Duration = Duration::from_secs(10);

/// How a gateway is set up.
pub struct Setup {
    pub client: Client,
    pub ages: WatchAges,
    pub namespace: String,
    pub origins: Origins,
    pub wait: Duration,
    pub jitter: Jitter,
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, setup: Setup, stop: CancellationToken) -> anyhow::Result<()> {
    let Setup {
        client,
        ages,
        namespace,
        origins,
        wait,
        jitter,
    } = setup;
    let health = Health::of(&[Part::Sessions, Part::Games]);
    let mirror = Mirror::default();
    let gateway = Gateway(Arc::new(Inner {
        client: client.clone(),
        namespace: namespace.clone(),
        mirror: mirror.clone(),
        health: health.clone(),
        origins,
        wait,
        started: Instant::now(),
    }));
    let watch = |part, kind| Watch {
        part,
        kind,
        health: health.clone(),
        ages: ages.clone(),
        jitter: jitter.clone(),
    };
    let sessions = {
        let (api, mirror) = (Api::namespaced(client.clone(), &namespace), mirror.clone());
        watch(Part::Sessions, "gamesessions").follow(api, move |saw| mirror.saw_session(saw))
    };
    let games = {
        let api = Api::namespaced(client, &namespace);
        watch(Part::Games, "games").follow(api, move |saw| mirror.saw_game(saw))
    };
    let address = listener.local_addr().context("the gateway has no address")?;
    tracing::info!(%address, namespace, "the gateway answers");
    let ended = stop.clone();
    let served = axum::serve(listener, router(gateway)).with_graceful_shutdown(stop.cancelled_owned());
    tokio::select! {
        served = drained(served.into_future(), ended) => served.context("the gateway failed")?,
        () = sessions => {}
        () = games => {}
    }
    Ok(())
}

/// Streams of events never end by themselves: what is not done some time after the end was asked for is cut.
async fn drained(
    served: impl Future<Output = std::io::Result<()>>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    tokio::pin!(served);
    tokio::select! {
        served = &mut served => return served,
        () = stop.cancelled() => {}
    }
    tokio::time::timeout(DRAIN, served).await.unwrap_or(Ok(()))
}

/// Takes the address before anything else starts.
///
/// # Errors
/// It is in use, or not of this machine.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("--address {address}: cannot listen there"))
}

/// All routes and what stands before them.
pub fn router(gateway: Gateway) -> Router {
    let bounded = Router::new()
        .route("/health", get(routes::health))
        .route("/sessions", get(routes::list))
        .route("/sessions/{id}", get(routes::get).delete(routes::delete))
        .route("/sessions/{id}/stop", post(routes::stop))
        .route("/sessions/{id}/start", post(routes::start))
        .route("/containers", get(routes::containers))
        .route("/games", get(routes::games))
        .layer(middleware::from_fn(in_time));
    Router::new()
        .route("/sessions", post(routes::create))
        .route("/events", get(events::events))
        .merge(bounded)
        .fallback(routes::nothing)
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", None)
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(gateway.clone(), enter))
        .with_state(gateway)
}

async fn in_time(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(LONGEST, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        let words = format!("no answer within {} s", LONGEST.as_secs());
        Problem::unavailable("timeout", words).into_response()
    })
}

/// Who may come in, what a browser is told, and the access log.
async fn enter(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match door::check(request.headers(), &gateway.origins) {
        Err(problem) => problem.into_response(),
        Ok(()) if method == Method::OPTIONS && origin.is_some() => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    let allowed = origin.filter(|origin| origin.to_str().is_ok_and(|one| gateway.origins.allows(one)));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, DELETE"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Content-Type, Authorization, Idempotency-Key, Prefer, Last-Event-ID"),
        );
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Location, Retry-After, X-Continue"),
        );
    }
    tracing::info!(
        %method, path, status = response.status().as_u16(), ms = began.elapsed().as_millis() as u64, "answered"
    );
    response
}
