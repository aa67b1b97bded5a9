//! `GET /events`: server-sent events. A snapshot first, then every change; one that is too slow gets a new snapshot.
//!
//! Event names: `snapshot` (an array of sessions), `session` (one of them), `gone` (`{"id"}`). Ids grow within one process;
//! a client that comes back with one gets a snapshot, which holds all that it missed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::stream::{self, Stream, StreamExt};

use super::auth::Caller;
use super::hub::{Backlog, Change, Kind, Told};
use super::mirror::Shown;
use super::problem::Problem;
use super::state::Gateway;

/// Between two signs of life on a silent stream: proxies give one up after 30 s or more.
const ALIVE: Duration = Duration::from_secs(15);
/// After a lost stream a client waits so long before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// One listener.
struct Listener {
    gateway: Gateway,
    caller: Arc<Caller>,
    backlog: Arc<Backlog>,
    /// Told by the backlog, and not yet sent.
    pending: VecDeque<Change>,
    /// The next event is a snapshot.
    anew: bool,
}

/// Every change of a session, as server-sent events: `snapshot` first (an array of all sessions), then `session` (one
/// that changed) and `gone` (`{"id": …}`). Who comes back gets a new snapshot; who is too slow, too.
#[utoipa::path(
    get, path = "/events", tag = "sessions",
    responses(
        (status = 200, description = "A stream of events", body = String, content_type = "text/event-stream"),
        (status = 503),
    )
)]
pub async fn events(
    State(gateway): State<Gateway>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    gateway.filled("Failed to follow sessions")?;
    let (until, stop) = (gateway.stream_limit(), gateway.stop.clone());
    // Listening before the snapshot is taken: what changes in between is told after it.
    let listener = Listener {
        backlog: gateway.mirror.hub.listen(),
        gateway,
        caller,
        pending: VecDeque::new(),
        anew: true,
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await;
        Some((Ok(event), listener))
    });
    let events = events
        .take_until(tokio::time::sleep(until))
        .take_until(async move { stop.cancelled().await });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)))
}

impl Listener {
    async fn next(&mut self) -> Event {
        loop {
            if std::mem::take(&mut self.anew) {
                return self.snapshot();
            }
            if let Some(change) = self.pending.pop_front() {
                if !self.gateway.sees(&self.caller, &change.user) {
                    continue;
                }
                let name = match change.kind {
                    Kind::Session => "session",
                    Kind::Gone => "gone",
                };
                return Event::default()
                    .id(change.number.to_string())
                    .event(name)
                    .data(&*change.text);
            }
            match self.backlog.next().await {
                Told::Changes(changes) => self.pending.extend(changes),
                Told::Anew => self.anew = true,
            }
        }
    }

    fn snapshot(&self) -> Event {
        let number = self.gateway.mirror.hub.number();
        let sessions = self.gateway.mirror.sessions();
        let seen = sessions
            .iter()
            .filter(|one| self.gateway.sees(&self.caller, &one.session.spec.user));
        Event::default()
            .id(number.to_string())
            .event("snapshot")
            .retry(RETRY)
            .data(array(seen))
    }
}

/// The texts as one JSON array.
pub fn array<'a>(shown: impl Iterator<Item = &'a Shown>) -> String {
    let mut text = String::from("[");
    for one in shown {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&one.text);
    }
    text.push(']');
    text
}
