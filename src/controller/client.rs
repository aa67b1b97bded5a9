//! The connection to the API server: HTTP/2 where it speaks it, TCP_NODELAY, no retries of its own, watches looked
//! at as they pass. Connecting happens at a call, so building never waits for the API server; where it fails, the
//! configuration is read anew.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use rustls_pki_types::ServerName;
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceBuilder};

use super::renewed::{Make, Renewed};

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no usable kubeconfig (KUBECONFIG, ~/.kube/config) and not inside a Pod")]
    NoConfig(#[source] kube::config::InferConfigError),
    #[error("the kubeconfig cannot be used")]
    Unusable(#[source] kube::Error),
}

/// The client that the environment names.
pub async fn connect(watches: &WatchAges) -> Result<Client, ClientError> {
    let watches = watches.clone();
    let way = move |config: &Config| {
        let hyper = HyperClient::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PONG)
            .http2_keep_alive_while_idle(true)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .build::<_, Body>(https(config)?);
        let stack = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .option_layer(config.auth_layer()?)
            .layer(config.extra_headers_layer()?)
            .map_err(BoxError::from)
            .service(hyper);
        Ok::<_, kube::Error>(Bounded::new(stack, watches.clone()))
    };
    let config = read().await?;
    let first = way(&config).map_err(ClientError::Unusable)?;
    let way = Arc::new(way);
    let again: Make<_> = Box::new(move || {
        let way = way.clone();
        async move { way(&read().await?).map_err(ClientError::Unusable) }.boxed()
    });
    let renewed = Renewed::new(first, again);
    Ok(Client::new(renewed, config.default_namespace))
}

async fn read() -> Result<Config, ClientError> {
    Config::infer().await.map_err(ClientError::NoConfig)
}

/// kube's own connector speaks HTTP/1.1 only: a connection for each call under way, and a third more of our CPU.
fn https(config: &Config) -> Result<HttpsConnector<HttpConnector>, kube::Error> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    // Off by default: 40 ms spikes of Nagle's algorithm with delayed acknowledgements.
    http.set_nodelay(true);
    http.set_connect_timeout(config.connect_timeout);
    let tls = config.rustls_client_config()?;
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone())
            .map_err(|error| kube::Error::Service(Box::new(error)))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(builder.enable_all_versions().wrap_connector(http))
}

/// All calls share one connection, so that one which died without a word must not hold them longer than the
/// deadline of a call twice.
const PING: Duration = Duration::from_secs(5);
const PONG: Duration = Duration::from_secs(5);
/// Bytes that may be on their way: a page of a list in one piece, and less than hyper's megabytes.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The longest wait for an answer to begin. Without it a list, or the start of a watch, that an API server or a
/// proxy swallowed would be waited for until the next list of the slow clock.
const ANSWER: Duration = Duration::from_secs(10);

/// Bounds the wait for each answer, and notes when a watch of ours was answered.
pub struct Bounded<S> {
    stack: S,
    watches: WatchAges,
}

impl<S> Bounded<S> {
    /// Over any stack of a client.
    pub fn new(stack: S, watches: WatchAges) -> Self {
        Bounded { stack, watches }
    }
}

impl<S, B> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (kind, watches) = (watched_kind(&request), self.watches.clone());
        let answer = self.stack.call(request);
        Box::pin(async move {
            let response = tokio::time::timeout(ANSWER, answer)
                .await
                .map_err(|_| format!("no answer within {} s", ANSWER.as_secs()))??;
            if let Some(kind) = kind
                && response.status().is_success()
            {
                watches.answered(kind);
            }
            Ok(response)
        })
    }
}

/// The plural of the kind, if the request starts a watch of ours.
fn watched_kind(request: &Request<Body>) -> Option<&'static str> {
    let uri = request.uri();
    let watch = uri.query()?.split('&').any(|pair| pair == "watch=true");
    let last = uri.path().rsplit('/').next()?;
    let known = KINDS.into_iter().find(|kind| *kind == last);
    known.filter(|_| watch)
}

/// What we watch.
const KINDS: [&str; 5] = ["gamesessions", "games", "pods", "nodes", "services"];

/// When the API server last answered the start of each watch. A watch is started anew every 30 s.
#[derive(Clone, Debug, Default)]
pub struct WatchAges(Arc<Mutex<Vec<(&'static str, Instant)>>>);

impl WatchAges {
    fn answered(&self, kind: &'static str) {
        let mut ages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ages.retain(|(known, _)| *known != kind);
        ages.push((kind, Instant::now()));
    }

    /// Whether the start of a watch of this kind was answered after `then`.
    pub fn answered_since(&self, kind: &str, then: Instant) -> bool {
        let ages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ages.iter().any(|(known, at)| *known == kind && *at > then)
    }

    /// How long ago the start of a watch of this kind was answered; None: never.
    pub fn age(&self, kind: &str) -> Option<Duration> {
        let ages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, at) = ages.iter().find(|(known, _)| *known == kind)?;
        Some(at.elapsed())
    }

    /// Seconds since the last answer, for each kind that was ever answered.
    pub fn seconds(&self) -> Vec<(&'static str, f64)> {
        let ages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |(kind, at): &(&'static str, Instant)| (*kind, at.elapsed().as_secs_f64());
        ages.iter().map(age).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_list_that_nobody_answers_is_given_up() {
        let silent = tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, BoxError>>()
        });
        let mut bounded = Bounded {
            stack: silent,
            watches: WatchAges::default(),
        };
        let began = Instant::now();
        let request = Request::get("/apis/dillinger.dev/v1alpha1/gamesessions?limit=100");
        let answer = bounded.call(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.unwrap_err().to_string(), "no answer within 10 s");
        assert_eq!(began.elapsed(), ANSWER);
    }

    #[test]
    fn only_the_start_of_a_watch_of_ours_counts() {
        let kind = |uri: &str| watched_kind(&Request::get(uri).body(Body::empty()).unwrap());
        let base = "https://h/apis/dillinger.dev/v1alpha1/gamesessions";
        assert_eq!(kind(&format!("{base}?limit=100")), None);
        assert_eq!(
            kind(&format!("{base}?a=b&watch=true")),
            Some("gamesessions")
        );
        assert_eq!(
            kind("https://h/apis/dillinger.dev/v1alpha1/namespaces/n/games?watch=true"),
            Some("games")
        );
        assert_eq!(kind("https://h/api/v1/pods?watch=true"), Some("pods"));
        assert_eq!(kind("https://h/api/v1/secrets?watch=true"), None);
    }
}
