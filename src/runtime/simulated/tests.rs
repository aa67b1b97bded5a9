//! One file, one process or two, and hands that write into it.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use jiff::Timestamp;
use tokio::time::Instant;

use super::fold::{Fold, Place};
use super::journal::Journal;
use super::line::{Belongs, Created, Line};
use super::waits::Waits;
use super::*;
use crate::api::{PortPolicy, PortProtocol, keys};
use crate::runtime::OwnedKind;
use crate::session::container::{ContainerSpec, Published, Transport, Volume};
use crate::session::seen::{Answer, ContainerId, Doubt, Exit, Made};

/// A journal of its own, gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("journal-{}-{number}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }

    fn open(&self) -> Arc<SimulatedRuntime> {
        self.ready_after(Duration::ZERO)
    }

    fn ready_after(&self, ready_after: Duration) -> Arc<SimulatedRuntime> {
        SimulatedRuntime::open(SimulatedConfig {
            file: self.0.clone(),
            ready_after,
            owner: Owner {
                cluster: "cluster".to_owned(),
                controller: "test".to_owned(),
            },
            advertise_address: "play.example.org".to_owned(),
            clock: clock(),
        })
        .unwrap()
    }

    /// As a hand does it, or a process that dies within its line.
    fn append(&self, text: &str) {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&self.0)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// A wall that moves with tokio's time.
fn clock() -> Clock {
    let began = tokio::time::Instant::now();
    Clock::new(move || start() + SignedDuration::try_from(began.elapsed()).unwrap())
}

fn key(uid: &str) -> SessionKey {
    SessionKey {
        namespace: "games".to_owned(),
        name: format!("session-{uid}"),
        uid: uid.to_owned(),
        container_name: format!("session-{uid}-0123456789"),
    }
}

fn spec(uid: &str, attempt: i32) -> ContainerSpec {
    let labels = [(keys::CLUSTER, "cluster"), (keys::CONTROLLER, "test")];
    let port = |transport| Published {
        name: "game".to_owned(),
        container_port: 15000,
        host_port: 7001,
        transport,
    };
    ContainerSpec {
        name: key(uid).container_name,
        attempt,
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        image: "example/wesnothd:1".to_owned(),
        command: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        user: 1000,
        group: 1000,
        read_only_root: true,
        init: true,
        cpu_millis: 100,
        memory_bytes: 1 << 24,
        scratch: Vec::new(),
        volumes: Vec::new(),
        ports: vec![port(Transport::Tcp), port(Transport::Udp)],
        grace_seconds: 30,
    }
}

fn volume(uid: &str) -> Volume {
    Volume {
        name: format!("session-{uid}-0123456789-world"),
        path: "/data".to_owned(),
        size_bytes: 1 << 30,
        labels: spec(uid, 0).labels,
    }
}

impl SimulatedRuntime {
    fn sees(&self, uid: &str) -> Seen {
        self.look_now(&Look {
            key: &key(uid),
            attempt: Some(0),
            engine: Some(&self.engine.id),
            probe: true,
        })
    }

    fn does(&self, uid: &str, effect: &Effect) -> Outcome {
        self.carry_out(&key(uid), effect).unwrap()
    }

    fn creates(&self, uid: &str) -> Outcome {
        self.does(uid, &Effect::Create(Box::new(spec(uid, 0))))
    }

    fn id(&self, uid: &str) -> ContainerId {
        let seen = self.sees(uid);
        seen.container().expect("a container").id.clone()
    }

    /// Created and started.
    fn runs(&self, uid: &str) -> ContainerId {
        assert_eq!(self.creates(uid), Outcome::Done);
        let id = self.id(uid);
        assert_eq!(self.does(uid, &Effect::Start(id.clone())), Outcome::Done);
        id
    }
}

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

fn made(uid: &str, id: &str) -> Line {
    Line::Created(Box::new(Created {
        of: Belongs {
            cluster: "cluster".to_owned(),
            controller: "test".to_owned(),
            namespace: "games".to_owned(),
            session: uid.to_owned(),
            uid: uid.to_owned(),
        },
        id: id.to_owned(),
        name: uid.to_owned(),
        attempt: 0,
        image: "image".to_owned(),
        image_id: "sha256:0".to_owned(),
        endpoints: Vec::new(),
        terms: None,
        at: start(),
    }))
}

#[test]
fn of_two_that_create_in_one_instant_the_first_line_wins() {
    let place = Scratch::new();
    let mut one = Journal::open(&place.0).unwrap();
    let mut two = Journal::open(&place.0).unwrap();
    // Neither has read what the other wrote when it judges.
    assert!(two.append(&made("a", "of-two")).unwrap());
    assert!(!one.append(&made("a", "of-one")).unwrap());
    two.catch_up().unwrap();
    assert_eq!(one.fold, two.fold);
    assert!(one.fold.named("a", "of-two").is_some());
    assert_eq!(one.changed, ["a"], "what the other did is news");
}

#[test]
fn writers_side_by_side_never_mix_their_lines() {
    let place = Scratch::new();
    let mut reader = Journal::open(&place.0).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &place.0;
            scope.spawn(move || {
                let mut journal = Journal::open(path).unwrap();
                for n in 0..100 {
                    let uid = format!("{writer}-{n}");
                    assert!(journal.append(&made(&uid, &uid)).unwrap());
                }
            });
        }
    });
    reader.catch_up().unwrap();
    assert_eq!(reader.fold.all().count(), 400);
    let again = Journal::open(&place.0).unwrap();
    assert_eq!(reader.fold, again.fold, "read at once or bit by bit");
}

#[test]
fn a_line_that_is_not_whole_yet_is_waited_for() {
    let place = Scratch::new();
    let mut journal = Journal::open(&place.0).unwrap();
    let line = serde_json::to_string(&made("a", "id")).unwrap();
    let (head, tail) = line.split_at(40);
    place.append(head);
    journal.catch_up().unwrap();
    assert_eq!(journal.fold, Fold::default());
    place.append(tail);
    journal.catch_up().unwrap();
    assert_eq!(journal.fold, Fold::default());
    place.append("\n");
    journal.catch_up().unwrap();
    assert!(journal.fold.named("a", "id").is_some());
}

#[test]
fn the_half_line_of_a_process_that_died_costs_nobody_elses() {
    let place = Scratch::new();
    let mut journal = Journal::open(&place.0).unwrap();
    place.append("{\"created\":{\"of\"");
    journal.catch_up().unwrap();
    assert!(journal.append(&made("b", "id")).unwrap());
    place.append("\nno json at all\n\nneither is this");
    journal.catch_up().unwrap();
    assert!(journal.append(&made("c", "id")).unwrap());
    assert_eq!(Journal::open(&place.0).unwrap().fold, journal.fold);
    assert_eq!(journal.fold.all().count(), 2);
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_as_it_is() {
    for text in [
        "",
        "hello\n",
        "{\"removed\":{\"uid\":\"a\",\"id\":\"b\"}}\n",
    ] {
        let place = Scratch::new();
        std::fs::write(&place.0, text).unwrap();
        let Err(error) = Journal::open(&place.0) else {
            panic!("taken for a journal: {text:?}");
        };
        assert!(error.to_string().contains("no journal"), "{error}");
        assert_eq!(place.text(), text);
    }
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
    let refused = runtime.carry_out(&key("b"), &Effect::Create(Box::new(spec("b", 0))));
    assert!(
        matches!(refused, Err(EffectError::NoAnswer(_))),
        "{refused:?}"
    );
}

#[test]
fn a_line_that_contradicts_those_before_it_changes_nothing() {
    let at = |offset| Place { offset, length: 1 };
    let (uid, id) = ("a".to_owned(), "id".to_owned());
    let started = || Line::Started {
        uid: uid.clone(),
        id: id.clone(),
        at: start(),
    };
    let removed = || Line::Removed {
        uid: uid.clone(),
        id: id.clone(),
    };
    let exited = |id: Option<&str>| Line::Exited {
        uid: uid.clone(),
        id: id.map(str::to_owned),
        code: 0,
        at: start(),
    };
    let mut fold = Fold::default();
    for (line, holds) in [
        (started(), false),
        (made("a", "id"), true),
        (made("a", "second"), false),
        (exited(None), false),
        (started(), true),
        (started(), false),
        (removed(), false),
        (exited(Some("second")), false),
        (exited(None), true),
        (exited(Some("id")), false),
        (started(), false),
        (removed(), true),
        (removed(), false),
        (exited(None), false),
    ] {
        assert_eq!(fold.apply(line.clone(), at(7)).is_some(), holds, "{line:?}");
    }
    assert_eq!(fold, Fold::default(), "nothing is kept of what is gone");
}

#[tokio::test(start_paused = true)]
async fn an_exit_by_hand_ends_the_container_and_its_session_is_hinted_at() {
    let place = Scratch::new();
    let runtime = place.open();
    runtime.runs("a");
    runtime.runs("b");
    let mut hints = runtime.clone().hints();
    place.append("{\"exited\":{\"uid\":\"b\",\"code\":3,\"at\":\"2026-01-01T00:00:09Z\"}}\n");
    assert_eq!(hints.next().await, Some(Hint::Session("b".to_owned())));
    let Seen::Exited(_, exit) = runtime.sees("b") else {
        panic!("{:?}", runtime.sees("b"));
    };
    assert_eq!(exit.code, Some(3));
    assert_eq!(exit.finished, Some(start() + SignedDuration::from_secs(9)));
    assert!(matches!(runtime.sees("a"), Seen::Running(..)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_a_kill_and_a_pull_are_hinted_at_once() {
    let place = Scratch::new();
    let runtime = place.open();
    let mut hints = runtime.clone().hints();
    let (a, b) = (runtime.runs("a"), runtime.runs("b"));
    runtime.does("a", &Effect::Stop(a, 30));
    runtime.does("b", &Effect::Kill(b));
    let pull = Effect::Pull {
        image: "image".to_owned(),
        policy: crate::api::ImagePullPolicy::Always,
    };
    runtime.does("c", &pull);
    for uid in ["a", "b", "c"] {
        assert_eq!(hints.next().await, Some(Hint::Session(uid.to_owned())));
    }
    let began = Instant::now();
    tokio::select! {
        hint = hints.next() => panic!("its own writes are no news: {hint:?}"),
        () = tokio::time::sleep(Duration::from_secs(60)) => {}
    }
    assert_eq!(began.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_game_is_ready_when_its_time_has_passed_and_who_asked_is_told_in_that_instant() {
    let place = Scratch::new();
    let runtime = place.ready_after(Duration::from_millis(1500));
    let mut hints = runtime.clone().hints();
    runtime.runs("a");
    tokio::time::advance(Duration::from_secs(1)).await;
    runtime.runs("b");
    for uid in ["a", "b", "a"] {
        let seen = runtime.sees(uid);
        assert!(
            matches!(seen, Seen::Running(_, Answer::NotReady(_))),
            "{seen:?}"
        );
    }
    let began = Instant::now();
    assert_eq!(hints.next().await, Some(Hint::Session("a".to_owned())));
    assert_eq!(began.elapsed(), Duration::from_millis(500));
    assert!(matches!(runtime.sees("a"), Seen::Running(_, Answer::Ready)));
    assert!(matches!(
        runtime.sees("b"),
        Seen::Running(_, Answer::NotReady(_))
    ));
    assert_eq!(hints.next().await, Some(Hint::Session("b".to_owned())));
    assert_eq!(began.elapsed(), Duration::from_millis(1500));
    assert!(matches!(runtime.sees("b"), Seen::Running(_, Answer::Ready)));
}

#[tokio::test(start_paused = true)]
async fn a_sooner_game_that_comes_later_is_not_kept_waiting() {
    let waits = Waits::default();
    let now = Instant::now();
    let (far, near) = (Duration::from_secs(20), Duration::from_secs(10));
    waits.add("far", now + far);
    let due = waits.due();
    tokio::pin!(due);
    assert!(futures::poll!(&mut due).is_pending());
    waits.add("near", now + near);
    assert_eq!(due.await, ["near"]);
    assert_eq!(now.elapsed(), near);
    assert_eq!(waits.due().await, ["far"]);
    assert_eq!(now.elapsed(), far);
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
