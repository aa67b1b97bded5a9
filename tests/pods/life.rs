//! A session's whole life as a Pod.

use dillinger_runner::api::{PortProtocol, RuntimeKind};
use kube::ResourceExt;

use crate::bed::Bed;
use crate::make::{GameMaker, session, testgame};

/// The test game with no storage: the cluster of the tests makes no volumes by itself.
fn game() -> GameMaker {
    testgame("arena").no_storage()
}

#[tokio::test]
async fn the_same_game_and_session_run_as_a_pod_and_answer_on_their_address() {
    let bed = Bed::open("pods-run").await;
    bed.game(&game()).await;
    let play = bed
        .session(&session("friday", "arena").edit(|s| s.runtime = Some(RuntimeKind::Pod)))
        .await;
    let ready = play.until_ready().await;
    assert_eq!(play.ask("ping").await, "pong:ping");
    let status = ready.status.expect("a status");
    assert_eq!(status.runtime.as_deref(), Some("Pod"));
    assert_eq!(status.phase.as_deref(), Some("Running"));
    let pod = play.pod().await;
    let container = status.container.expect("a container");
    assert_eq!(container.id, pod.uid());
    assert_eq!(container.node_name.as_deref(), Some("node1"));
    assert_eq!(status.engine.and_then(|engine| engine.name), None);
    assert!(ready.metadata.finalizers.is_none(), "no finalizer");
    bed.close().await;
}

#[tokio::test]
async fn a_stop_ends_the_pod_and_a_resume_finds_the_world_again() {
    let bed = Bed::open("pods-stop").await;
    let class = bed.namespace.clone();
    bed.volume(&class).await;
    let game = testgame("arena").edit(|s| s.storage_class_name = Some(class));
    bed.game(&game).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let saved = play.ask("append sword").await;
    play.stop().await;
    let stopped = play.until_phase("Stopped").await;
    let last = stopped.status.and_then(|s| s.last_exit).expect("an exit");
    assert_eq!(last.reason.as_deref(), Some("Requested"));
    play.until_no_pod().await;
    play.resume().await;
    play.until_ready_in(1).await;
    let loaded = play.ask("world").await;
    assert!(
        loaded.contains("sword"),
        "saved {saved:?}, found {loaded:?}"
    );
    bed.close().await;
}

#[tokio::test]
async fn a_deleted_session_takes_its_pod_with_it() {
    let bed = Bed::open("pods-delete").await;
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.delete().await;
    play.until_gone().await;
    play.until_no_pod().await;
    bed.close().await;
}

#[tokio::test]
async fn a_controller_that_dies_and_comes_back_touches_no_game() {
    let mut bed = Bed::open("pods-kill").await;
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let (before, pod) = (play.now().await, play.pod().await);
    drop(play);
    bed.controller.kill();
    let again = crate::controller::Controller::start(&bed.world, &bed.options).await;
    bed.controller = again;
    let series = "dillinger_sessions{phase=\"Running\",runtime=\"Pod\"}";
    crate::wait::until("the new controller knows the session", || async {
        (bed.controller.metric(series).await == Some(1.0)).then_some(())
    })
    .await;
    crate::wait::until("it has looked at it", || async {
        let looks = bed.controller.metric_sum("dillinger_reconcile_total").await;
        looks.is_some_and(|looks| looks >= 1.0).then_some(())
    })
    .await;
    assert_eq!(bed.all_writes().await, [], "nothing was written");
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = bed.of();
    let same = pods.get(&pod.name_any()).await.expect("it is there");
    assert_eq!(same.uid(), pod.uid());
    assert_eq!(same.resource_version(), pod.resource_version());
    let sessions: kube::Api<dillinger_runner::api::GameSession> = bed.of();
    let session = sessions.get("friday").await.expect("it is there");
    assert_eq!(session.resource_version(), before.resource_version());
    bed.close().await;
}

#[tokio::test]
async fn a_passthrough_port_is_the_same_number_inside_and_outside() {
    let bed = Bed::open("pods-passthrough").await;
    let game = GameMaker::bare("arena")
        .args(&["--tcp", "$(PORT_GAME)"])
        .port("game", 1, PortProtocol::TCP)
        .passthrough()
        .ready_by_answer("game");
    bed.game(&game).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    assert_eq!(play.ask("ping").await, "pong:ping");
    bed.close().await;
}
