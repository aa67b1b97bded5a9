//! Each stage is counted exactly as often as it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use super::api::Fault;
use super::{Running, World};
use crate::telemetry::stages::Stage;

/// How often each stage happened; those that did not are left out.
fn counts(running: &Running) -> BTreeMap<&'static str, u64> {
    let text = running.ctx.metrics.encode();
    let value = |line: String| {
        let found = text.lines().find_map(|row| row.strip_prefix(&line));
        found.expect(&line).parse::<f64>().unwrap()
    };
    let count = |stage: Stage| {
        let line = format!(
            "dillinger_stage_seconds_count{{stage=\"{}\"}} ",
            stage.label()
        );
        (stage.label(), value(line) as u64)
    };
    let all = Stage::ALL.map(count).into_iter();
    all.filter(|(_, n)| *n > 0).collect()
}

fn seconds(running: &Running, stage: Stage) -> f64 {
    let text = running.ctx.metrics.encode();
    let line = format!(
        "dillinger_stage_seconds_sum{{stage=\"{}\"}} ",
        stage.label()
    );
    let found = text.lines().find_map(|row| row.strip_prefix(&line));
    found.expect(&line).parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_cold_session_takes_each_stage_as_often_as_it_happens() {
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world
        .until("the watch showed all", || {
            counts(&running).get("watch") == Some(&3)
        })
        .await;
    let expected = [
        ("queue", 1),
        ("observe", 5),
        ("plan", 5),
        ("record", 2),
        ("finalizer", 1),
        ("create", 1),
        ("start", 1),
        ("ready", 1),
        ("watch", 3),
    ];
    assert_eq!(counts(&running), BTreeMap::from(expected));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_told_by_its_stages_and_what_nobody_can_see_any_more_is_not() {
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world.settle().await;
    let before = counts(&running);
    world.api.delete("friday");
    world
        .until("it is gone", || world.api.session("friday").is_none())
        .await;
    world.settle().await;
    let after = counts(&running);
    let more = |stage: &str| {
        let of = |counts: &BTreeMap<_, _>| counts.get(stage).copied().unwrap_or(0);
        of(&after) - of(&before)
    };
    for (stage, times) in [
        ("record", 1),
        ("finalizer", 1),
        ("stop", 1),
        ("remove", 1),
        ("ready", 0),
        ("kill", 0),
        ("report", 0),
        ("delete_session", 0),
    ] {
        assert_eq!(more(stage), times, "{stage}");
    }
    assert_eq!(more("watch"), 1, "the session went with the second write");
    assert_eq!(running.ctx.triggers.depth(), 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_is_a_stage_and_no_sight_of_the_watch() {
    let world = World::new();
    world.api.fault(1, Fault::Unanswered);
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world.settle().await;
    let counts = counts(&running);
    assert_eq!((counts["record"], counts["watch"]), (2, 2));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn ready_is_counted_from_the_start_and_after_a_restart_from_the_first_sight() {
    let world = World::new();
    world.runtime.set_ready(false);
    let first = world.controller("a");
    for name in ["friday", "sunday"] {
        world.session(name);
        world.phase(name, "Starting").await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    first.kill();
    let second = world.controller("b");
    world
        .until("both were looked at", || {
            second.ctx.metrics.reconciles.get() >= 2
        })
        .await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.runtime.set_ready(true);
    for name in ["friday", "sunday"] {
        world.phase(name, "Running").await;
    }
    assert_eq!(counts(&second)["ready"], 2);
    let each = seconds(&second, Stage::Ready) / 2.0;
    assert!((20.0..21.0).contains(&each), "{each} s");
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_look_that_nothing_fired_waited_in_no_queue() {
    let world = World::new();
    let running = world.controller("a");
    world.session("friday");
    world.phase("friday", "Running").await;
    world
        .until("the slow clock looked", || {
            running.ctx.metrics.reconciles.get() > 1
        })
        .await;
    assert_eq!(counts(&running)["queue"], 1);
    assert_eq!(seconds(&running, Stage::Queue), 0.0);
    running.stop().await;
}
