//! The one task that watches the engine: proves which engine it is, lists, then follows its events.
//!
//! A stream of events has no idle timeout and an engine keeps only its last 256 events: after 15 quiet
//! seconds the engine is pinged, and after any doubt everything begins again with the list.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum, EventMessage, EventMessageTypeEnum,
};
use bollard::query_parameters::{
    EventsOptions, EventsOptionsBuilder, ListContainersOptionsBuilder,
};
use futures::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};

use super::DockerRuntime;
use super::client::{CallError, LOOK, Lane};
use super::engine::MARKER;
use crate::api::keys;

const QUIET: Duration = Duration::from_secs(15);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// An engine tells of an end before it takes the network down, and its list shows the container as running until that is done:
/// a tenth of a second later, measured on Docker Engine 20.10. For what happened to so long before, a list does not stand.
const LIST_LAGS: SignedDuration = SignedDuration::from_secs(10);

/// A list of thousands of containers takes an engine longer than a look at one.
const WHOLE_LIST: Duration = Duration::from_secs(20);

/// What happens to containers that a look must show. A create alone is no reason for one, since ours is followed by one
/// anyway; but a list from before it stands for none.
const ACTIONS: [&str; 7] = [
    "create", "start", "die", "pause", "unpause", "rename", "destroy",
];

/// Events that our own calls will cause: their callers look again without being told.
#[derive(Default)]
pub(super) struct Expected(Mutex<HashSet<(String, &'static str)>>);

impl Expected {
    pub(super) fn insert(&self, id: &str, action: &'static str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((id.to_owned(), action));
    }

    pub(super) fn remove(&self, id: &str, action: &'static str) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&(id.to_owned(), action))
    }

    fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// Watches for ever.
pub(super) async fn watch(runtime: Arc<DockerRuntime>) {
    let mut retry = FIRST_RETRY;
    // Whether looks are answered from the engine (None: nobody has tried yet).
    let mut there: Option<bool> = None;
    loop {
        let broke = match connect(&runtime).await {
            Ok(since) => {
                if there != Some(true) {
                    tracing::info!("the Docker Engine answers");
                }
                there = Some(true);
                retry = FIRST_RETRY;
                runtime.hints.all();
                follow(&runtime, since).await
            }
            Err(error) => error,
        };
        runtime.identity.set_watched(false);
        runtime.listed.clear();
        runtime.expected.clear();
        if there != Some(false) {
            tracing::warn!(why = %broke, "the Docker Engine's events broke");
        }
        // Still there, and only the stream was lost? Then nobody is told that the engine is away.
        match ping(&runtime).await {
            Ok(()) => {}
            Err(error) => {
                runtime.client.set_away(Some(error.to_string()));
                if there != Some(false) {
                    there = Some(false);
                    runtime.hints.all();
                }
            }
        }
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(LAST_RETRY);
    }
}

async fn ping(runtime: &DockerRuntime) -> Result<(), CallError> {
    runtime
        .client
        .call(Lane::Free, LOOK, |d| async move { d.ping().await })
        .await
        .map(drop)
}

/// Proves the engine and lists; a moment before the list, by the engine's own clock (None: it does not
/// tell, and what happens before the stream stands is found by the looks that every row plans).
async fn connect(runtime: &DockerRuntime) -> Result<Option<Timestamp>, CallError> {
    ping(runtime).await?;
    runtime.client.set_away(None);
    let info = runtime
        .client
        .call(Lane::Free, LOOK, |d| async move { d.info().await })
        .await?;
    let before = info
        .system_time
        .as_deref()
        .and_then(|text| text.parse().ok());
    runtime.identity.prove(&runtime.client).await?;
    let options = ListContainersOptionsBuilder::new().all(true).build();
    let all = runtime
        .client
        .call(Lane::Free, WHOLE_LIST, |d| async move {
            d.list_containers(Some(options)).await
        })
        .await?;
    runtime.ports.replace(&all);
    let mut running = running(all);
    match before {
        Some(before) => {
            for uid in touched(runtime, before).await? {
                running.remove(&uid);
            }
        }
        None => running.clear(),
    }
    runtime.listed.replace(running);
    runtime.identity.set_watched(true);
    Ok(before)
}

/// The sessions whose containers something happened to shortly before.
async fn touched(runtime: &DockerRuntime, before: Timestamp) -> Result<Vec<String>, CallError> {
    let since = before.checked_sub(LIST_LAGS).unwrap_or(before);
    let events = runtime.client.call(Lane::Free, LOOK, |docker| async move {
        let told = docker.events(Some(options(Some(since), Some(before))));
        told.try_collect::<Vec<EventMessage>>().await
    });
    let uid = |event: EventMessage| event.actor?.attributes?.remove(keys::UID);
    Ok(events.await?.into_iter().filter_map(uid).collect())
}

/// Sessions whose only container runs in the list.
fn running(all: Vec<ContainerSummary>) -> HashMap<String, ContainerSummary> {
    let mut by_uid: HashMap<String, Vec<ContainerSummary>> = HashMap::new();
    for container in all {
        let uid = container.labels.as_ref().and_then(|l| l.get(keys::UID));
        if let Some(uid) = uid.cloned() {
            by_uid.entry(uid).or_default().push(container);
        }
    }
    by_uid
        .into_iter()
        .filter_map(|(uid, mut hits)| {
            let only = hits.pop().filter(|_| hits.is_empty())?;
            (only.state == Some(ContainerSummaryStateEnum::RUNNING)).then_some((uid, only))
        })
        .collect()
}

/// Follows the events until they break; why they did.
async fn follow(runtime: &DockerRuntime, since: Option<Timestamp>) -> CallError {
    let docker = match runtime.client.docker() {
        Ok(docker) => docker,
        Err(error) => return error,
    };
    let mut events = std::pin::pin!(docker.events(Some(options(since, None))));
    loop {
        match tokio::time::timeout(QUIET, events.next()).await {
            Ok(Some(Ok(event))) => take(runtime, event).await,
            Ok(Some(Err(error))) => return error.into(),
            Ok(None) => {
                return CallError::Unreachable("the engine closed the stream of events".to_owned());
            }
            Err(_) => {
                if let Err(error) = ping(runtime).await {
                    return error;
                }
            }
        }
    }
}

/// Without an end they go on for ever; those up to one that is past are told at once.
fn options(since: Option<Timestamp>, until: Option<Timestamp>) -> EventsOptions {
    let filters = HashMap::from([
        ("type", vec!["container", "volume"]),
        ("event", ACTIONS.to_vec()),
    ]);
    let text = |t: Timestamp| format!("{}.{:09}", t.as_second(), t.subsec_nanosecond());
    let mut options = EventsOptionsBuilder::new().filters(&filters);
    if let Some(since) = since {
        options = options.since(&text(since));
    }
    if let Some(until) = until {
        options = options.until(&text(until));
    }
    options.build()
}

async fn take(runtime: &DockerRuntime, event: EventMessage) {
    let EventMessage {
        typ,
        action,
        actor,
        scope: _,
        time: _,
        time_nano: _,
    } = event;
    let actor = actor.unwrap_or_default();
    let (Some(id), Some(action)) = (actor.id, action) else {
        return;
    };
    if typ == Some(EventMessageTypeEnum::VOLUME) {
        if id == MARKER {
            // Made again while our things still say with which id.
            if let Err(error) = runtime.identity.prove(&runtime.client).await {
                tracing::warn!(%error, "the marker volume {MARKER} was removed and cannot be made again");
            }
        }
        return;
    }
    let Some(action) = ACTIONS.into_iter().find(|known| *known == action) else {
        return;
    };
    if action == "die" || action == "destroy" {
        runtime.probes.end(&id);
        runtime.ports.ended(&id);
        // A start that was already so (304) has no event of its own.
        runtime.expected.remove(&id, "start");
    }
    let expected = runtime.expected.remove(&id, action);
    let uid = actor
        .attributes
        .as_ref()
        .and_then(|attributes| attributes.get(keys::UID));
    if let Some(uid) = uid {
        runtime.listed.take(uid);
        if !expected && action != "create" {
            runtime.hints.session(uid);
        }
    }
    if action == "start" {
        note_ports(runtime, &id).await;
    }
}

/// The ports of a container, anybody's, that has just started.
async fn note_ports(runtime: &DockerRuntime, id: &str) {
    let options = ListContainersOptionsBuilder::new()
        .filters(&HashMap::from([("id", vec![id])]))
        .build();
    let listed = runtime
        .client
        .call(Lane::Free, LOOK, |d| async move {
            d.list_containers(Some(options)).await
        })
        .await;
    // Not known: its ports then clash, are shunned and chosen anew.
    for container in listed.into_iter().flatten() {
        runtime.ports.started(&container);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::StatusCode;
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::DockerConfig;
    use super::super::strangers::{Answers, Told, holding};
    use super::*;
    use crate::clock::Clock;
    use crate::hostile::{any_json, cases, edited, edits};
    use crate::session::observation::Owner;

    fn nowhere() -> Arc<DockerRuntime> {
        DockerRuntime::new(DockerConfig {
            host: Some("unix:///nowhere/at/all.sock".to_owned()),
            owner: Owner {
                cluster: "c-1".to_owned(),
                controller: "dillinger-runner".to_owned(),
            },
            bind_address: Ipv4Addr::LOCALHOST.into(),
            advertise_address: "127.0.0.1".to_owned(),
            port_range: 20_000..=20_999,
            credentials: None,
            clock: Clock::system(),
        })
    }

    proptest! {
        #![proptest_config(cases(128))]

        #[test]
        fn whatever_an_engine_sends_as_events_and_lists_they_are_hints_or_nothing(
            edits in edits(3),
            action in proptest::sample::select(&["start", "die", "destroy", "rename", "exec_die", ""][..]),
            other in any_json(),
        ) {
            let runtime = nowhere();
            let event = json!({
                "Type": "container", "Action": action, "time": 1,
                "Actor": {"ID": "f00", "Attributes": {keys::UID: "u-1", "exitCode": "0"}},
            });
            let listed = json!([{
                "Id": "f00", "State": "running", "Labels": {keys::UID: "u-1"},
                "Ports": [{"PrivatePort": 1, "PublicPort": 7001, "Type": "udp"}],
            }]);
            let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            for event in [edited(event, "", &edits), other.clone()] {
                if let Ok(event) = serde_json::from_value::<EventMessage>(event) {
                    tokio.block_on(take(&runtime, event));
                }
            }
            for listed in [edited(listed, "", &edits), other] {
                if let Ok(all) = serde_json::from_value::<Vec<ContainerSummary>>(listed) {
                    runtime.ports.replace(&all);
                    prop_assert!(running(all.clone()).len() <= all.len());
                }
            }
        }
    }

    fn container(uid: Option<&str>, state: ContainerSummaryStateEnum) -> ContainerSummary {
        ContainerSummary {
            labels: uid.map(|u| HashMap::from([(keys::UID.to_owned(), u.to_owned())])),
            state: Some(state),
            ..ContainerSummary::default()
        }
    }

    /// A late create, after the list and before the first look as leader, was found ten minutes later.
    #[tokio::test]
    async fn a_list_from_before_a_create_stands_for_no_look_at_that_session() {
        let runtime = nowhere();
        let both =
            ["one", "two"].map(|uid| container(Some(uid), ContainerSummaryStateEnum::RUNNING));
        runtime.listed.replace(running(both.to_vec()));
        let created = json!({
            "Type": "container", "Action": "create",
            "Actor": {"ID": "f00", "Attributes": {keys::UID: "one"}},
        });
        take(&runtime, serde_json::from_value(created).expect("an event")).await;
        assert!(runtime.listed.take("one").is_none());
        assert!(runtime.listed.take("two").is_some());
    }

    #[test]
    fn a_list_stands_for_a_look_only_where_one_container_runs() {
        use ContainerSummaryStateEnum as State;
        let listed = running(vec![
            container(Some("one"), State::RUNNING),
            container(Some("two"), State::RUNNING),
            container(Some("two"), State::EXITED),
            container(Some("paused"), State::PAUSED),
            container(Some("exited"), State::EXITED),
            container(None, State::RUNNING),
        ]);
        assert_eq!(listed.into_keys().collect::<Vec<_>>(), ["one"]);
    }

    /// The game had crashed while one controller died; the next one's list showed it as running, though its end had been told
    /// just before, and for ten minutes it was believed to run.
    #[tokio::test]
    async fn an_end_that_was_told_just_before_a_list_which_did_not_show_it_was_missed() {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let answers: Arc<Answers> = Arc::new(move |uri| {
            let running = |id: &str, uid: &str| json!({"Id": id, "State": "running", "Labels": {keys::UID: uid}});
            let found = match uri.path() {
                "/_ping" => json!("OK"),
                "/info" => json!({"Name": "host", "SystemTime": "2026-01-02T03:04:15.000000678Z"}),
                "/containers/json" => json!([running("c1", "crashed"), running("c2", "plays")]),
                "/events" => {
                    let query = uri.query().unwrap_or_default().to_owned();
                    seen.lock().expect("nobody panics with it").push(query);
                    json!({"Type": "container", "Action": "die", "Actor":
                        {"ID": "c1", "Attributes": {keys::UID: "crashed"}}})
                }
                _ => return holding(Vec::new(), Vec::new())(uri),
            };
            (StatusCode::OK, found)
        });
        let engine = Told::start(answers);
        let runtime = engine.runtime();
        connect(&runtime).await.expect("the engine answers");
        assert!(runtime.listed.take("crashed").is_none());
        assert!(runtime.listed.take("plays").is_some());
        let asked = asked.lock().expect("nobody panics with it");
        let (since, until) = ("since=1767323045.000000678", "until=1767323055.000000678");
        assert!(
            asked[0].contains(since) && asked[0].contains(until),
            "{asked:?}"
        );
    }

    #[test]
    fn events_are_wanted_since_an_instant_of_the_engines_clock() {
        let since: Timestamp = "2026-01-02T03:04:05.000000678Z"
            .parse()
            .expect("an instant");
        let wanted = options(Some(since), None);
        assert_eq!(wanted.since.as_deref(), Some("1767323045.000000678"));
        assert_eq!(wanted.until, None);
        assert_eq!(options(None, None).since, None);
    }

    #[test]
    fn an_expected_event_is_expected_once() {
        let expected = Expected::default();
        expected.insert("c1", "start");
        assert!(!expected.remove("c1", "die"));
        assert!(expected.remove("c1", "start"));
        assert!(!expected.remove("c1", "start"));
    }
}
