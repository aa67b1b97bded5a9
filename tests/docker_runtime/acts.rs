//! Every effect, and each of its odd answers.

use dillinger_runner::runtime::{EffectError, Outcome, OwnedKind, Runtime};
use dillinger_runner::session::facts::EngineId;
use dillinger_runner::session::plan::Effect;
use dillinger_runner::session::seen::{Answer, ContainerId, End, Made, Seen};

use crate::bed::{Bed, docker};

#[tokio::test]
async fn a_game_is_made_started_stopped_and_removed() {
    let bed = Bed::new("whole").await;
    assert_eq!(bed.look().await, Seen::Absent);
    let id = bed.start().await;
    let container = bed.ready().await;
    assert_eq!(container.id, id);
    assert!(container.started.is_some());
    let endpoints: Vec<_> = container
        .endpoints
        .iter()
        .map(|e| (e.protocol.as_str(), e.host.as_str(), e.port))
        .collect();
    let port = i32::from(bed.port);
    assert_eq!(
        endpoints,
        [("TCP", "play.example", port), ("UDP", "play.example", port)]
    );
    assert_eq!(bed.ask("hello").await, "pong:hello");
    bed.done(Effect::Stop(id.clone(), 30)).await;
    assert_eq!(bed.ended().await.code, Some(0));
    bed.done(Effect::Remove(id)).await;
    assert_eq!(bed.look().await, Seen::Absent);
}

#[tokio::test]
async fn what_is_so_already_is_no_failure() {
    let bed = Bed::new("already").await;
    let id = bed.start().await;
    assert_eq!(
        bed.act(Effect::Create(Box::new(bed.spec(0)))).await.ok(),
        Some(Outcome::Already)
    );
    bed.done(Effect::Start(id.clone())).await;
    bed.done(Effect::Kill(id.clone())).await;
    let exit = bed.ended().await;
    assert_eq!((exit.code, exit.end()), (Some(137), End::Interrupted));
    assert_eq!(
        bed.act(Effect::Kill(id.clone())).await.ok(),
        Some(Outcome::Already)
    );
    bed.done(Effect::Remove(id.clone())).await;
    for effect in [
        Effect::Remove(id.clone()),
        Effect::Kill(id.clone()),
        Effect::Stop(id.clone(), 1),
    ] {
        let shown = format!("{effect:?}");
        assert_eq!(
            bed.act(effect).await.ok(),
            Some(Outcome::Already),
            "{shown}"
        );
    }
    let late = bed.act(Effect::Start(id)).await;
    assert!(matches!(late, Err(EffectError::Failed(_))), "{late:?}");
}

#[tokio::test]
async fn a_running_game_is_never_removed() {
    let bed = Bed::new("removal").await;
    let id = bed.start().await;
    let refused = bed.act(Effect::Remove(id)).await;
    assert!(
        matches!(refused, Err(EffectError::Failed(_))),
        "{refused:?}"
    );
    assert!(matches!(bed.look().await, Seen::Running(..)));
}

#[tokio::test]
async fn a_content_that_the_engine_refuses_is_told_in_its_words() {
    let bed = Bed::new("refused").await;
    for (change, words) in [("memory", "emory"), ("cpu", "CPU")] {
        let mut spec = bed.spec(0);
        match change {
            "memory" => spec.memory_bytes = 1 << 20,
            _ => spec.cpu_millis = 1_000_000,
        }
        match bed.act(Effect::Create(Box::new(spec))).await {
            Err(EffectError::Refused(said)) => assert!(said.contains(words), "{said}"),
            other => panic!("{change}: {other:?}"),
        }
    }
    assert_eq!(bed.look().await, Seen::Absent);
}

#[tokio::test]
async fn a_missing_image_is_no_refusal_of_the_content() {
    let bed = Bed::new("imageless").await;
    let mut spec = bed.spec(0);
    spec.image = "dillinger/nowhere:1".into();
    let failed = bed.act(Effect::Create(Box::new(spec))).await;
    assert!(matches!(failed, Err(EffectError::Failed(_))), "{failed:?}");
}

#[tokio::test]
async fn a_bad_entrypoint_leaves_a_failed_start_that_can_be_removed() {
    let bed = Bed::new("badstart").await;
    let mut spec = bed.spec(0);
    spec.command = vec!["/no/such/file".into()];
    spec.init = false;
    let id = bed.create(spec).await;
    let failed = bed.act(Effect::Start(id.clone())).await;
    assert!(matches!(failed, Err(EffectError::Failed(_))), "{failed:?}");
    match bed.look().await {
        Seen::Created(_, Made::Failed(words)) => {
            assert!(words.contains("/no/such/file"), "{words}")
        }
        other => panic!("{other:?}"),
    }
    bed.done(Effect::Remove(id)).await;
    assert_eq!(bed.look().await, Seen::Absent);
}

#[tokio::test]
async fn a_port_that_another_container_holds_is_a_clash_that_names_it() {
    let holder = Bed::new("holder").await;
    holder.start().await;
    let mut bed = Bed::new("clash").await;
    bed.port = holder.port;
    let id = bed.create(bed.spec(0)).await;
    let failed = bed.act(Effect::Start(id.clone())).await;
    assert!(matches!(failed, Err(EffectError::Failed(_))), "{failed:?}");
    match bed.look().await {
        Seen::Created(_, Made::PortClash(ports, _)) => assert_eq!(ports, [holder.port]),
        other => panic!("{other:?}"),
    }
    bed.done(Effect::Remove(id)).await;
}

#[tokio::test]
async fn a_port_that_a_program_of_the_host_holds_is_a_clash_too() {
    let bed = Bed::new("hostclash").await;
    let held = std::net::TcpListener::bind(("127.0.0.1", bed.port)).expect("a free port");
    let id = bed.create(bed.spec(0)).await;
    assert!(bed.act(Effect::Start(id)).await.is_err());
    match bed.look().await {
        Seen::Created(_, Made::PortClash(ports, _)) => assert_eq!(ports, [bed.port]),
        other => panic!("{other:?}"),
    }
    drop(held);
}

#[tokio::test]
async fn a_stop_is_not_waited_for() {
    let bed = Bed::new("stubborn")
        .await
        .args(&["--tcp", "7777", "--ignore-term"]);
    let id = bed.start().await;
    bed.ready().await;
    bed.done(Effect::Stop(id.clone(), 3600)).await;
    assert!(matches!(bed.look().await, Seen::Running(_, Answer::Ready)));
    bed.done(Effect::Kill(id)).await;
    assert_eq!(bed.ended().await.code, Some(137));
}

#[tokio::test]
async fn a_game_that_does_not_handle_signals_ends_at_once_behind_an_init() {
    let bed = Bed::new("init").await;
    let mut spec = bed.spec(0);
    // The probe has no handler for SIGTERM: as PID 1 it would live through it.
    spec.command = vec!["/testgame".into()];
    spec.args = vec!["probe".into(), "hang".into()];
    let id = bed.create(spec).await;
    bed.done(Effect::Start(id.clone())).await;
    bed.done(Effect::Stop(id, 3600)).await;
    assert_eq!(bed.ended().await.signal(), Some(15));
}

#[tokio::test]
async fn storage_outlives_its_containers_and_goes_when_told() {
    let bed = Bed::new("storage").await;
    let volume = bed.storage();
    let wanted = [volume.name.clone()];
    let seen = bed
        .runtime
        .storage(&bed.key, &wanted)
        .await
        .expect("the engine answers");
    assert_eq!((seen.present.len(), &seen.missing[..]), (0, &wanted[..]));
    bed.done(Effect::CreateStorage(vec![volume.clone()])).await;
    bed.done(Effect::CreateStorage(vec![volume.clone()])).await;
    let seen = bed
        .runtime
        .storage(&bed.key, &wanted)
        .await
        .expect("the engine answers");
    assert_eq!((&seen.present[..], seen.missing.len()), (&wanted[..], 0));

    let mut worlds = Vec::new();
    for attempt in 0..2 {
        let mut spec = bed.spec(attempt);
        spec.volumes = vec![volume.clone()];
        let id = bed.create(spec).await;
        bed.done(Effect::Start(id.clone())).await;
        bed.ready().await;
        worlds.push(bed.ask("world").await);
        bed.done(Effect::Kill(id.clone())).await;
        bed.ended().await;
        bed.done(Effect::Remove(id)).await;
    }
    let world = |text: &str| text.split(';').next().unwrap_or_default().to_owned();
    assert!(worlds[0].starts_with("world "), "{worlds:?}");
    assert_eq!(world(&worlds[0]), world(&worlds[1]));

    bed.done(Effect::RemoveStorage(seen.present)).await;
    let seen = bed
        .runtime
        .storage(&bed.key, &wanted)
        .await
        .expect("the engine answers");
    assert!(seen.present.is_empty());
    bed.done(Effect::RemoveStorage(wanted.to_vec())).await;
}

#[tokio::test]
async fn a_strangers_volume_is_neither_used_nor_removed() {
    let bed = Bed::new("strangevol").await;
    let volume = bed.storage();
    docker(&["volume", "create", &volume.name]).await;
    let refused = bed.act(Effect::CreateStorage(vec![volume.clone()])).await;
    assert!(
        matches!(&refused, Err(EffectError::Failed(w)) if w.contains(&volume.name)),
        "{refused:?}"
    );
    bed.done(Effect::RemoveStorage(vec![volume.name.clone()]))
        .await;
    docker(&["volume", "rm", &volume.name]).await;
}

#[tokio::test]
async fn a_container_goes_with_its_anonymous_volumes() {
    let bed = Bed::new("anonymous").await;
    let id = bed.start().await;
    let format = "{{range .Mounts}}{{.Name}} {{end}}";
    let volume = docker(&["inspect", "--format", format, &id.0]).await;
    docker(&["volume", "inspect", &volume]).await;
    bed.done(Effect::Kill(id.clone())).await;
    bed.ended().await;
    bed.done(Effect::Remove(id)).await;
    let left = crate::bed::run("docker", &["volume", "inspect", &volume]).await;
    assert!(!left.status.success(), "{volume} is left");
}

#[tokio::test]
async fn nothing_is_written_to_another_engine_than_the_recorded_one() {
    let bed = Bed::new("wrongengine").await;
    let other = EngineId("f".repeat(32));
    for effect in [
        Effect::Create(Box::new(bed.spec(0))),
        Effect::CreateStorage(vec![bed.storage()]),
        Effect::Kill(ContainerId("0".repeat(64))),
    ] {
        let refused = bed.runtime.act(&bed.key, &other, &effect).await;
        assert!(
            matches!(refused, Err(EffectError::OtherEngine { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(bed.look().await, Seen::Absent);
}

#[tokio::test]
async fn the_sweep_finds_containers_and_storage_and_nobody_elses() {
    let bed = Bed::new("sweep").await;
    bed.done(Effect::CreateStorage(vec![bed.storage()])).await;
    let id = bed.start().await;
    docker(&["run", "-d", "--name", "sweep-stranger", crate::bed::IMAGE]).await;
    let owned = bed.runtime.list().await.expect("the engine answers");
    docker(&["rm", "-fv", "sweep-stranger"]).await;
    let ours: Vec<_> = owned.iter().filter(|o| o.uid == bed.key.uid).collect();
    assert_eq!(ours.len(), 2, "{ours:?}");
    assert!(
        ours.iter()
            .all(|o| o.namespace == "default" && o.session == "sweep")
    );
    assert!(
        ours.iter()
            .any(|o| o.kind == OwnedKind::Storage && o.id == bed.storage().name)
    );
    assert!(
        ours.iter()
            .any(|o| o.kind == OwnedKind::Container { running: true } && o.id == id.0)
    );
}
