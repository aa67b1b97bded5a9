//! Asks the API server for its version, and by that: is it there, and do our clocks agree?
//!
//! Also waits at the start for the name of the cluster. Each call is bounded; waiting is all it does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::client::Body;
use kube::{Api, Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::clock::{agrees, parse_date};
use super::context::Context;
use super::patch::words;
use crate::telemetry::health::{Health, Part};

/// Between two questions while all is well, and while it is not.
const WELL: Duration = Duration::from_secs(10);
const ILL: Duration = Duration::from_secs(1);
const CALL: Duration = Duration::from_secs(3);

/// The UID of kube-system, which names the cluster; waits for it as long as it takes. None: told to stop.
pub async fn cluster(client: &Client, health: &Health, stop: &CancellationToken) -> Option<String> {
    let api: Api<Namespace> = Api::all(client.clone());
    loop {
        let why = match tokio::time::timeout(CALL, api.get("kube-system")).await {
            Ok(Ok(namespace)) => match namespace.uid() {
                Some(uid) => {
                    health.there(Part::ApiServer);
                    return Some(uid);
                }
                None => "namespace kube-system has no uid".to_owned(),
            },
            Ok(Err(error)) => words(&error),
            Err(_) => "no answer in time".to_owned(),
        };
        health.missing(Part::ApiServer, why);
        tokio::select! {
            () = tokio::time::sleep(ILL) => {}
            () = stop.cancelled() => return None,
        }
    }
}

/// Asks until `stop`.
pub async fn run(ctx: Arc<Context>, client: Client, health: Health, stop: CancellationToken) {
    loop {
        let wait = match ask(&client).await {
            Ok(served) => {
                health.there(Part::ApiServer);
                compare(&ctx, served)
            }
            Err(why) => {
                health.missing(Part::ApiServer, why);
                ILL
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Deadlines act from the first time on that the clocks agree.
fn compare(ctx: &Context, served: Option<Timestamp>) -> Duration {
    if ctx.clock_trusted.load(Ordering::Relaxed) {
        return WELL;
    }
    let ours = ctx.clock.now();
    match served {
        Some(served) if agrees(ours, served) => {
            tracing::debug!("our clock and the API server's agree");
            ctx.clock_trusted.store(true, Ordering::Relaxed);
            for session in ctx.cache.all() {
                ctx.triggers.fire(session);
            }
            WELL
        }
        Some(served) => {
            tracing::warn!(%ours, %served, "our clock and the API server's differ by more than 60 s: no deadline acts until they agree");
            WELL
        }
        None => ILL,
    }
}

/// The Date of an answer; None if it carried none that can be read.
async fn ask(client: &Client) -> Result<Option<Timestamp>, String> {
    let request = Request::get("/version").body(Body::empty());
    let request = request.map_err(|error| error.to_string())?;
    match tokio::time::timeout(CALL, client.send(request)).await {
        Ok(Ok(response)) => {
            let date = response.headers().get(http::header::DATE);
            Ok(date.and_then(|date| parse_date(date.to_str().ok()?)))
        }
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
