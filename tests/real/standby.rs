//! Two controllers at once: one leads, the other stands by and takes over.

use dillinger_runner::api::{ConditionStatus, keys};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::ListParams;

use crate::harness::play::is;
use crate::harness::{Controller, Scene, session, testgame, until};

/// Who holds the engine's Lease, as the API server has it.
async fn holder(scene: &Scene) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(scene.client.clone(), &scene.namespace);
    let list = leases
        .list(&ListParams::default())
        .await
        .expect("leases are listed");
    let [lease] = &list.items[..] else {
        return None;
    };
    let name = lease.metadata.name.as_deref().expect("a name");
    assert!(name.starts_with("dillinger-engine-"), "{name}");
    lease
        .spec
        .as_ref()
        .and_then(|s| s.holder_identity.clone())
        .filter(|h| !h.is_empty())
}

async fn two(scene: &Scene) -> (Controller, Controller) {
    let first = scene.controller().await;
    until("the first leads", || holder(scene)).await;
    let second = scene.launch(&scene.options);
    (first, second)
}

#[tokio::test]
async fn the_second_takes_over_after_a_kill_and_touches_no_game() {
    let scene = Scene::open("takeover").await;
    let (mut first, second) = two(&scene).await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let id = play.container_id().await;
    let events = scene
        .engine
        .watch(&format!("{}={}", keys::NAMESPACE, scene.namespace))
        .await;
    let before = holder(&scene).await.expect("a leader");
    first.kill();
    until("the second leads", || async {
        holder(&scene).await.filter(|h| *h != before)
    })
    .await;
    let later = scene.session(&session("later", "arena")).await;
    later.until_ready().await;
    assert_eq!(play.container_id().await, id);
    let on_first: Vec<_> = events
        .actions()
        .into_iter()
        .filter(|(_, c)| *c == id)
        .collect();
    assert_eq!(on_first, [], "the running game was touched");
    scene.close(second).await;
}

#[tokio::test]
async fn the_second_takes_over_at_once_when_the_first_is_told_to_end() {
    let scene = Scene::open("handover").await;
    let (mut first, second) = two(&scene).await;
    scene.game(&testgame("arena")).await;
    assert!(first.terminate().await.success());
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    scene.close(second).await;
}

#[tokio::test]
async fn with_two_controllers_each_session_gets_one_container() {
    let scene = Scene::open("two-at-once").await;
    let (mut first, second) = two(&scene).await;
    scene.game(&testgame("arena")).await;
    let mut plays = Vec::new();
    let events = scene
        .engine
        .watch(&format!("{}={}", keys::NAMESPACE, scene.namespace))
        .await;
    for n in 0..8 {
        plays.push(scene.session(&session(&format!("s{n}"), "arena")).await);
        if n == 4 {
            first.kill();
        }
    }
    for play in &plays {
        play.until_ready().await;
        play.container().await;
    }
    assert_eq!(events.count("create"), 8);
    assert_eq!(events.count("start"), 8);
    scene.close(second).await;
}

#[tokio::test]
async fn a_frozen_leader_that_wakes_up_finds_that_it_leads_no_more() {
    let scene = Scene::open("frozen").await;
    let (first, second) = two(&scene).await;
    scene.game(&testgame("arena")).await;
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let before = holder(&scene).await.expect("a leader");
    first.signal("STOP");
    let now = until("the second leads", || async {
        holder(&scene).await.filter(|h| *h != before)
    })
    .await;
    play.stop().await;
    play.until_phase("Stopped").await;
    first.signal("CONT");
    play.resume().await;
    let again = play.until_ready().await;
    assert_eq!(again.status.and_then(|s| s.attempt), Some(1));
    play.container().await;
    assert_eq!(
        holder(&scene).await,
        Some(now),
        "the frozen one took the Lease back by force"
    );
    drop(first);
    assert!(is(&play.now().await, "Ready", ConditionStatus::True));
    scene.close(second).await;
}
