//! The connection to the API server: HTTP/2 where it speaks it, TCP_NODELAY, no retries of its own, watches looked
//! at as they pass. Connecting happens at a call, so building never waits for the API server; where it fails, the
//! configuration is read anew.

use std::collections::BTreeMap;
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
        let stack = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .option_layer(config.auth_layer()?)
            .layer(config.extra_headers_layer()?)
            .map_err(BoxError::from)
            .service(hyper(config)?);
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

/// What carries requests, in nobody's name but that of a client certificate.
pub type Hyper = HyperClient<HttpsConnector<HttpConnector>, Body>;

/// The way to this API server. Connects at the first request.
pub fn hyper(config: &Config) -> Result<Hyper, kube::Error> {
    let builder = HyperClient::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PONG)
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .to_owned();
    Ok(builder.build::<_, Body>(https(config)?))
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
        let (watched, watches) = (watched(&request), self.watches.clone());
        let answer = self.stack.call(request);
        Box::pin(async move {
            let response = tokio::time::timeout(ANSWER, answer)
                .await
                .map_err(|_| format!("no answer within {} s", ANSWER.as_secs()))??;
            if let Some(watched) = watched
                && response.status().is_success()
            {
                watches.answered(watched);
            }
            Ok(response)
        })
    }
}

/// One watch: the plural of its kind, and its namespace if it has one.
type Watched = (&'static str, Option<String>);

/// Which watch of ours the request starts.
fn watched(request: &Request<Body>) -> Option<Watched> {
    let uri = request.uri();
    let watch = uri.query()?.split('&').any(|pair| pair == "watch=true");
    let mut path = uri.path().rsplit('/');
    let last = path.next()?;
    let known = KINDS.into_iter().find(|kind| *kind == last);
    let namespace = match (path.next(), path.next()) {
        (Some(name), Some("namespaces")) => Some(name.to_owned()),
        _ => None,
    };
    known.filter(|_| watch).map(|kind| (kind, namespace))
}

/// What we watch.
const KINDS: [&str; 5] = ["gamesessions", "games", "pods", "nodes", "services"];

/// When the API server last answered the start of each watch. A watch is started anew every 30 s.
#[derive(Clone, Debug, Default)]
pub struct WatchAges(Arc<Mutex<Vec<(Watched, Instant)>>>);

impl WatchAges {
    fn answered(&self, watched: Watched) {
        let mut ages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ages.retain(|(known, _)| *known != watched);
        ages.push((watched, Instant::now()));
    }

    /// Whether the start of a watch of this kind was answered after `then`.
    pub fn answered_since(&self, kind: &str, then: Instant) -> bool {
        let ages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ages.iter()
            .any(|((known, _), at)| *known == kind && *at > then)
    }

    /// How long ago the start of this watch was answered; None: never.
    pub fn age(&self, kind: &str, namespace: Option<&str>) -> Option<Duration> {
        let ages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let this = |watched: &Watched| watched.0 == kind && watched.1.as_deref() == namespace;
        let (_, at) = ages.iter().find(|(watched, _)| this(watched))?;
        Some(at.elapsed())
    }

    /// Seconds since the last answer, for each kind that was ever answered; of several namespaces the longest.
    pub fn seconds(&self) -> Vec<(&'static str, f64)> {
        let ages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut longest: BTreeMap<&'static str, f64> = BTreeMap::new();
        for ((kind, _), at) in ages.iter() {
            let age = longest.entry(*kind).or_default();
            *age = age.max(at.elapsed().as_secs_f64());
        }
        longest.into_iter().collect()
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
        let started = |uri: &str| watched(&Request::get(uri).body(Body::empty()).unwrap());
        let everywhere = |kind| Some((kind, None));
        let base = "https://h/apis/dillinger.dev/v1alpha1/gamesessions";
        assert_eq!(started(&format!("{base}?limit=100")), None);
        assert_eq!(
            started(&format!("{base}?a=b&watch=true")),
            everywhere("gamesessions")
        );
        assert_eq!(
            started("https://h/apis/dillinger.dev/v1alpha1/namespaces/n/games?watch=true"),
            Some(("games", Some("n".to_owned())))
        );
        let pods = started("https://h/api/v1/pods?watch=true");
        assert_eq!(pods, everywhere("pods"));
        assert_eq!(started("https://h/api/v1/secrets?watch=true"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_of_one_namespace_that_is_not_answered_is_old_though_another_is() {
        let ages = WatchAges::default();
        let of = |namespace: &str| ("pods", Some(namespace.to_owned()));
        ages.answered(of("a"));
        ages.answered(of("b"));
        let minute = Duration::from_secs(60);
        tokio::time::advance(minute).await;
        ages.answered(of("b"));
        assert_eq!(ages.age("pods", Some("a")), Some(minute));
        assert_eq!(ages.age("pods", Some("b")), Some(Duration::ZERO));
        assert_eq!(ages.age("pods", None), None);
        assert_eq!(ages.seconds(), [("pods", 60.0)]);
    }
}
