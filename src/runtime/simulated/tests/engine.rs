//! What the simulated engine does and answers, to one process and to two.

use std::collections::BTreeMap;

use super::*;
use crate::api::{PortPolicy, PortProtocol};
use crate::runtime::OwnedKind;
use crate::session::seen::{Answer, Doubt, Exit, Made};

#[tokio::test(start_paused = true)]
async fn a_container_goes_through_its_whole_life_at_once() {
    let place = Scratch::new();
    let runtime = place.open();
    assert_eq!(runtime.sees("a"), Seen::Absent);
    assert_eq!(runtime.creates("a"), Outcome::Done);
    let Seen::Created(container, Made::Fresh) = runtime.sees("a") else {
        panic!("not created: {:?}", runtime.sees("a"));
    };
    assert_eq!(container.name, "session-a-0123456789");
    assert_eq!(container.created, start());
    assert_eq!(container.node_name, runtime.engine.name);
    let ends: Vec<(&str, &str, i32)> = container
        .endpoints
        .iter()
        .map(|end| (end.protocol.as_str(), end.host.as_str(), end.port))
        .collect();
    assert_eq!(
        ends,
        [
            ("TCP", "play.example.org", 7001),
            ("UDP", "play.example.org", 7001)
        ]
    );
    let id = container.id;
    assert_eq!(id.0.len(), 64, "as Docker's: {}", id.0);
    runtime.does("a", &Effect::Start(id.clone()));
    tokio::time::advance(Duration::from_secs(5)).await;
    let Seen::Running(container, Answer::Ready) = runtime.sees("a") else {
        panic!("not ready: {:?}", runtime.sees("a"));
    };
    assert_eq!(container.started, Some(start()));
    runtime.does("a", &Effect::Stop(id.clone(), 30));
    let Seen::Exited(container, exit) = runtime.sees("a") else {
        panic!("not ended: {:?}", runtime.sees("a"));
    };
    assert_eq!(container.started, Some(start()));
    assert_eq!(
        exit,
        Exit {
            code: Some(143),
            finished: Some(start() + SignedDuration::from_secs(5)),
            ..Exit::default()
        }
    );
    runtime.does("a", &Effect::Remove(id));
    assert_eq!(runtime.sees("a"), Seen::Absent);
}

#[tokio::test(start_paused = true)]
async fn what_is_so_already_is_answered_so_and_what_cannot_be_is_refused() {
    let place = Scratch::new();
    let runtime = place.open();
    let id = runtime.runs("a");
    let before = place.text();
    let other = ContainerId("0".repeat(64));
    for (effect, outcome) in [
        (Effect::Create(Box::new(spec("a", 1))), Outcome::Already),
        (Effect::Start(id.clone()), Outcome::Already),
        (Effect::Stop(other.clone(), 1), Outcome::Already),
        (Effect::Kill(other.clone()), Outcome::Already),
        (Effect::Remove(other.clone()), Outcome::Already),
    ] {
        assert_eq!(runtime.does("a", &effect), outcome, "{effect:?}");
    }
    for effect in [Effect::Start(other), Effect::Remove(id.clone())] {
        let refused = runtime.carry_out(&key("a"), &effect);
        assert!(matches!(refused, Err(EffectError::Failed(_))), "{effect:?}");
    }
    assert_eq!(place.text(), before, "nothing was written");
    assert_eq!(runtime.does("a", &Effect::Kill(id.clone())), Outcome::Done);
    assert_eq!(
        runtime.does("a", &Effect::Kill(id.clone())),
        Outcome::Already
    );
    let again = runtime.carry_out(&key("a"), &Effect::Start(id));
    assert!(matches!(again, Err(EffectError::Failed(_))), "{again:?}");
    let Seen::Exited(_, exit) = runtime.sees("a") else {
        panic!("{:?}", runtime.sees("a"));
    };
    assert_eq!(exit.code, Some(137), "the first end stands");
}

#[tokio::test]
async fn an_engine_keeps_its_id_over_processes_and_no_other_is_written_to() {
    let place = Scratch::new();
    let first = place.open();
    let id = first.runs("a");
    let engine = first.engine().await.unwrap();
    assert_eq!(engine.id.0.len(), 32);
    drop(first);
    let second = place.open();
    assert_eq!(second.engine().await, Some(engine.clone()));
    assert_eq!(second.id("a"), id);

    let elsewhere = EngineId("other".to_owned());
    let kill = Effect::Kill(id);
    let refused = second.act(&key("a"), &elsewhere, &kill).await;
    assert!(
        matches!(&refused, Err(EffectError::OtherEngine { found, .. }) if *found == engine.id.0),
        "{refused:?}"
    );
    let seen = second
        .look(Look {
            key: &key("a"),
            attempt: Some(0),
            engine: Some(&elsewhere),
            id: None,
            probe: false,
        })
        .await;
    assert!(
        matches!(seen, Seen::Unknown(Doubt::EngineMismatch { .. })),
        "{seen:?}"
    );
    assert_ne!(
        Scratch::new().open().engine,
        engine,
        "another file is another engine"
    );
}

#[tokio::test]
async fn an_effect_that_nobody_waits_for_does_not_happen() {
    let place = Scratch::new();
    let runtime = place.open();
    let (key, engine) = (key("a"), runtime.engine.id.clone());
    let create = Effect::Create(Box::new(spec("a", 0)));
    drop(runtime.act(&key, &engine, &create));
    assert_eq!(runtime.sees("a"), Seen::Absent);
}

#[tokio::test]
async fn two_processes_see_what_the_other_does() {
    let place = Scratch::new();
    let (one, two) = (place.open(), place.open());
    assert_eq!(one.creates("a"), Outcome::Done);
    assert_eq!(two.creates("a"), Outcome::Already);
    let id = two.id("a");
    assert_eq!(id, one.id("a"));
    assert_eq!(two.does("a", &Effect::Start(id.clone())), Outcome::Done);
    assert_eq!(one.does("a", &Effect::Start(id.clone())), Outcome::Already);
    assert_eq!(one.does("a", &Effect::Kill(id.clone())), Outcome::Done);
    assert_eq!(two.does("a", &Effect::Remove(id)), Outcome::Done);
    assert_eq!(one.sees("a"), Seen::Absent);
}

#[tokio::test]
async fn a_journal_that_was_cut_is_doubt_and_never_an_absence() {
    let place = Scratch::new();
    let runtime = place.open();
    runtime.runs("a");
    let file = std::fs::OpenOptions::new().write(true).open(&place.0);
    file.unwrap().set_len(10).unwrap();
    let seen = runtime.sees("a");
    assert!(
        matches!(seen, Seen::Unknown(Doubt::EngineUnreachable(_))),
        "{seen:?}"
    );
    assert_eq!(runtime.engine().await, None);
    let refused = runtime.carry_out(&key("b"), &Effect::Create(Box::new(spec("b", 0))));
    assert!(
        matches!(refused, Err(EffectError::NoAnswer(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn storage_is_a_name_that_outlives_its_container() {
    let place = Scratch::new();
    let runtime = place.open();
    let (key, volume) = (key("a"), volume("a"));
    let wanted = [volume.name.clone()];
    let missing = StorageSeen {
        present: Vec::new(),
        missing: wanted.to_vec(),
    };
    let present = StorageSeen {
        present: wanted.to_vec(),
        missing: Vec::new(),
    };
    assert_eq!(runtime.storage(&key, &wanted).await, Some(missing.clone()));
    let make = Effect::CreateStorage(vec![volume]);
    runtime.does("a", &make);
    runtime.does("a", &make);
    let id = runtime.runs("a");
    runtime.does("a", &Effect::Kill(id.clone()));
    runtime.does("a", &Effect::Remove(id));
    let other = place.open();
    assert_eq!(other.storage(&key, &wanted).await, Some(present));
    other.does("a", &Effect::RemoveStorage(wanted.to_vec()));
    assert_eq!(runtime.storage(&key, &wanted).await, Some(missing));
}

#[tokio::test]
async fn a_list_holds_what_is_ours_and_nothing_of_others() {
    let place = Scratch::new();
    let runtime = place.open();
    runtime.runs("a");
    runtime.creates("b");
    runtime.does("b", &Effect::CreateStorage(vec![volume("b")]));
    let mut theirs = spec("c", 0);
    theirs.labels = BTreeMap::from([(keys::CLUSTER.to_owned(), "another".to_owned())]);
    runtime.does("c", &Effect::Create(Box::new(theirs)));
    let mut listed = runtime.list().await.unwrap();
    listed.sort_by(|x, y| (&x.uid, &x.id).cmp(&(&y.uid, &y.id)));
    let mut kinds: Vec<(&str, OwnedKind)> =
        listed.iter().map(|o| (o.uid.as_str(), o.kind)).collect();
    kinds.sort_by_key(|(uid, kind)| (uid.to_string(), *kind == OwnedKind::Storage));
    assert_eq!(
        kinds,
        [
            ("a", OwnedKind::Container { running: true }),
            ("b", OwnedKind::Container { running: false }),
            ("b", OwnedKind::Storage),
        ]
    );
    assert!(listed.iter().all(|o| o.namespace == "games"));
}

#[tokio::test]
async fn ten_thousand_sessions_get_ports_and_the_numbers_of_one_differ() {
    let place = Scratch::new();
    let runtime = place.open();
    let port = |name: &str| PortTerms {
        name: name.to_owned(),
        container_port: Some(15000),
        protocol: PortProtocol::TCP,
        policy: PortPolicy::Dynamic,
        host_port: None,
    };
    let wanted = [port("game"), port("query")];
    for n in 0..10_000 {
        let chosen = runtime.choose_ports(&key(&n.to_string()), &wanted).unwrap();
        assert_ne!(chosen.0["game"], chosen.0["query"]);
    }
}
