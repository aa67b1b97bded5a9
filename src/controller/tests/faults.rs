//! What goes wrong: answers lost, writers overtaken, leaders killed, engines away, clocks apart.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::claim::POLL;
use super::World;
use super::api::Fault;

#[tokio::test(start_paused = true)]
async fn whichever_write_is_committed_and_never_answered_one_container_comes_to_run() {
    for n in 1..=3 {
        let world = World::new();
        world.api.fault(n, Fault::Unanswered);
        let running = world.controller("a");
        world.session("friday");
        world.phase("friday", "Running").await;
        world.settle().await;
        assert_eq!(world.runtime.made(), 1, "write {n}");
        assert_eq!(world.status("friday")["attempt"], 0, "write {n}");
        assert_eq!(
            world.api.writes().len(),
            3,
            "write {n}: what was committed is not written again"
        );
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_write_is_overtaken_it_is_planned_again_in_the_same_look() {
    for n in 1..=3 {
        let world = World::new();
        world.api.fault(n, Fault::Overtaken);
        let running = world.controller("a");
        world.session("friday");
        world.phase("friday", "Running").await;
        world.settle().await;
        assert_eq!(world.runtime.made(), 1, "write {n}");
        assert_eq!(
            world.api.writes().len(),
            4,
            "write {n}: the one that was refused, once more"
        );
        assert_eq!(running.ctx.metrics.conflicts.get(), 1, "write {n}");
        assert_eq!(world.api.gets(), 1, "write {n}");
        assert_eq!(
            running.ctx.backoff.waiting(),
            0,
            "write {n}: a conflict is no failure"
        );
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_one_session_is_nobody_elses_trouble() {
    let world = World::new();
    world.runtime.panic_at("cursed");
    let running = world.controller("a");
    for name in ["cursed", "friday", "monday"] {
        world.session(name);
    }
    world.phase("friday", "Running").await;
    world.phase("monday", "Running").await;
    assert_eq!(running.ctx.backoff.waiting(), 1);
    assert_eq!(world.status("cursed"), Value::Null);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_standby_writes_nothing_and_takes_over_within_three_seconds_of_a_kill() {
    let world = World::new();
    let first = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    let second = world.controller("b");
    world.settle().await;
    assert_eq!(second.ctx.metrics.reconciles.get(), 0);
    first.kill();
    let killed = tokio::time::Instant::now();
    world.session("monday");
    world.phase("monday", "Running").await;
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(world.runtime.made(), 2);
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_graceful_stop_hands_over_at_once() {
    let world = World::new();
    let first = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    let second = world.controller("b");
    world.settle().await;
    first.stop().await;
    let stopped = tokio::time::Instant::now();
    world.session("monday");
    world.phase("monday", "Running").await;
    assert!(stopped.elapsed() < POLL * 2, "{:?}", stopped.elapsed());
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_of_another_engine_is_left_to_its_live_controller_and_doubted_without_one() {
    let world = World::new();
    world.api.put("gamesessions", "theirs", |session| {
        session["spec"] = json!({"gameRef": {"name": "wesnoth"}, "user": "bob"});
        session["status"] = json!({
            "runtime": "Docker", "engine": {"id": "other"}, "attempt": 0,
            "attemptTime": "2026-01-01T00:00:00Z", "phase": "Running",
        });
    });
    let api = world.api.clone();
    let alive = tokio::spawn(async move {
        for _ in 0..120 {
            api.lease("other", "somebody");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let running = world.controller("a");
    alive.await.unwrap();
    assert_eq!(world.api.writes(), [""; 0], "while its controller lives");
    world.phase("theirs", "Unknown").await;
    assert_eq!(world.runtime.acts(), [""; 0]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_shown_after_fifteen_seconds_and_at_most_twenty_a_second() {
    let world = World::new();
    let running = world.controller("a");
    for n in 0..100 {
        world.session(&format!("s{n}"));
    }
    world
        .until("all run", || world.runtime.running() == 100)
        .await;
    world.settle().await;
    let before = world.api.writes().len();
    world.runtime.set_away(true);
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(world.api.writes().len(), before);
    let shown = || {
        (0..100)
            .filter(|n| world.status(&format!("s{n}"))["phase"] == "Unknown")
            .count()
    };
    world.until("the first is shown", || shown() > 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(shown() <= 40, "{} in the first second", shown());
    world.until("all are shown", || shown() == 100).await;
    world.runtime.set_away(false);
    world.until("all are seen again", || shown() == 0).await;
    world.settle().await;
    assert_eq!(world.api.writes().len(), before + 200);
    assert_eq!(world.runtime.made(), 100);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_clocks_disagree_no_deadline_acts_and_nothing_spins() {
    let world = World::new();
    world.api.date("Thu, 01 Jan 2026 01:00:00 GMT");
    let running = world.controller("a");
    world.api.put("gamesessions", "friday", |session| {
        session["spec"] = json!({
            "gameRef": {"name": "wesnoth"}, "user": "alice", "activeDeadlineSeconds": 60,
        });
    });
    world.phase("friday", "Running").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.status("friday")["phase"], "Running");
    let looks = running.ctx.metrics.reconciles.get();
    assert!(looks < 700, "{looks} looks in ten minutes");
    world.api.date("Thu, 01 Jan 2026 00:10:10 GMT");
    world.phase("friday", "TimedOut").await;
    running.stop().await;
}

/// A status asks for no look, whoever wrote it: otherwise two writers that disagree would write for ever.
#[tokio::test(start_paused = true)]
async fn another_writer_of_the_status_is_put_right_at_the_next_look_and_never_fought_with() {
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world.settle().await;
    let (ours, acts) = (world.api.writes().len(), world.runtime.acts());
    for n in 1..=3 {
        world.api.put("gamesessions", "friday", |session| {
            session["status"]["phase"] = json!("Failed");
            session["status"]["address"] = json!(format!("203.0.113.{n}:1"));
        });
        world.settle().await;
        assert_eq!(world.api.writes().len(), ours + n - 1);
        tokio::time::sleep(Duration::from_secs(660)).await;
        assert_eq!(world.api.writes().len(), ours + n);
        assert_eq!(world.status("friday")["phase"], "Running");
        assert_eq!(world.status("friday")["address"], "127.0.0.1:7000");
    }
    assert_eq!(world.runtime.acts(), acts);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn three_hundred_at_once_come_up_though_one_among_them_never_can() {
    let world = World::new();
    world.runtime.curse("s150");
    let running = world.controller("a");
    for n in 0..300 {
        world.session(&format!("s{n}"));
    }
    let most = || world.runtime.running() == 299;
    world.until("all but one run", most).await;
    world.settle().await;
    assert_eq!(world.runtime.made(), 299);
    assert_eq!(world.status("s150")["phase"], "Starting");
    assert_eq!(running.ctx.backoff.waiting(), 1);
    running.stop().await;
}
