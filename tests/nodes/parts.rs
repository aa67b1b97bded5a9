//! Parts of the cluster that end and come back under games that run.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};

use crate::bed::{Bed, Play, cond};
use crate::cluster::{self, until_node, until_served};
use crate::controller::Controller;
use crate::history::History;
use crate::make::{GameMaker, session, testgame};
use crate::wait::until;

fn game() -> GameMaker {
    testgame("arena").no_storage()
}

/// How a game stands that nobody may touch: its Pod, its attempt, how often its kubelet restarted it.
#[derive(Debug, PartialEq)]
struct Untouched {
    pod: Option<String>,
    attempt: Option<i32>,
    restarted: Vec<i32>,
}

impl Untouched {
    async fn of(play: &Play<'_>) -> Untouched {
        let (session, pod) = (play.now().await, play.pod().await);
        let status = pod.status.clone().unwrap_or_default();
        let containers = status.container_statuses.unwrap_or_default();
        Untouched {
            pod: pod.uid(),
            attempt: session.status.and_then(|s| s.attempt),
            restarted: containers.iter().map(|c| c.restart_count).collect(),
        }
    }
}

#[tokio::test]
async fn a_controller_that_is_replaced_by_a_newer_one_touches_no_game() {
    let mut bed = Bed::open("nodes-upgrade").await;
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let before = Untouched::of(&play).await;
    let session_before = play.now().await;
    // As a Deployment does it: the new one is ready before the old one is told to end.
    let mut newer = Controller::launch(&bed.world, &bed.options);
    newer.until_ready().await;
    assert_eq!(play.ask("ping").await, "pong:ping");
    drop(play);
    assert!(bed.controller.terminate().await.success());
    bed.controller = newer;
    let later = bed.session(&session("later", "arena")).await;
    later.until_ready().await;
    drop(later);
    assert_eq!(resumed(&bed, "friday").await, before);
    let sessions: Api<dillinger_runner::api::GameSession> = bed.of();
    let session = sessions.get("friday").await.expect("it is there");
    assert_eq!(
        session.resource_version(),
        session_before.resource_version(),
        "something was written"
    );
    bed.close().await;
}

async fn resumed(bed: &Bed, name: &str) -> Untouched {
    Untouched::of(&bed.known(name).await).await
}

#[tokio::test]
async fn an_api_server_that_is_away_for_longer_than_the_lease_costs_a_pause_and_nothing_else() {
    let bed = Bed::open("nodes-apiserver").await;
    let history = History::of(&bed.client, &bed.namespace);
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let before = Untouched::of(&play).await;
    let version = play.now().await.resource_version();
    let address = play.address().await;
    let away = cluster::stop(&bed.world, "1", "apiserver");
    until("the claim to lead has lapsed", || async {
        (bed.controller.metric("dillinger_leader").await == Some(0.0)).then_some(())
    })
    .await;
    let pong = crate::ask::line(&address, "ping").await;
    assert_eq!(pong.as_deref(), Some("pong:ping"), "the game plays on");
    away.start();
    until_served(&bed.client).await;
    let later = bed.session(&session("later", "arena")).await;
    later.until_ready().await;
    assert_eq!(Untouched::of(&play).await, before);
    assert_eq!(play.now().await.resource_version(), version);
    history.assert_none_was_started_twice();
    drop((play, later));
    bed.close().await;
}

#[tokio::test]
async fn a_kubelet_and_a_containerd_that_restart_touch_no_game() {
    let bed = Bed::open("nodes-kubelet").await;
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let before = Untouched::of(&play).await;
    let address = play.address().await;
    let (node, name) = on_node(&play).await;
    for part in ["kubelet", "containerd"] {
        let away = cluster::stop(&bed.world, node, part);
        let pong = crate::ask::line(&address, "ping").await;
        assert_eq!(pong.as_deref(), Some("pong:ping"), "{part} is down");
        away.start();
        until_node(&bed.client, &name, true).await;
        let later = bed.session(&session(part, "arena")).await;
        later.until_ready().await;
        assert_eq!(Untouched::of(&play).await, before, "{part} came back");
    }
    drop(play);
    bed.close().await;
}

#[tokio::test]
async fn a_node_that_does_not_report_makes_its_sessions_unknown_and_ends_none() {
    let bed = Bed::open("nodes-not-ready").await;
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let before = Untouched::of(&play).await;
    let address = play.address().await;
    let (node, name) = on_node(&play).await;
    let away = cluster::stop(&bed.world, node, "kubelet");
    until_node(&bed.client, &name, false).await;
    let unknown = play.until_reason("Ready", "NodeLost").await;
    let words = &cond(&unknown, "Ready").expect("just seen").message;
    assert!(words.contains(&name), "{words}");
    let pong = crate::ask::line(&address, "ping").await;
    assert_eq!(pong.as_deref(), Some("pong:ping"), "the game plays on");
    away.start();
    until_node(&bed.client, &name, true).await;
    play.until_ready_in(0).await;
    assert_eq!(Untouched::of(&play).await, before);
    drop(play);
    bed.close().await;
}

/// The number and the name of the node that a session's Pod is on.
async fn on_node(play: &Play<'_>) -> (&'static str, String) {
    let pod: Pod = play.pod().await;
    let name = pod.spec.and_then(|spec| spec.node_name).expect("a node");
    let number = if name == "node2" { "2" } else { "1" };
    (number, name)
}
