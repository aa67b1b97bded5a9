//! Takes connections and answers on them, with limits that a slow or greedy client cannot pass: connections at once, time to
//! send a request's head, its size. At the end what is under way is finished, for a while.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections at once, a few kilobytes each; more wait to be taken.
const MOST: usize = 4_096;
/// The longest that a client takes for the head of a request, and a connection stays without one.
const HEAD: Duration = Duration::from_secs(15);
/// Largest head of a request, in bytes: a token and some headers.
const LARGEST_HEAD: usize = 64 * 1024;
/// Most headers of a request.
const HEADERS: usize = 64;
/// What is under way at the end may finish within this.
const DRAIN: Duration = Duration::from_secs(10);
/// After an accept that failed for want of something (file descriptors, memory).
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes that the kernel keeps for a client that does not read. Left to itself it keeps megabytes, for each of them; with less
/// than this, long answers to clients far away would wait for their acknowledgements.
const UNREAD: u32 = 128 * 1024;
/// Connections that wait to be taken.
const WAITING: u32 = 1_024;

/// Listens there; what is accepted inherits the bound of what may lie unread.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As TcpListener::bind does: connections of a gateway that ended do not keep the next one from its address.
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(UNREAD)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Answers until `stop`, then finishes.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let (graceful, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(MOST)));
    let builder = {
        let mut builder = Builder::new(TokioExecutor::new()).http1_only();
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(LARGEST_HEAD)
            .max_headers(HEADERS);
        builder
    };
    loop {
        let taken = tokio::select! {
            taken = take(&listener, &places) => taken,
            () = stop.cancelled() => break,
        };
        let (stream, peer, place) = taken;
        let service = router
            .clone()
            .map_request(move |request: http::Request<_>| {
                let mut request = request.map(axum::body::Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                request
            });
        let service = TowerToHyperService::new(service);
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that went, or sent no HTTP, is nobody's failure.
            if let Err(error) = watched.await {
                tracing::debug!(%peer, error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("shutdown: requests still under way are cut off");
    }
}

async fn take(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit) {
    let place = places.clone().acquire_owned().await;
    let place = place.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Off by default: answers in two pieces would wait 40 ms for each other.
                let _ = stream.set_nodelay(true);
                return (stream, peer, place);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
