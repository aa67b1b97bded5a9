//! Every Seen, and what happens to containers behind our back.

use dillinger_runner::session::plan::Effect;
use dillinger_runner::session::seen::{Answer, Doubt, End, Seen};

use crate::bed::{Bed, IMAGE, docker, readiness};

#[tokio::test]
async fn a_strangers_container_of_our_name_is_foreign_and_says_whose() {
    let bed = Bed::new("foreign").await;
    let name = bed.key.container_name.as_str();
    docker(&["create", "--name", name, IMAGE]).await;
    match bed.look().await {
        Seen::Foreign(words) => assert!(words.contains(IMAGE), "{words}"),
        other => panic!("{other:?}"),
    }
    docker(&["rm", "-v", name]).await;
    assert_eq!(bed.look().await, Seen::Absent);
}

#[tokio::test]
async fn a_container_that_was_renamed_by_hand_is_still_ours() {
    let bed = Bed::new("renamed").await;
    let id = bed.start().await;
    docker(&["rename", &id.0, "some-other-name"]).await;
    match bed.look().await {
        Seen::Running(container, _) => {
            assert_eq!(
                (container.id, container.name.as_str()),
                (id, "some-other-name")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_container_that_was_paused_by_hand_is_paused() {
    let bed = Bed::new("paused").await;
    let id = bed.start().await;
    docker(&["pause", &id.0]).await;
    assert!(matches!(bed.look().await, Seen::Paused(_)));
    docker(&["unpause", &id.0]).await;
    assert!(matches!(bed.look().await, Seen::Running(..)));
}

#[tokio::test]
async fn a_paused_game_can_be_killed() {
    let bed = Bed::new("pausekill").await;
    let id = bed.start().await;
    docker(&["pause", &id.0]).await;
    bed.done(Effect::Kill(id)).await;
    assert_eq!(bed.ended().await.code, Some(137));
}

#[tokio::test]
async fn a_container_that_was_removed_by_hand_is_absent() {
    let bed = Bed::new("removed").await;
    let id = bed.start().await;
    docker(&["rm", "-fv", &id.0]).await;
    assert_eq!(bed.look().await, Seen::Absent);
}

#[tokio::test]
async fn a_container_that_restarts_by_itself_is_doubt() {
    let bed = Bed::new("restarting")
        .await
        .args(&["--exit-after", "1ms", "--exit-code", "3"]);
    let id = bed.create(bed.spec(0)).await;
    docker(&["update", "--restart", "always", &id.0]).await;
    bed.done(Effect::Start(id)).await;
    bed.until_seen("it is not understood", |seen| match seen {
        Seen::Unknown(Doubt::EngineUnreachable(why)) => why.contains("restarting").then_some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn an_older_attempt_is_seen_before_the_newer() {
    let bed = Bed::new("attempts").await;
    let mut old = bed.spec(0);
    old.name = format!("{}-old", bed.key.container_name);
    bed.done(Effect::Create(Box::new(old))).await;
    bed.done(Effect::Create(Box::new(bed.spec(1)))).await;
    let look = dillinger_runner::runtime::Look {
        key: &bed.key,
        attempt: Some(1),
        engine: Some(&bed.engine),
        id: None,
        probe: true,
    };
    let seen = dillinger_runner::runtime::Runtime::look(&*bed.runtime, look).await;
    assert_eq!(seen.container().map(|c| c.attempt), Some(0), "{seen:?}");
}

#[tokio::test]
async fn an_exit_shows_its_code_and_the_end_of_its_log() {
    let bed = Bed::new("exit").await;
    let id = bed.start().await;
    bed.ready().await;
    bed.ask("log before the end").await;
    docker(&["exec", &id.0, "/testgame", "probe", "port", "7777"]).await;
    // No answer comes: the game is gone.
    std::thread::spawn({
        let port = bed.port;
        move || {
            use std::io::Write as _;
            let mut game = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the game");
            game.write_all(b"crash 3\n").expect("sent");
        }
    });
    let exit = bed.ended().await;
    assert_eq!(
        (exit.code, exit.oom_killed, exit.end()),
        (Some(3), false, End::Failed)
    );
    assert!(exit.finished.is_some() && exit.engine_started.is_some());
    assert!(exit.engine_started < exit.finished);
    assert!(
        exit.last_lines.contains("before the end"),
        "{}",
        exit.last_lines
    );
    assert!(
        exit.last_lines.ends_with("told to crash with 3"),
        "{}",
        exit.last_lines
    );
}

#[tokio::test]
async fn a_hostile_log_is_made_safe() {
    let bed = Bed::new("hostile")
        .await
        .args(&["--hostile-log", "--exit-after", "1ms"]);
    bed.start().await;
    let shown = bed.ended().await.last_lines;
    assert!(shown.contains("red"), "{shown:?}");
    for hidden in ['\u{1b}', '\u{7}', '\0', '\u{202e}', '\u{2066}', '\r'] {
        assert!(!shown.contains(hidden), "{hidden:?} in {shown:?}");
    }
    assert!(
        !shown.contains("[31m") && !shown.contains("owned"),
        "{shown:?}"
    );
}

#[tokio::test]
async fn too_little_memory_is_an_oom_and_no_interruption() {
    // On a busy host containerd tells of the exit before the lack of memory, and the engine then drops the second.
    for name in ["oom", "oom-again", "oom-at-last"] {
        let bed = Bed::new(name).await.args(&["--hog-memory"]);
        let mut spec = bed.spec(0);
        spec.memory_bytes = 16 << 20;
        let id = bed.create(spec).await;
        bed.done(Effect::Start(id)).await;
        let exit = bed.ended().await;
        assert_eq!(exit.code, Some(137));
        if exit.oom_killed {
            assert_eq!(exit.end(), End::Failed);
            return;
        }
    }
    panic!("the engine told of no lack of memory, three times");
}

#[tokio::test]
async fn a_game_that_was_ready_and_ended_between_two_looks_shows_it_in_its_log() {
    for (pattern, found) in [("server ready", true), ("never printed", false)] {
        let mut log = readiness();
        log.log = Some(dillinger_runner::api::LogProbe {
            pattern: pattern.into(),
        });
        let bed = Bed::new("readylog")
            .await
            .ready_when(log)
            .args(&["--exit-after", "100ms"]);
        bed.start().await;
        let exit = bed.ended().await;
        assert_eq!(
            (exit.code, exit.ready_in_log),
            (Some(0), found),
            "{pattern}"
        );
    }
}

#[tokio::test]
async fn a_look_that_does_not_ask_says_that_it_did_not() {
    let mut tcp = readiness();
    tcp.tcp_socket = Some(dillinger_runner::api::TcpSocketProbe {
        port: "game".into(),
    });
    let bed = Bed::new("unasked").await.ready_when(tcp);
    bed.start().await;
    assert!(matches!(
        bed.look_with(false).await,
        Seen::Running(_, Answer::NotAsked)
    ));
}
