//! The leader dies, or stands still past its Lease.

use std::time::{Duration, Instant};

use crate::bed::{Bed, phase_of};
use crate::controller::Controller;
use crate::history::History;
use crate::make::{GameMaker, session, testgame};
use crate::wait::until;

const KILLS: usize = 10;
/// The pause that a leader is to wake from: well past its Lease.
const PAUSE: Duration = Duration::from_secs(30);

fn game() -> GameMaker {
    testgame("arena").no_storage()
}

/// One that has all it needs, and does not lead.
async fn standby(bed: &Bed) -> Controller {
    let mut standby = Controller::launch(&bed.world, &bed.options);
    standby.until_ready().await;
    assert_eq!(standby.metric("dillinger_leader").await, Some(0.0));
    standby
}

async fn until_leading(controller: &Controller) {
    until("it leads", || async {
        (controller.metric("dillinger_leader").await == Some(1.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn after_the_leaders_death_the_next_session_moves_and_no_game_is_touched() {
    let mut bed = Bed::open("nodes-failover").await;
    let history = History::of(&bed.client, &bed.namespace);
    bed.game(&game()).await;
    let first = bed.session(&session("first", "arena")).await;
    first.until_ready().await;
    let (name, pod) = (first.name.clone(), first.pod().await);
    let mut took = Vec::new();
    for number in 0..KILLS {
        let standby = standby(&bed).await;
        let killed = Instant::now();
        bed.controller.kill();
        bed.controller = standby;
        let next = bed
            .session(&session(&format!("next-{number}"), "arena"))
            .await;
        next.until("moves", |s| !phase_of(s).is_empty()).await;
        took.push(killed.elapsed().as_secs_f64());
        next.until_ready().await;
        next.delete().await;
    }
    took.sort_by(f64::total_cmp);
    println!(
        "kill -9 of the leader until the next session moved, {KILLS} times: {:.2} s median, {:.2} s longest",
        took[KILLS / 2],
        took[KILLS - 1]
    );
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = bed.of();
    let same = pods
        .get(pod.metadata.name.as_deref().expect("a name"))
        .await;
    assert_eq!(
        same.expect("it is there").metadata.uid,
        pod.metadata.uid,
        "the Pod of {name} was replaced"
    );
    history.assert_none_was_started_twice();
    bed.close().await;
}

#[tokio::test]
async fn a_leader_that_stood_still_past_its_lease_starts_nothing_twice_when_it_wakes() {
    let mut bed = Bed::open("nodes-frozen").await;
    let history = History::of(&bed.client, &bed.namespace);
    bed.game(&game()).await;
    let first = bed.session(&session("first", "arena")).await;
    first.until_ready().await;
    let standby = standby(&bed).await;
    // In the middle of its work: these are under way, or not begun.
    let mut names = Vec::new();
    for number in 0..6 {
        let made = bed
            .session(&session(&format!("under-way-{number}"), "arena"))
            .await;
        names.push(made);
    }
    bed.controller.signal("STOP");
    let paused = Instant::now();
    until_leading(&standby).await;
    for play in &names {
        play.until_ready().await;
    }
    first.stop().await;
    first.until_phase("Stopped").await;
    first.resume().await;
    first.until_ready_in(1).await;
    tokio::time::sleep(PAUSE.saturating_sub(paused.elapsed())).await;
    bed.controller.signal("CONT");
    until("the woken one knows that it does not lead", || async {
        (bed.controller.metric("dillinger_leader").await == Some(0.0)).then_some(())
    })
    .await;
    let later = bed.session(&session("later", "arena")).await;
    later.until_ready().await;
    history.assert_none_was_started_twice();
    drop((first, later, names));
    assert!(bed.controller.terminate().await.success());
    bed.controller = standby;
    bed.close().await;
}
