//! The way to the API server as the configuration stands now. Where no connection can be made, or the server does not
//! know us, the kubeconfig (in a Pod: what is mounted there) is read anew and the way is made anew: a rotated CA, a
//! renewed certificate, another address. What runs over the old way ends on it. Never waits for the reading.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use hyper_util::client::legacy::Error as HyperError;
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Service};

use super::client::ClientError;

/// Between two readings: an API server that is away is no reason to read a file each second.
const EVERY: Duration = Duration::from_secs(10);

/// Reads the configuration and makes a way.
pub type Make<S> = Box<dyn Fn() -> BoxFuture<'static, Result<S, ClientError>> + Send + Sync>;

/// One way after another.
pub struct Renewed<S> {
    way: S,
    renewal: Arc<Renewal<S>>,
}

struct Renewal<S> {
    make: Make<S>,
    state: Mutex<State<S>>,
}

struct State<S> {
    asked: Option<Instant>,
    made: Option<S>,
}

impl<S> Renewed<S> {
    pub fn new(way: S, make: Make<S>) -> Self {
        let state = Mutex::new(State {
            asked: None,
            made: None,
        });
        let renewal = Arc::new(Renewal { make, state });
        Renewed { way, renewal }
    }
}

impl<S: Send + 'static> Renewal<S> {
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to make a way, unless that was begun a moment ago.
    fn ask(self: &Arc<Self>) {
        {
            let (mut state, now) = (self.state(), Instant::now());
            if state.asked.is_some_and(|asked| now < asked + EVERY) {
                return;
            }
            state.asked = Some(now);
        }
        let renewal = self.clone();
        tokio::spawn(async move {
            match (renewal.make)().await {
                Ok(made) => {
                    tracing::debug!("the configuration was read anew");
                    renewal.state().made = Some(made);
                }
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    tracing::warn!("the configuration cannot be read anew: {error:#}");
                }
            }
        });
    }
}

impl<S, B> Service<Request<Body>> for Renewed<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Send + 'static,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let Some(made) = self.renewal.state().made.take() {
            self.way = made;
        }
        self.way.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (answer, renewal) = (self.way.call(request), self.renewal.clone());
        Box::pin(async move {
            let answer = answer.await;
            let lost = match &answer {
                Ok(response) => response.status() == StatusCode::UNAUTHORIZED,
                Err(error) => not_connected(error.as_ref()),
            };
            if lost {
                renewal.ask();
            }
            answer
        })
    }
}

/// No connection was made: refused, or one of the two does not trust the other.
fn not_connected(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HyperError>() {
            return error.is_connect();
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt;
    use tower::ServiceExt;

    use super::*;

    /// A way that answers so.
    #[derive(Clone, Copy)]
    struct Answers(StatusCode);

    impl Service<Request<Body>> for Answers {
        type Response = Response<()>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Response<()>, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let response = Response::builder().status(self.0).body(());
            std::future::ready(response.map_err(BoxError::from))
        }
    }

    async fn asked(ways: &mut Renewed<Answers>) -> StatusCode {
        let request = Request::get("/version").body(Body::empty()).unwrap();
        let ready = ways.ready().await.unwrap();
        let status = ready.call(request).await.unwrap().status();
        // What it began goes on.
        tokio::task::yield_now().await;
        status
    }

    /// Ways of which the first answers so and all others well; and how many others were made.
    fn ways(first: StatusCode) -> (Renewed<Answers>, Arc<AtomicUsize>) {
        let made = Arc::<AtomicUsize>::default();
        let count = made.clone();
        let make: Make<Answers> = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(Answers(StatusCode::OK))).boxed()
        });
        (Renewed::new(Answers(first), make), made)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_know_us_is_asked_by_the_configuration_as_it_is_now() {
        let (mut ways, made) = ways(StatusCode::UNAUTHORIZED);
        assert_eq!(asked(&mut ways).await, StatusCode::UNAUTHORIZED);
        assert_eq!(asked(&mut ways).await, StatusCode::OK);
        assert_eq!(asked(&mut ways).await, StatusCode::OK);
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_only_forbidden_or_failing_keeps_its_way() {
        for status in [StatusCode::FORBIDDEN, StatusCode::INTERNAL_SERVER_ERROR] {
            let (mut ways, made) = ways(status);
            for _ in 0..3 {
                assert_eq!(asked(&mut ways).await, status);
            }
            assert_eq!(made.load(Ordering::Relaxed), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_configuration_that_does_not_help_is_read_every_ten_seconds() {
        let made = Arc::<AtomicUsize>::default();
        let count = made.clone();
        let make: Make<Answers> = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(Answers(StatusCode::UNAUTHORIZED))).boxed()
        });
        let mut ways = Renewed::new(Answers(StatusCode::UNAUTHORIZED), make);
        for _ in 0..60 {
            asked(&mut ways).await;
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(made.load(Ordering::Relaxed), 6);
    }
}
