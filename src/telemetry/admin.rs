//! The admin port: `/healthz`, `/readyz`, `/metrics`, `PUT /log-level`. Serves until told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::health::Health;
use super::logs::LogLevel;

/// Makes the text of `/metrics`.
pub type Scrape = Arc<dyn Fn() -> String + Send + Sync>;

/// What the admin port shows and sets.
#[derive(Clone)]
pub struct Admin {
    pub health: Health,
    /// None: the level cannot be changed (tests).
    pub log_level: Option<LogLevel>,
    /// Pages of the controller's own.
    pub beside: Router,
    pub scrape: Scrape,
}

/// Why the admin port cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("--admin-address {address}: cannot listen there")]
pub struct ListenError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Takes the address, so that a second controller on it fails before anything else starts.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ListenError { address, source })
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) {
    let served = axum::serve(listener, router(admin))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the admin port failed");
    }
}

fn router(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/log-level", get(log_level).put(set_log_level))
        .with_state(admin.clone())
        .merge(admin.beside)
}

async fn ready(State(admin): State<Admin>) -> Response {
    let (ready, text) = admin.health.report();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, text).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (admin.scrape)()).into_response()
}

async fn log_level(State(admin): State<Admin>) -> Response {
    let Some(level) = &admin.log_level else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match level.get() {
        Ok(text) => format!("{text}\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn set_log_level(State(admin): State<Admin>, body: String) -> Response {
    let Some(level) = &admin.log_level else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match level.set(body.trim()) {
        Ok(()) => {
            tracing::info!(level = body.trim(), "log level set");
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt;

    use super::super::health::Part;
    use super::*;

    async fn ask(health: &Health, path: &str) -> (StatusCode, String) {
        let admin = Admin {
            health: health.clone(),
            log_level: None,
            beside: Router::new(),
            scrape: Arc::new(|| "# EOF\n".to_owned()),
        };
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(admin).oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_names_the_missing_part_and_liveness_does_not_depend_on_it() {
        let health = Health::new();
        let (status, text) = ask(&health, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("[-] engine"), "{text}");
        assert_eq!(ask(&health, "/healthz").await.0, StatusCode::OK);
        for part in Part::ALL {
            health.there(part);
        }
        assert_eq!(ask(&health, "/readyz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn metrics_are_served_as_they_are_made() {
        let (status, text) = ask(&Health::new(), "/metrics").await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "# EOF\n"));
    }
}
