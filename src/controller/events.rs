//! Kubernetes Events, off the hot path: a bounded queue, a token bucket, each said once in ten minutes.
//!
//! `publish` never waits; what does not fit is dropped and counted. One task sends.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::clock::Clock;
use super::gate::{API_DEADLINE, Labelled};
use super::patch::words;
use crate::api::GameSession;
use crate::session::plan::Event;
use crate::telemetry::metrics::Metrics;

/// Events that may wait; a burst of 500 sessions with two each fits.
const QUEUE: usize = 1024;
/// Sent at once, and a second: what an API server carries without noticing.
const AT_ONCE: u32 = 50;
const A_SECOND: u32 = 20;
/// The same words about the same session are said once in this time.
const ONCE_IN: Duration = Duration::from_secs(600);
/// What is remembered as said; beyond it the oldest half goes.
const REMEMBERED: usize = 4096;
/// Bytes of a note that the API server takes.
const LONGEST_NOTE: usize = 1000;

/// Where Events are handed over.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<(ObjectReference, Event)>,
    metrics: Arc<Metrics>,
}

/// The task behind: sends until every [`Events`] is dropped.
pub struct Sender {
    queue: mpsc::Receiver<(ObjectReference, Event)>,
    client: Client,
    clock: Clock,
    metrics: Arc<Metrics>,
    reporter: String,
    bucket: Bucket,
    said: Said,
}

/// A queue and the task that empties it. `instance` names this process.
pub fn channel(
    client: Client,
    clock: Clock,
    metrics: Arc<Metrics>,
    instance: String,
) -> (Events, Sender) {
    let (send, receive) = mpsc::channel(QUEUE);
    let events = Events {
        queue: send,
        metrics: metrics.clone(),
    };
    let sender = Sender {
        queue: receive,
        client,
        clock,
        metrics,
        reporter: instance,
        bucket: Bucket::new(AT_ONCE, A_SECOND),
        said: Said::default(),
    };
    (events, sender)
}

impl Events {
    /// Hands one over; drops and counts it if too many wait.
    pub fn publish(&self, session: &GameSession, event: Event) {
        let regarding = session.object_ref(&());
        self.hand_over(regarding, event);
    }

    /// The same about a session of which only a reference is known.
    pub fn hand_over(&self, regarding: ObjectReference, event: Event) {
        if self.queue.try_send((regarding, event)).is_err() {
            self.metrics.events_dropped.inc();
        }
    }
}

impl Sender {
    pub async fn run(mut self) {
        while let Some((regarding, event)) = self.queue.recv().await {
            let key = key(&regarding, &event);
            if self.said.already(key, Instant::now()) {
                continue;
            }
            while let Err(wait) = self.bucket.take() {
                tokio::time::sleep(wait).await;
            }
            self.send(regarding, event).await;
        }
    }

    async fn send(&self, regarding: ObjectReference, event: Event) {
        let namespace = regarding.namespace.clone().unwrap_or_default();
        let api: Api<v1::Event> = Api::namespaced(self.client.clone(), &namespace);
        let body = body(
            regarding,
            event,
            &self.reporter,
            MicroTime(self.clock.now()),
        );
        let (params, sent) = (PostParams::default(), Instant::now());
        let answer = tokio::time::timeout(API_DEADLINE, api.create(&params, &body)).await;
        let failed = match &answer {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.label()),
            Err(_) => Some("no_answer"),
        };
        self.metrics.api_call("event", sent.elapsed(), failed);
        match answer {
            Ok(Ok(_)) => {
                self.metrics.events.inc();
            }
            Ok(Err(error)) => {
                tracing::warn!(error = words(&error), "an Event was not taken");
                self.metrics.events_dropped.inc();
            }
            Err(_) => {
                self.metrics.events_dropped.inc();
            }
        }
    }
}

fn key(regarding: &ObjectReference, event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&regarding.uid, event.reason, &event.message).hash(&mut hasher);
    hasher.finish()
}

/// As client-go names Events: the object's name and a number of its own, at most 253 characters.
fn event_name(object: &str, said: u64) -> String {
    let mut end = object.len().min(253 - 17);
    while !object.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}.{said:016x}", object[..end].trim_end_matches(['.', '-']))
}

fn body(regarding: ObjectReference, event: Event, reporter: &str, now: MicroTime) -> v1::Event {
    let name = regarding.name.clone().unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (key(&regarding, &event), now.0.as_nanosecond()).hash(&mut hasher);
    let said = hasher.finish();
    let mut note = event.message;
    let mut end = note.len().min(LONGEST_NOTE);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.truncate(end);
    v1::Event {
        metadata: ObjectMeta {
            name: Some(event_name(&name, said)),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some("Reconcile".to_owned()),
        reason: Some(event.reason.as_str().to_owned()),
        type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
        note: Some(note),
        event_time: Some(now),
        reporting_controller: Some("dillinger.dev/runner".to_owned()),
        reporting_instance: Some(reporter.to_owned()),
        regarding: Some(regarding),
        ..v1::Event::default()
    }
}

/// What was said, and when.
#[derive(Debug, Default)]
struct Said(HashMap<u64, Instant>);

impl Said {
    /// Whether it was said within [`ONCE_IN`]; it counts as said from now on.
    fn already(&mut self, key: u64, now: Instant) -> bool {
        if let Some(at) = self.0.get(&key)
            && now.saturating_duration_since(*at) < ONCE_IN
        {
            return true;
        }
        if self.0.len() >= REMEMBERED {
            let mut times: Vec<_> = self.0.values().copied().collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            self.0.retain(|_, at| *at > middle);
        }
        self.0.insert(key, now);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::reason::Reason;

    fn regarding() -> ObjectReference {
        ObjectReference {
            name: Some("friday".to_owned()),
            namespace: Some("games".to_owned()),
            uid: Some("u".to_owned()),
            ..ObjectReference::default()
        }
    }

    fn event(message: &str) -> Event {
        Event {
            warning: true,
            reason: Reason::NameConflict,
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_same_words_about_a_session_are_said_once_in_ten_minutes() {
        let mut said = Said::default();
        let (now, words) = (Instant::now(), key(&regarding(), &event("taken")));
        assert!(!said.already(words, now));
        assert!(said.already(words, now + ONCE_IN / 2));
        assert!(!said.already(key(&regarding(), &event("other words")), now));
        assert!(!said.already(words, now + ONCE_IN));
    }

    #[test]
    fn what_is_remembered_as_said_is_bounded() {
        let mut said = Said::default();
        let now = Instant::now();
        for n in 0..3 * REMEMBERED as u64 {
            said.already(n, now + Duration::from_millis(n));
        }
        assert!(said.0.len() <= REMEMBERED);
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let now = MicroTime(jiff::Timestamp::UNIX_EPOCH);
        let note = body(regarding(), event(&"ä".repeat(2000)), "me", now)
            .note
            .unwrap();
        assert!(note.len() <= LONGEST_NOTE && note.chars().all(|c| c == 'ä'));
    }

    #[test]
    fn the_name_of_an_event_is_legal_however_long_the_sessions_name_is() {
        assert_eq!(event_name("friday", 1), "friday.0000000000000001");
        let long = format!("{}-{}", "a".repeat(235), "b".repeat(20));
        let name = event_name(&long, 1);
        assert!(name.len() <= 253 && !name.contains("-."), "{name}");
    }

    #[tokio::test]
    async fn a_queue_that_is_full_drops_and_counts_and_never_waits() {
        let metrics = Arc::new(Metrics::new());
        let service = tower::service_fn(|_| async {
            std::future::pending::<Result<http::Response<kube::client::Body>, tower::BoxError>>()
                .await
        });
        let client = Client::new(service, "default");
        let clock = Clock::system();
        let (events, _sender) = channel(client, clock, metrics.clone(), "me".to_owned());
        for n in 0..QUEUE + 10 {
            events.hand_over(regarding(), event(&n.to_string()));
        }
        assert_eq!(metrics.events_dropped.get(), 10);
    }
}
