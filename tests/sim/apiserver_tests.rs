//! The simulated server under kube's own client and watcher.

use std::time::Duration;

use dillinger_runner::api::GameSession;
use futures::{StreamExt, TryStreamExt};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::watcher::{self, Event};
use kube::{Api, ResourceExt};
use proptest::prelude::*;
use serde_json::json;

use crate::apiserver::Server;
use crate::clock::SimClock;
use crate::faults::{Away, Failure, Fate, Fault, FaultScript, Outage, Position, Whose};
use crate::history::History;
use crate::striking::Striking;

fn server(script: &str) -> std::sync::Arc<Server> {
    let script: FaultScript = script.parse().unwrap();
    Server::new(SimClock::new(), History::default(), Striking::new(&script))
}

fn sessions(server: &std::sync::Arc<Server>) -> Api<GameSession> {
    Api::namespaced(server.client("controller-1"), "default")
}

fn session(name: &str) -> GameSession {
    let text = json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession", "metadata": {"name": name},
        "spec": {"gameRef": {"name": "wesnoth"}, "user": "alice"},
    });
    serde_json::from_value(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_object_gets_uid_version_generation_and_defaults_and_the_spec_alone_moves_the_generation()
 {
    let server = server("none");
    let api = sessions(&server);
    let made = api
        .create(&PostParams::default(), &session("friday"))
        .await
        .unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(made.spec.backoff_limit, 3);
    let params = PatchParams::default();
    let stopped = json!({"spec": {"desiredState": "Stopped"}, "status": {"phase": "Nonsense"}});
    let stopped = api
        .patch("friday", &params, &Patch::Merge(stopped))
        .await
        .unwrap();
    assert_eq!(stopped.metadata.generation, Some(2));
    assert_eq!(stopped.status, None);
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    let labelled = api
        .patch("friday", &params, &Patch::Merge(labelled))
        .await
        .unwrap();
    assert_eq!(labelled.metadata.generation, Some(2));
    let status = json!({"status": {"phase": "Running"}, "metadata": {"labels": {"c": "d"}}});
    let status = api
        .patch_status("friday", &params, &Patch::Merge(status))
        .await
        .unwrap();
    assert_eq!(status.metadata.generation, Some(2));
    assert!(!status.labels().contains_key("c"));
    let again = json!({"status": {"phase": "Running"}});
    let again = api
        .patch_status("friday", &params, &Patch::Merge(again))
        .await
        .unwrap();
    assert_eq!(again.resource_version(), status.resource_version());
}

#[tokio::test(start_paused = true)]
async fn a_stale_version_conflicts_an_invalid_object_is_refused_and_the_message_names_the_field() {
    let server = server("none");
    let api = sessions(&server);
    let made = api
        .create(&PostParams::default(), &session("friday"))
        .await
        .unwrap();
    let version = made.resource_version().unwrap();
    let patch =
        |phase: &str| json!({"metadata": {"resourceVersion": version}, "status": {"phase": phase}});
    let params = PatchParams::default();
    api.patch_status("friday", &params, &Patch::Merge(patch("A")))
        .await
        .unwrap();
    let error = api
        .patch_status("friday", &params, &Patch::Merge(patch("B")))
        .await
        .unwrap_err();
    let kube::Error::Api(status) = &error else {
        panic!("{error:?}")
    };
    assert!(status.is_conflict());
    let bad = json!({"status": {"startTime": ""}});
    let error = api
        .patch_status("friday", &params, &Patch::Merge(bad))
        .await
        .unwrap_err();
    let kube::Error::Api(status) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(status.code, 422, "{status:?}");
    let changed = json!({"spec": {"user": "bob"}});
    let error = api
        .patch("friday", &params, &Patch::Merge(changed))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("user is immutable"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_keeps_a_deleted_object_until_it_is_taken_off() {
    let server = server("none");
    let api = sessions(&server);
    let mut object = session("friday");
    object
        .finalizers_mut()
        .push("dillinger.dev/container".to_owned());
    let made = api.create(&PostParams::default(), &object).await.unwrap();
    let wrong = Preconditions {
        uid: Some("x".to_owned()),
        resource_version: None,
    };
    let params = DeleteParams {
        preconditions: Some(wrong),
        ..DeleteParams::default()
    };
    assert!(api.delete("friday", &params).await.is_err());
    let deleted = api
        .delete("friday", &DeleteParams::default())
        .await
        .unwrap();
    let marked = deleted.left().unwrap();
    assert!(marked.metadata.deletion_timestamp.is_some());
    assert_eq!(marked.metadata.generation, Some(2));
    let off = json!({"metadata": {"uid": made.uid(), "finalizers": null}});
    api.patch("friday", &PatchParams::default(), &Patch::Merge(off))
        .await
        .unwrap();
    assert!(api.get_opt("friday").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn pages_show_one_instant_although_things_change_between_them() {
    let server = server("none");
    let api = sessions(&server);
    for name in ["a", "b", "c", "d", "e"] {
        api.create(&PostParams::default(), &session(name))
            .await
            .unwrap();
    }
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    api.delete("d", &DeleteParams::default()).await.unwrap();
    api.create(&PostParams::default(), &session("cc"))
        .await
        .unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    let rest = api
        .list(&ListParams::default().continue_token(&token))
        .await
        .unwrap();
    let names: Vec<String> = rest.items.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["c", "d", "e"]);
    server.compact();
    let error = api
        .list(&ListParams::default().continue_token(&token))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("too old"), "{error}");
}

/// What kube's watcher shows until `names` were all applied or `most` passed.
async fn applied(server: &std::sync::Arc<Server>, most: Duration) -> Vec<String> {
    let config = watcher::Config::default().timeout(30).page_size(2);
    let stream = watcher::watcher(sessions(server), config);
    let mut names = Vec::new();
    let collect = async {
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => {
                    names.push(object.name_any())
                }
                Ok(Event::Delete(object)) => names.push(format!("-{}", object.name_any())),
                Ok(Event::Init | Event::InitDone) => {}
                Err(error) => names.push(format!(
                    "error {}",
                    error.to_string().contains("410") || error.to_string().contains("Expired")
                )),
            }
        }
    };
    let _ = tokio::time::timeout(most, collect).await;
    names
}

async fn changes(server: &std::sync::Arc<Server>) {
    let api: Api<GameSession> = Api::namespaced(server.client("user"), "default");
    for name in ["a", "b", "c", "d"] {
        tokio::time::sleep(Duration::from_secs(20)).await;
        api.create(&PostParams::default(), &session(name))
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    api.delete("a", &DeleteParams::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_watcher_of_kube_sees_every_change_over_many_ends_of_its_watch() {
    let server = server("none");
    let (names, ()) = tokio::join!(applied(&server, Duration::from_secs(300)), changes(&server));
    assert_eq!(names, ["a", "b", "c", "d", "-a"]);
}

#[tokio::test(start_paused = true)]
async fn events_are_dropped_doubled_swapped_and_answered_with_410_as_the_script_says() {
    for (script, expected) in [
        (
            "watch of=gamesessions event=2 does=drop",
            vec!["a", "c", "d", "-a"],
        ),
        (
            "watch of=gamesessions event=2 does=double",
            vec!["a", "b", "b", "c", "d", "-a"],
        ),
        (
            "watch of=gamesessions event=2 does=delay:45000",
            vec!["a", "b", "c", "d", "-a"],
        ),
        (
            "watch of=gamesessions event=2 does=hold:1",
            vec!["a", "b", "c", "d", "-a"],
        ),
        // The watch after it begins anew from a list.
        (
            "watch of=gamesessions event=2 does=gone",
            vec!["a", "error true", "a", "b", "c", "d", "-a"],
        ),
        (
            "watch of=gamesessions start=2 does=gone",
            vec!["a", "error true", "a", "b", "c", "d", "-a"],
        ),
        (
            "watch of=gamesessions bookmark=2 does=gone",
            vec!["a", "b", "error true", "a", "b", "c", "d", "-a"],
        ),
        // Nobody hears of c until the idle timer of the client ends the dead watch; then all comes.
        (
            "watch of=gamesessions event=3 does=freeze",
            vec!["a", "b", "c", "d", "-a"],
        ),
    ] {
        let server = server(script);
        let (names, ()) =
            tokio::join!(applied(&server, Duration::from_secs(300)), changes(&server));
        assert_eq!(names, expected, "{script}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_fails_as_the_script_says_and_was_committed_or_not() {
    for (with, committed) in [
        ("503", false),
        ("refused", false),
        ("committed-504", true),
        ("lost", true),
        ("hangs", false),
        ("committed-hangs", true),
    ] {
        let server = server(&format!("fail call=create:gamesessions nth=1 with={with}"));
        let api = sessions(&server);
        let object = session("friday");
        let params = PostParams::default();
        let create = api.create(&params, &object);
        let answer = tokio::time::timeout(Duration::from_secs(5), create).await;
        assert!(!matches!(answer, Ok(Ok(_))), "{with}");
        let there = server
            .object("gamesessions.dillinger.dev", "default", "friday")
            .is_some();
        assert_eq!(there, committed, "{with}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_owned_goes_with_its_owner_and_a_namespace_takes_all_with_it() {
    let server = server("none");
    let api = sessions(&server);
    let owner = api
        .create(&PostParams::default(), &session("friday"))
        .await
        .unwrap();
    let mut owned = session("saturday");
    owned
        .owner_references_mut()
        .push(kube::Resource::controller_owner_ref(&owner, &()).unwrap());
    api.create(&PostParams::default(), &owned).await.unwrap();
    api.delete("friday", &DeleteParams::default())
        .await
        .unwrap();
    assert!(api.get_opt("saturday").await.unwrap().is_none());
    api.create(&PostParams::default(), &session("sunday"))
        .await
        .unwrap();
    let spaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(server.client("user"));
    spaces
        .delete("default", &DeleteParams::default())
        .await
        .unwrap();
    assert!(api.get_opt("sunday").await.unwrap().is_none());
    let error = api
        .create(&PostParams::default(), &session("monday"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("namespaces \"default\" not found"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn restored_from_a_backup_it_knows_nothing_of_what_came_later_and_breaks_watches() {
    let server = server("none");
    let api = sessions(&server);
    api.create(&PostParams::default(), &session("a"))
        .await
        .unwrap();
    let version =
        server.objects("gamesessions.dillinger.dev")[0]["metadata"]["resourceVersion"].clone();
    let watch = api
        .watch(
            &kube::api::WatchParams::default(),
            version.as_str().unwrap(),
        )
        .await
        .unwrap();
    api.create(&PostParams::default(), &session("b"))
        .await
        .unwrap();
    server.restore(1);
    assert!(api.get_opt("b").await.unwrap().is_none());
    let seen: Result<Vec<_>, _> = watch.try_collect().await;
    assert!(seen.is_err(), "{seen:?}");
    let again = api
        .create(&PostParams::default(), &session("c"))
        .await
        .unwrap();
    assert_eq!(
        again.resource_version().unwrap().parse::<u64>().unwrap(),
        version.as_str().unwrap().parse::<u64>().unwrap() + 1
    );
}

fn fault() -> impl Strategy<Value = Fault> {
    let name = "[a-z]{1,8}:[a-z]{1,8}(/status)?";
    let failure = prop_oneof![
        (400u16..600).prop_map(Failure::Code),
        (400u16..600).prop_map(Failure::CommittedCode),
        Just(Failure::Refused),
        Just(Failure::Lost),
        Just(Failure::Hangs),
        Just(Failure::CommittedHangs),
        Just(Failure::Overtaken),
    ];
    let fate = prop_oneof![
        Just(Fate::Drop),
        Just(Fate::Double),
        Just(Fate::Swap),
        Just(Fate::Freeze),
        Just(Fate::Gone),
        any::<u64>().prop_map(|ms| Fate::Delay { ms }),
        any::<u32>().prop_map(|more| Fate::Hold { more }),
    ];
    let position = prop_oneof![
        Just(Position::Before),
        Just(Position::Between),
        Just(Position::After)
    ];
    let outage = prop_oneof![
        any::<u64>().prop_map(|ms| Outage::Away { ms }),
        any::<u64>().prop_map(|ms| Outage::Frozen { ms }),
        Just(Outage::RestartsLive),
        Just(Outage::RestartsEmpty),
        Just(Outage::DiesEmpty),
    ];
    let whose = prop_oneof![Just(Whose::Host), Just(Whose::All)];
    let how = prop_oneof![Just(Away::Down), Just(Away::Frozen)];
    let at_write = (any::<u32>(), position.clone());
    prop_oneof![
        (any::<u32>(), position).prop_map(|(write, at)| Fault::Crash { write, at }),
        (at_write.clone(), any::<u64>()).prop_map(|((write, at), ms)| Fault::Pause {
            write,
            at,
            ms
        }),
        (at_write.clone(), any::<u32>()).prop_map(|((write, at), runs)| Fault::Rival {
            write,
            at,
            runs
        }),
        at_write.prop_map(|(write, at)| Fault::Panic { write, at }),
        (any::<u32>(), outage).prop_map(|(write, does)| Fault::Engine { write, does }),
        (any::<u32>(), any::<i64>(), whose).prop_map(|(write, seconds, whose)| Fault::Clock {
            write,
            seconds,
            whose
        }),
        (any::<u64>(), any::<u64>(), how).prop_map(|(from_ms, for_ms, how)| Fault::Away {
            from_ms,
            for_ms,
            how
        }),
        any::<u32>().prop_map(|percent| Fault::Pace { percent }),
        any::<u32>().prop_map(|write| Fault::Terminate { write }),
        Just(Fault::Unelected),
        (name, any::<u32>(), failure).prop_map(|(call, nth, with)| Fault::Fail { call, nth, with }),
        ("[a-z]{1,8}", any::<u32>(), fate).prop_map(|(of, event, does)| Fault::Event {
            of,
            event,
            does
        }),
        ("[a-z]{1,8}", any::<u32>()).prop_map(|(of, start)| Fault::GoneAtStart { of, start }),
        ("[a-z]{1,8}", any::<u32>())
            .prop_map(|(of, bookmark)| Fault::GoneAtBookmark { of, bookmark }),
        (any::<u32>(), any::<u32>()).prop_map(|(after, back)| Fault::Restore { after, back }),
    ]
}

proptest! {
    #[test]
    fn a_fault_script_is_read_back_from_the_line_that_it_prints(faults in prop::collection::vec(fault(), 0..6)) {
        let script = FaultScript(faults);
        let line = script.to_string();
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(line.parse::<FaultScript>().unwrap(), script);
    }
}
