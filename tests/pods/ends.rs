//! How a Pod can end, and what each end is to its session.

use dillinger_runner::api::ConditionStatus;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};

use crate::bed::{Bed, cond, message};
use crate::controller::Controller;
use crate::make::{GameMaker, session, testgame};

fn game() -> GameMaker {
    testgame("arena").no_storage()
}

#[tokio::test]
async fn a_crash_is_a_restart_for_as_long_as_the_budget_lasts() {
    let bed = Bed::open("pods-crash").await;
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena").restarts(1)).await;
    play.until_ready().await;
    let first = play.pod().await.uid();
    play.tell("crash 7").await;
    let waiting = play.until_reason("Ready", "BackOff").await;
    assert!(message(&waiting, "Ready").contains("exit code 7"));
    let ready = play.until_ready_in(1).await;
    let status = ready.status.expect("a status");
    assert_eq!(status.restarts, Some(1));
    assert_eq!(status.last_exit.and_then(|exit| exit.exit_code), Some(7));
    assert_ne!(play.pod().await.uid(), first);
    play.tell("crash 7").await;
    let failed = play.until_finished("Error").await;
    assert!(message(&failed, "Finished").contains("all 1 restarts are used up"));
    play.until_no_pod().await;
    bed.close().await;
}

#[tokio::test]
async fn a_game_that_ends_well_completes_its_session() {
    let bed = Bed::open("pods-complete").await;
    let game = GameMaker::bare("arena").args(&["--exit-after", "1s"]);
    bed.game(&game).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_finished("Completed").await;
    play.until_no_pod().await;
    bed.close().await;
}

#[tokio::test]
async fn a_game_that_takes_too_much_memory_is_said_to_have() {
    let bed = Bed::open("pods-oom").await;
    bed.game(&GameMaker::bare("arena").args(&["--hog-memory"]))
        .await;
    let play = bed.session(&session("friday", "arena")).await;
    let failed = play.until_finished("OOMKilled").await;
    let last = failed.status.and_then(|s| s.last_exit).expect("an exit");
    assert_eq!(last.oom_killed, Some(true));
    bed.close().await;
}

#[tokio::test]
async fn a_pod_that_somebody_deletes_comes_back_and_costs_no_restart() {
    let bed = Bed::open("pods-by-hand").await;
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let pods: Api<Pod> = bed.of();
    let name = play.pod().await.name_any();
    pods.delete(&name, &DeleteParams::default())
        .await
        .expect("deleted");
    let back = play.until_ready_in(1).await;
    let status = back.status.expect("a status");
    assert_eq!((status.restarts, status.interruptions), (Some(0), Some(1)));
    let last = status.last_exit.expect("an exit");
    assert_eq!(last.reason.as_deref(), Some("Interrupted"));
    bed.close().await;
}

/// A drain may take the node of the controller first.
#[tokio::test]
async fn a_pod_that_went_while_no_controller_ran_comes_back_and_costs_no_restart() {
    let mut bed = Bed::open("pods-unseen").await;
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let name = play.pod().await.name_any();
    drop(play);
    bed.controller.kill();
    let pods: Api<Pod> = bed.of();
    pods.delete(&name, &DeleteParams::default())
        .await
        .expect("deleted");
    bed.known("friday").await.until_no_pod().await;
    bed.controller = Controller::start(&bed.world, &bed.options).await;
    let back = bed.known("friday").await.until_ready_in(1).await;
    let status = back.status.expect("a status");
    assert_eq!((status.restarts, status.interruptions), (Some(0), Some(1)));
    bed.close().await;
}

#[tokio::test]
async fn an_eviction_is_an_interruption_in_the_clusters_word() {
    let bed = Bed::open("pods-evict").await;
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let pods: Api<Pod> = bed.of();
    let name = play.pod().await.name_any();
    pods.evict(&name, &Default::default())
        .await
        .expect("evicted");
    let waiting = play.until_reason("Ready", "Interrupted").await;
    let words = message(&waiting, "Ready");
    assert!(words.contains("EvictionByEvictionAPI"), "{words}");
    play.until_ready_in(1).await;
    bed.close().await;
}

#[tokio::test]
async fn a_deadline_stops_the_pod_and_ends_the_session_as_timed_out() {
    let bed = Bed::open("pods-deadline").await;
    bed.game(&game()).await;
    let play = bed
        .session(&session("friday", "arena").active_deadline(2))
        .await;
    let ended = play.until_finished("DeadlineExceeded").await;
    assert_eq!(
        cond(&ended, "Stalled").map(|c| c.status),
        Some(ConditionStatus::False)
    );
    play.until_no_pod().await;
    bed.close().await;
}
