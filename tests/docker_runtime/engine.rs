//! Engines that go, come back, hang, lose their marker, or are another one.

use std::sync::Arc;

use dillinger_runner::api::{PortPolicy, PortProtocol};
use dillinger_runner::runtime::docker::{DockerConfig, DockerRuntime};
use dillinger_runner::runtime::{EffectError, Hint, Runtime};
use dillinger_runner::session::contract::PortTerms;
use dillinger_runner::session::plan::Effect;
use dillinger_runner::session::seen::{Answer, Doubt, End, Seen};
use futures::StreamExt;

use crate::bed::{Bed, alone, config, docker, ok, shared, some_ports, until};

async fn engine(args: &[&str]) {
    ok("engine", args).await;
}

#[tokio::test]
async fn a_runtime_is_made_without_an_engine_and_says_so() {
    let runtime = DockerRuntime::new(DockerConfig {
        host: Some("unix:///nowhere/docker.sock".into()),
        ..config()
    });
    assert_eq!(runtime.engine().await, None);
    let bed = Bed::new("engineless").await;
    let look = dillinger_runner::runtime::Look {
        key: &bed.key,
        attempt: None,
        engine: None,
        id: None,
        probe: true,
    };
    let seen = runtime.look(look).await;
    assert!(
        matches!(&seen, Seen::Unknown(Doubt::EngineUnreachable(w)) if w.contains("/nowhere")),
        "{seen:?}"
    );
    let acted = runtime
        .act(
            &bed.key,
            &bed.engine,
            &Effect::Create(Box::new(bed.spec(0))),
        )
        .await;
    assert!(matches!(acted, Err(EffectError::NoAnswer(_))), "{acted:?}");
}

#[tokio::test]
async fn every_runtime_on_an_engine_agrees_on_its_id() {
    let _hold = shared().await;
    let found = futures::future::join_all((0..8).map(|_| async {
        DockerRuntime::new(config())
            .engine()
            .await
            .expect("it answers")
    }))
    .await;
    assert!(found.iter().all(|e| *e == found[0]), "{found:?}");
    assert_eq!(found[0].id.0.len(), 32);
    assert!(found[0].name.is_some());
}

#[tokio::test]
async fn a_pruned_marker_is_made_again_with_the_same_id() {
    let bed = Bed::on(DockerRuntime::new(config()), "pruned", alone().await).await;
    bed.create(bed.spec(0)).await;
    docker(&["volume", "rm", "dillinger-engine"]).await;
    let again = DockerRuntime::new(config())
        .engine()
        .await
        .expect("it answers");
    assert_eq!(again.id, bed.engine);
    assert!(matches!(bed.look().await, Seen::Created(..)));
}

#[tokio::test]
async fn a_marker_that_is_pruned_while_we_watch_is_made_again_at_once() {
    let runtime = DockerRuntime::new(config());
    let mut hints = Arc::clone(&runtime).hints();
    assert_eq!(hints.next().await, Some(Hint::All));
    let bed = Bed::on(runtime, "watched", alone().await).await;
    bed.create(bed.spec(0)).await;
    docker(&["volume", "rm", "dillinger-engine"]).await;
    let format = "{{index .Labels \"dillinger.dev/engine\"}}";
    let id = until("the marker is there again", || async {
        let made = crate::bed::run(
            "docker",
            &["volume", "inspect", "-f", format, "dillinger-engine"],
        )
        .await;
        made.status
            .success()
            .then(|| String::from_utf8_lossy(&made.stdout).trim().to_owned())
    })
    .await;
    assert_eq!(id, bed.engine.0);
}

#[tokio::test]
async fn an_engine_that_was_killed_comes_back_with_its_games_interrupted() {
    let runtime = DockerRuntime::new(config());
    let mut hints = Arc::clone(&runtime).hints();
    assert_eq!(hints.next().await, Some(Hint::All));
    let bed = Bed::on(runtime, "outage", alone().await).await;
    bed.start().await;
    bed.ready().await;
    engine(&["kill"]).await;
    until("the engine is in doubt", || async {
        matches!(bed.look().await, Seen::Unknown(Doubt::EngineUnreachable(_))).then_some(())
    })
    .await;
    while hints.next().await != Some(Hint::All) {}
    assert_eq!(bed.runtime.engine().await, None);
    engine(&["start"]).await;
    while hints.next().await != Some(Hint::All) {}
    let exit = bed.ended().await;
    assert_eq!(exit.end(), End::Interrupted, "{exit:?}");
    assert!(exit.finished <= exit.engine_started, "{exit:?}");
    assert_eq!(
        bed.runtime.engine().await.map(|e| e.id),
        Some(bed.engine.clone())
    );
}

#[tokio::test]
async fn events_are_followed_again_after_the_engine_restarted() {
    let runtime = DockerRuntime::new(config());
    let mut hints = Arc::clone(&runtime).hints();
    assert_eq!(hints.next().await, Some(Hint::All));
    let bed = Bed::on(runtime, "again", alone().await).await;
    engine(&["stop"]).await;
    engine(&["start"]).await;
    // The stream broke; sooner or later it is followed again, and a start by hand is hinted.
    let id = bed.create(bed.spec(0)).await;
    let ours = Hint::Session(bed.key.uid.clone());
    let hinted = async { while hints.next().await.as_ref() != Some(&ours) {} };
    let by_hand = async {
        until("the event is heard", || async {
            docker(&["start", &id.0]).await;
            docker(&["kill", &id.0]).await;
            None::<()>
        })
        .await;
    };
    tokio::select! {
        () = hinted => {}
        () = by_hand => {}
    }
}

#[tokio::test]
async fn an_empty_data_root_is_another_engine() {
    let runtime = DockerRuntime::new(config());
    let mut hints = Arc::clone(&runtime).hints();
    assert_eq!(hints.next().await, Some(Hint::All));
    let bed = Bed::on(runtime, "replaced", alone().await).await;
    let old = format!(
        "{}/docker",
        std::env::var("DILLINGER_WORLD").expect("a world")
    );
    bed.create(bed.spec(0)).await;
    engine(&["stop"]).await;
    engine(&["start", &format!("{old}-other")]).await;
    // Never Absent, from the first look on: the recorded engine holds the container.
    until("the other engine is seen", || async {
        match bed.look().await {
            Seen::Unknown(Doubt::EngineMismatch { recorded, found }) => {
                assert_eq!(recorded, bed.engine.0);
                assert_ne!(recorded, found);
                Some(())
            }
            Seen::Unknown(Doubt::EngineUnreachable(_)) => None,
            other => panic!("{other:?}"),
        }
    })
    .await;
    let acted = bed.act(Effect::Create(Box::new(bed.spec(1)))).await;
    assert!(
        matches!(acted, Err(EffectError::OtherEngine { .. })),
        "{acted:?}"
    );
    engine(&["stop"]).await;
    engine(&["start", &old]).await;
    bed.until_seen("the old engine is back", |seen| match seen {
        Seen::Created(..) => Some(()),
        Seen::Absent => panic!("it was there all the time"),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_hung_engine_is_doubt_and_holds_nobody() {
    let bed = Bed::on(DockerRuntime::new(config()), "hung", alone().await).await;
    bed.start().await;
    engine(&["freeze"]).await;
    let looks = futures::future::join_all((0..40).map(|_| bed.look())).await;
    let acted = bed.act(Effect::Create(Box::new(bed.spec(1)))).await;
    engine(&["thaw"]).await;
    for seen in looks {
        assert!(
            matches!(seen, Seen::Unknown(Doubt::EngineUnreachable(_))),
            "{seen:?}"
        );
    }
    assert!(matches!(acted, Err(EffectError::NoAnswer(_))), "{acted:?}");
    bed.ready().await;
}

#[tokio::test]
async fn after_a_restart_one_list_stands_for_the_looks_at_running_games() {
    let bed = Bed::new("listed").await;
    bed.start().await;
    let inspected = bed.ready().await;
    let look = || dillinger_runner::runtime::Look {
        key: &bed.key,
        attempt: Some(0),
        engine: Some(&bed.engine),
        id: None,
        probe: false,
    };
    // What happened to a container in the seconds before a list makes its look a live one; then the list stands, and does not
    // say when the container was started.
    let (restarted, _hints, listed) = until("the list stands for the look", || async {
        let restarted = DockerRuntime::new(config());
        let mut hints = Arc::clone(&restarted).hints();
        assert_eq!(hints.next().await, Some(Hint::All));
        match restarted.look(look()).await {
            Seen::Running(c, Answer::NotAsked) if c.started.is_none() => {
                Some((restarted, hints, c))
            }
            Seen::Running(live, _) => {
                assert_eq!(live.started, inspected.started);
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                None
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert_eq!(
        (&listed.id, &listed.endpoints),
        (&inspected.id, &inspected.endpoints)
    );
    let Seen::Running(again, _) = restarted.look(look()).await else {
        panic!("it runs");
    };
    assert_eq!(again.started, inspected.started);
}

#[tokio::test]
async fn ports_of_live_containers_are_taken_and_free_again_at_their_end() {
    let range = some_ports(1);
    let runtime = DockerRuntime::new(DockerConfig {
        port_range: range.clone(),
        ..config()
    });
    let mut hints = Arc::clone(&runtime).hints();
    assert_eq!(hints.next().await, Some(Hint::All));
    let bed = Bed::on(runtime, "ports", shared().await).await;
    let wanted = [PortTerms {
        name: "game".into(),
        container_port: Some(7777),
        protocol: PortProtocol::UDP,
        policy: PortPolicy::Dynamic,
        host_port: None,
    }];
    let publish = format!("127.0.0.1:{}:1/udp", range.start());
    let stranger = docker(&["run", "-d", "-p", &publish, crate::bed::IMAGE]).await;
    until("the stranger's port is taken", || async {
        bed.runtime
            .choose_ports(&bed.key, &wanted)
            .is_err()
            .then_some(())
    })
    .await;
    docker(&["rm", "-fv", &stranger]).await;
    let chosen = until("it is free again", || async {
        bed.runtime.choose_ports(&bed.key, &wanted).ok()
    })
    .await;
    assert_eq!(chosen.0["game"], *range.start());
}

/// A TCP address that leads to the world's engine.
async fn over_tcp() -> String {
    let socket = crate::bed::host().trim_start_matches("unix://").to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut engine = tokio::net::UnixStream::connect(socket)
                    .await
                    .expect("the engine");
                // Either end may hang up.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
            });
        }
    });
    format!("tcp://{address}")
}

#[tokio::test]
async fn an_engine_over_tcp_serves_as_well() {
    let runtime = DockerRuntime::new(DockerConfig {
        host: Some(over_tcp().await),
        ..config()
    });
    let mut hints = Arc::clone(&runtime).hints();
    assert_eq!(hints.next().await, Some(Hint::All));
    let bed = Bed::on(runtime, "tcp", shared().await).await;
    let id = bed.start().await;
    bed.ready().await;
    bed.done(Effect::Kill(id)).await;
    bed.ended().await;
}
