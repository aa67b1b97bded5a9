//! Many sessions at once: a burst with one that can never start, and a restart over twenty that run.

use std::collections::BTreeMap;

use dillinger_runner::api::{ConditionStatus, keys};

use crate::alone;
use crate::harness::play::{cond, is};
use crate::harness::{Scene, session, testgame, until};

#[tokio::test]
async fn fifty_at_once_are_ready_though_one_among_them_can_never_start() {
    let _alone = alone().await;
    let mut scene = Scene::open("fifty").await;
    scene.widen_ports(60);
    let controller = scene.controller().await;
    scene.game(&testgame("arena")).await;
    scene
        .game(&testgame("broken").command(&["/no/such/program"]))
        .await;
    let mut plays = Vec::new();
    for n in 0..50 {
        let game = if n == 7 { "broken" } else { "arena" };
        let wish = session(&format!("s{n:02}"), game);
        let wish = if n == 7 { wish.restarts(20) } else { wish };
        plays.push(scene.session(&wish).await);
    }
    for (n, play) in plays.iter().enumerate().filter(|(n, _)| *n != 7) {
        let ready = play.until_ready().await;
        assert_eq!(
            ready.status.and_then(|s| s.restarts).unwrap_or(0),
            0,
            "session {n}"
        );
    }
    let poison = plays[7].now().await;
    assert!(!is(&poison, "Ready", ConditionStatus::True));
    let mut addresses: Vec<String> = Vec::new();
    for (_, play) in plays.iter().enumerate().filter(|(n, _)| *n != 7) {
        addresses.push(play.address().await);
    }
    for play in [&plays[0], &plays[8], &plays[49]] {
        assert_eq!(play.ask("ping").await, "pong:ping");
    }
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 49, "two games at one address");
    scene.close(controller).await;
}

#[tokio::test]
async fn twenty_running_games_do_not_notice_that_the_controller_was_killed() {
    let _alone = alone().await;
    let mut scene = Scene::open("twenty").await;
    scene.widen_ports(30);
    let mut controller = scene.controller().await;
    scene.game(&testgame("arena")).await;
    let mut plays = Vec::new();
    for n in 0..20 {
        plays.push(scene.session(&session(&format!("s{n:02}"), "arena")).await);
    }
    let mut before = BTreeMap::new();
    for play in &plays {
        let ready = play.until_ready().await;
        let id = play.container_id().await;
        before.insert(play.name.clone(), (id, ready.metadata.resource_version));
    }
    // Reports that follow Ready, if any, are in before the kill.
    for play in &plays {
        play.until("has its newest generation observed", |s| {
            cond(s, "Ready").and_then(|c| c.observed_generation) == s.metadata.generation
        })
        .await;
    }
    controller.kill();
    let events = scene
        .engine
        .watch(&format!("{}={}", keys::NAMESPACE, scene.namespace))
        .await;
    let audit = scene.audit();
    let controller = scene.controller().await;
    until("the new controller has looked at all twenty", || async {
        let looked = controller
            .metric_sum("dillinger_reconcile_duration_seconds_count")
            .await?;
        (looked >= 20.0).then_some(())
    })
    .await;
    // A change of ours goes through the same queue behind whatever the start brought.
    let last = scene.session(&session("last", "arena")).await;
    last.until_ready().await;
    for play in &plays {
        let session = play.now().await;
        let (id, version) = &before[&play.name];
        assert_eq!(play.container_id().await, *id, "{}", play.name);
        assert_eq!(
            session.metadata.resource_version, *version,
            "{} was written to",
            play.name
        );
        assert!(is(&session, "Ready", ConditionStatus::True));
    }
    let of_last = last.container_id().await;
    let touched: Vec<_> = events
        .actions()
        .into_iter()
        .filter(|(_, id)| *id != of_last)
        .collect();
    assert_eq!(touched, [], "engine writes after the restart");
    let written: Vec<_> = audit
        .session_writes()
        .into_iter()
        .filter(|r| r.name != "last")
        .collect();
    assert_eq!(written, [], "API writes after the restart");
    scene.close(controller).await;
}
