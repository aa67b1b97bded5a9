//! Two controllers at once: one leads, the other stands by and takes over.

use std::collections::BTreeMap;

use dillinger_runner::api::{ConditionStatus, keys};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::ListParams;

use crate::harness::engine::Events;
use crate::harness::play::is;
use crate::harness::{Controller, GameMaker, Scene, session, testgame, until};

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

/// Two that do not know of each other may choose one port for two games, and one of these is then made again.
fn portless(name: &str) -> GameMaker {
    GameMaker::bare(name).ready_by_log()
}

/// What the engine was made to do, by the kind of act.
fn acts(events: &Events) -> BTreeMap<String, usize> {
    let mut acts = BTreeMap::new();
    for (action, _) in events.actions() {
        if ["create", "start", "die", "destroy"].contains(&action.as_str()) {
            *acts.entry(action).or_default() += 1;
        }
    }
    acts
}

fn each(times: usize, of: &[&str]) -> BTreeMap<String, usize> {
    of.iter().map(|act| ((*act).to_owned(), times)).collect()
}

#[tokio::test]
async fn a_leader_frozen_past_its_lease_in_the_midst_of_eight_starts_wakes_and_starts_none_twice() {
    let scene = Scene::open("frozen-starting").await;
    let (first, second) = two(&scene).await;
    scene.game(&portless("arena")).await;
    let before = holder(&scene).await.expect("a leader");
    let label = format!("{}={}", keys::NAMESPACE, scene.namespace);
    let events = scene.engine.watch(&label).await;
    let mut plays = Vec::new();
    for n in 0..8 {
        plays.push(scene.session(&session(&format!("s{n}"), "arena")).await);
    }
    until("the first starts them", || async {
        (events.count("create") > 0).then_some(())
    })
    .await;
    first.signal("STOP");
    until("the second leads", || async {
        holder(&scene).await.filter(|h| *h != before)
    })
    .await;
    for play in &plays {
        play.until_ready().await;
    }
    first.signal("CONT");
    // The one that woke up has looked around, and what it had begun is over.
    until("the first says that it does not lead", || async {
        (first.metric("dillinger_leader").await == Some(0.0)).then_some(())
    })
    .await;
    let last = scene.session(&session("last", "arena")).await;
    last.until_ready().await;
    for play in plays.iter().chain([&last]) {
        play.container().await;
        assert!(is(&play.now().await, "Ready", ConditionStatus::True));
    }
    assert_eq!(acts(&events), each(9, &["create", "start"]));
    drop((plays, last, first));
    scene.close(second).await;
}

#[tokio::test]
async fn two_that_both_believe_that_they_lead_start_and_end_each_game_once() {
    let mut scene = Scene::open("two-leaders").await;
    scene.options = scene.options.clone().flag("--leader-elect", "false");
    let (first, second) = (scene.controller().await, scene.controller().await);
    for controller in [&first, &second] {
        assert_eq!(controller.metric("dillinger_leader").await, Some(1.0));
    }
    scene.game(&portless("arena")).await;
    let label = format!("{}={}", keys::NAMESPACE, scene.namespace);
    let events = scene.engine.watch(&label).await;
    let mut plays = Vec::new();
    for n in 0..8 {
        plays.push(scene.session(&session(&format!("s{n}"), "arena")).await);
    }
    for play in &plays {
        let ready = play.until_ready().await;
        assert_eq!(ready.status.and_then(|s| s.attempt), Some(0));
        play.container().await;
    }
    assert_eq!(acts(&events), each(8, &["create", "start"]));
    for play in &plays[..4] {
        play.stop().await;
    }
    for play in &plays[4..] {
        play.delete().await;
    }
    for play in &plays[..4] {
        play.until_phase("Stopped").await;
    }
    for play in &plays[4..] {
        play.until_gone().await;
    }
    until("all containers are removed", || async {
        (events.count("destroy") == 8).then_some(())
    })
    .await;
    let all = ["create", "start", "die", "destroy"];
    assert_eq!(acts(&events), each(8, &all));
    drop((plays, first));
    scene.close(second).await;
}

#[tokio::test]
async fn without_the_namespace_of_its_lease_it_waits_and_goes_on_when_that_is_there() {
    let mut scene = Scene::open("late-lease").await;
    let missing = format!("{}-leases", scene.namespace);
    scene.options.lease_namespace = missing.clone();
    let mut controller = scene.launch(&scene.options);
    let play = {
        scene.game(&testgame("arena")).await;
        scene.session(&session("friday", "arena")).await
    };
    until("it says that it does not lead", || async {
        let (code, _) = controller.admin("GET", "/readyz", "").await?;
        (code != 200 && controller.log_text().contains("Lease")).then_some(())
    })
    .await;
    assert!(
        play.now().await.status.is_none(),
        "it acted without a claim"
    );
    scene
        .world
        .kubectl(&["create", "namespace", &missing])
        .await;
    controller.until_ready().await;
    play.until_ready().await;
    let world = scene.world.clone();
    scene.close(controller).await;
    world
        .kubectl(&["delete", "namespace", &missing, "--wait=false"])
        .await;
}
