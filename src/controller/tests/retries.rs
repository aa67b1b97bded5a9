//! What does not go through is tried again, and not before its time: no storm of names makes it sooner.

use std::time::Duration;

use serde_json::json;

use super::{Running, World};

const TEN_MINUTES: u64 = 600;

/// How often this was done so far.
fn count(world: &World, act: &str) -> usize {
    let acts = world.runtime.acts();
    acts.iter().filter(|done| **done == act).count()
}

/// Ten minutes in which the session is named every second.
async fn storm(world: &World, session: &str) {
    let uid = world.api.session(session).expect("it is there")["metadata"]["uid"].clone();
    let uid = uid.as_str().expect("a uid");
    for _ in 0..TEN_MINUTES {
        world.runtime.name(uid);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// So many tries fit into the ten minutes: the waits double from 200 ms to 5 min, each shortened by up to a half.
fn as_the_waits_allow(tries: usize) -> bool {
    (11..=15).contains(&tries)
}

fn began() -> (World, Running) {
    let world = World::new();
    world.runtime.tell_of_failures();
    let running = world.controller("a");
    (world, running)
}

#[tokio::test(start_paused = true)]
async fn a_create_that_failed_is_not_tried_again_at_once_though_the_engine_tells_of_each() {
    let (world, running) = began();
    world.runtime.fail_creates(Some("no space left on device"));
    world.session("friday");
    world.phase("friday", "Starting").await;
    storm(&world, "friday").await;
    let tries = count(&world, "create");
    assert!(as_the_waits_allow(tries), "{tries} creates in ten minutes");
    assert_eq!(world.api.writes().len(), 3, "P3, P4 and one report");
    world.runtime.fail_creates(None);
    world.phase("friday", "Running").await;
    assert_eq!(world.runtime.made(), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_failed_is_not_tried_again_at_once_either() {
    let (world, running) = began();
    world
        .runtime
        .fail_starts(Some("resource temporarily unavailable"));
    world.session("friday");
    world.phase("friday", "Starting").await;
    storm(&world, "friday").await;
    let tries = count(&world, "start");
    assert!(as_the_waits_allow(tries), "{tries} starts in ten minutes");
    assert_eq!(world.runtime.made(), 1, "the container is kept");
    world.runtime.fail_starts(None);
    world.phase("friday", "Running").await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_name_is_in_use_and_not_to_be_seen_is_tried_once_a_look() {
    let (world, running) = began();
    world.runtime.take_names(true);
    world.session("friday");
    world.phase("friday", "Starting").await;
    storm(&world, "friday").await;
    let tries = count(&world, "create");
    assert!(as_the_waits_allow(tries), "{tries} creates in ten minutes");
    let text = world.status("friday").to_string();
    assert!(text.contains("the name is in use"), "{text}");
    world.runtime.take_names(false);
    world.phase("friday", "Running").await;
    let text = world.status("friday").to_string();
    assert!(!text.contains("the name is in use"), "{text}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_changes_meanwhile_is_answered_at_once() {
    let (world, running) = began();
    world.runtime.fail_creates(Some("no space left on device"));
    world.session("friday");
    world.session("monday");
    world.phase("friday", "Starting").await;
    storm(&world, "friday").await;
    let before = count(&world, "create");
    // A Game of another image is another container.
    world.api.put("games", "wesnoth", |game| {
        game["spec"]["image"] = json!("example/wesnothd:2");
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let tries = count(&world, "create") - before;
    assert_eq!(tries, 2, "both sessions wait for it");
    // So is the end of the wish.
    world.api.delete("friday");
    let gone = || world.api.session("friday").is_none();
    let asked = tokio::time::Instant::now();
    world.until("it is gone", gone).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_while_it_waits_is_taken_note_of_and_makes_no_try() {
    let (world, running) = began();
    world.runtime.fail_creates(Some("no space left on device"));
    world.session("friday");
    world.phase("friday", "Starting").await;
    storm(&world, "friday").await;
    let before = count(&world, "create");
    world.api.put("gamesessions", "friday", |session| {
        session["spec"]["ttlSecondsAfterFinished"] = json!(60);
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(count(&world, "create"), before);
    assert_eq!(world.status("friday")["observedGeneration"], 2);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_stopped_before_it_had_a_container_held_its_static_port_for_five_minutes()
 {
    let (world, running) = began();
    world.runtime.fail_creates(Some("no space left on device"));
    world.session("friday");
    world.phase("friday", "Starting").await;
    assert!(!world.runtime.has_freed_ports("friday"));
    world.api.put("gamesessions", "friday", |session| {
        session["spec"]["desiredState"] = json!("Stopped");
    });
    world.phase("friday", "Stopped").await;
    assert!(world.runtime.has_freed_ports("friday"));
    assert_eq!(world.runtime.made(), 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_its_engine_refused_late_was_not_sent_again_and_the_game_was_killed_untold() {
    let (world, running) = began();
    world.session("friday");
    world.phase("friday", "Running").await;
    world.runtime.refuse_next_stop_late("the daemon is busy");
    world.api.put("gamesessions", "friday", |session| {
        session["spec"]["desiredState"] = json!("Stopped");
    });
    world.phase("friday", "Stopped").await;
    let acts = world.runtime.acts();
    assert_eq!(acts, ["create", "start", "stop", "stop", "remove"]);
    running.stop().await;
}
