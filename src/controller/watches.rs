//! One task a watch, each with its own errors and its own waits: a dead one stalls no other.
//!
//! Lists come in pages of 100, never from the watch cache; a silent watch is noticed after 35 s. Each event
//! is in the cache before its session is named to the triggers. What a list shows is told apart from what an event
//! says: an event may come late. Every ten minutes a list finds what a watch lost, which nothing else would.

use std::collections::HashSet;
use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::backoff::doubled;
use super::client::WatchAges;
use super::jitter::Jitter;
use super::named::Named;
use super::patch::words;
use crate::telemetry::health::{Health, Part};

/// Seconds after which the API server ends a watch and it is started anew; half a watch's default idle time.
const TIMEOUT: u32 = 30;
/// Objects a page: what one page holds is what a list costs in memory.
const PAGE: u32 = 100;
/// Between two lists. API servers have lost, doubled and reordered events; a list of 10,000 sessions costs one
/// about 8 s of CPU, under 2 % at this pace.
const LIST: Duration = Duration::from_secs(600);
/// Waits between tries: an API server that comes back is found within 3 s, and few watches are no herd.
const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(3);
/// How often a watch that failed looks whether it was answered since.
const ANSWERED: Duration = Duration::from_millis(500);

/// What one watch saw.
#[derive(Debug)]
pub enum Saw<K: Resource<DynamicType = ()>> {
    /// A list is about to be asked for.
    Listing,
    /// A list shows it: so it is, whatever was known before.
    Found(K),
    /// An event says so.
    Applied(K),
    /// An event says that this object of the name was deleted.
    Deleted(K),
    /// Missing in a new list.
    Missing(Named),
    /// A list is complete.
    Listed,
}

/// One watch: where its trouble is shown and how it waits.
pub struct Watch {
    pub part: Part,
    /// Plural of the kind, as [`WatchAges`] names it.
    pub kind: &'static str,
    pub health: Health,
    pub ages: WatchAges,
    pub jitter: Jitter,
}

impl Watch {
    /// Follows until dropped. `sink` must not block.
    pub async fn follow<K>(self, api: Api<K>, mut sink: impl FnMut(Saw<K>))
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let config = watcher::Config::default().timeout(TIMEOUT).page_size(PAGE);
        let mut events = watcher(api.clone(), config.clone()).boxed();
        let mut list_at = Instant::now() + self.jitter.around(LIST, 0.1);
        let mut known: HashSet<Named> = HashSet::new();
        let mut listed: HashSet<Named> = HashSet::new();
        let mut failures = 0;
        let mut failed_at: Option<Instant> = None;
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = tokio::time::sleep_until(list_at) => {
                    events = watcher(api.clone(), config.clone()).boxed();
                    list_at = Instant::now() + self.jitter.around(LIST, 0.1);
                    continue;
                }
                () = tokio::time::sleep(ANSWERED), if failed_at.is_some() => {
                    if failed_at.is_some_and(|at| self.ages.answered_since(self.kind, at)) {
                        (failures, failed_at) = (0, None);
                        self.health.there(self.part);
                    }
                    continue;
                }
            };
            match event {
                Some(Ok(event)) => {
                    if !matches!(event, Event::Init) {
                        (failures, failed_at) = (0, None);
                    }
                    match event {
                        Event::Init => {
                            listed.clear();
                            sink(Saw::Listing);
                        }
                        Event::InitApply(object) => {
                            listed.insert(Named::of(&object));
                            sink(Saw::Found(object));
                        }
                        Event::InitDone => {
                            for missing in known.difference(&listed) {
                                sink(Saw::Missing(missing.clone()));
                            }
                            known = std::mem::take(&mut listed);
                            sink(Saw::Listed);
                            self.health.there(self.part);
                        }
                        Event::Apply(object) => {
                            known.insert(Named::of(&object));
                            sink(Saw::Applied(object));
                            self.health.there(self.part);
                        }
                        Event::Delete(object) => {
                            known.remove(&Named::of(&object));
                            sink(Saw::Deleted(object));
                            self.health.there(self.part);
                        }
                    }
                }
                Some(Err(error)) => {
                    // An expired version is the ordinary way to a new list.
                    let why = reason(&error);
                    tracing::debug!(kind = self.kind, why, "watch failed");
                    failed_at = Some(Instant::now());
                    if failures > 0 {
                        self.health.missing(self.part, why);
                    }
                    let wait = self.jitter.down(doubled(FIRST, failures, MOST), 0.5);
                    failures += 1;
                    tokio::time::sleep(wait).await;
                }
                None => {
                    tracing::error!(kind = self.kind, "a watch ended, which it never does");
                    return;
                }
            }
        }
    }
}

/// What a person needs to know of a watch's failure.
fn reason(error: &watcher::Error) -> String {
    let missing = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => status.code == 404,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 404,
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => false,
    };
    if missing {
        return "the CustomResourceDefinition is not installed (dillinger-runner crd | kubectl apply -f -)"
            .to_owned();
    }
    words(error)
}
