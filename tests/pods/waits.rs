//! What a Pod can wait for, in the words of those who keep it waiting.

use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::bed::{Bed, message};
use crate::make::{GameMaker, session, testgame};

fn game() -> GameMaker {
    testgame("arena").no_storage()
}

#[tokio::test]
async fn a_pod_that_fits_on_no_node_shows_the_schedulers_words() {
    let bed = Bed::open("pods-nowhere").await;
    let nowhere = game().edit(|s| {
        s.node_selector.insert("pool".to_owned(), "none".to_owned());
    });
    bed.game(&nowhere).await;
    let play = bed.session(&session("friday", "arena")).await;
    let waiting = play.until_reason("Ready", "Unschedulable").await;
    let words = message(&waiting, "Started");
    assert!(words.contains("nodes are available"), "{words}");
    // It can still be stopped, and what never ran leaves nothing.
    play.stop().await;
    play.until_phase("Stopped").await;
    play.until_no_pod().await;
    bed.close().await;
}

#[tokio::test]
async fn an_image_that_nobody_has_is_named_with_the_kubelets_words() {
    let bed = Bed::open("pods-image").await;
    bed.game(&game().image("localhost/nobody-has-this:1")).await;
    let play = bed.session(&session("friday", "arena")).await;
    let waiting = play.until_reason("ImageReady", "ImagePullFailed").await;
    let words = message(&waiting, "ImageReady");
    assert!(words.contains("nobody-has-this"), "{words}");
    bed.close().await;
}

#[tokio::test]
async fn a_quota_is_waited_for_and_named() {
    let bed = Bed::open("pods-quota").await;
    let quotas: Api<ResourceQuota> = bed.of();
    let quota = json!({"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}});
    let quota = serde_json::from_value(quota).expect("a quota");
    quotas
        .create(&PostParams::default(), &quota)
        .await
        .expect("created");
    crate::wait::until("the quota is counted", || async {
        let quota = quotas.get("small").await.ok()?;
        quota.status?.hard.is_some().then_some(())
    })
    .await;
    bed.game(&game()).await;
    let play = bed.session(&session("friday", "arena")).await;
    let waiting = play.until_reason("Ready", "QuotaExceeded").await;
    assert!(message(&waiting, "Ready").contains("small"));
    quotas
        .delete("small", &Default::default())
        .await
        .expect("deleted");
    play.until_ready().await;
    bed.close().await;
}

#[tokio::test]
async fn a_pod_that_the_cluster_refuses_fails_its_session_at_once() {
    let bed = Bed::open("pods-refused").await;
    bed.game(&game().edit(|s| s.priority_class_name = Some("nobody-made-this".to_owned())))
        .await;
    let play = bed.session(&session("friday", "arena")).await;
    let failed = play.until_finished("PodRejected").await;
    assert!(message(&failed, "Finished").contains("nobody-made-this"));
    bed.close().await;
}

#[tokio::test]
async fn a_stranger_under_our_name_is_named_and_never_touched() {
    let mut bed = Bed::open("pods-stranger").await;
    bed.game(&game().edit(|s| {
        s.node_selector.insert("pool".to_owned(), "none".to_owned());
    }))
    .await;
    // The name is known once the session has its uid: the controller waits meanwhile.
    bed.controller.kill();
    let play = bed.session(&session("friday", "arena")).await;
    let name = dillinger_runner::session::container::name(&play.name, &play.uid);
    drop(play);
    let pods: Api<Pod> = bed.of();
    let stranger = json!({
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "other", "image": "dillinger/testgame:1"}], "nodeSelector": {"pool": "none"}},
    });
    let stranger = serde_json::from_value(stranger).expect("a Pod");
    let stranger = pods
        .create(&PostParams::default(), &stranger)
        .await
        .expect("created");
    bed.controller = crate::controller::Controller::start(&bed.world, &bed.options).await;
    let sessions: Api<dillinger_runner::api::GameSession> = bed.of();
    crate::wait::until("the session names the stranger", || async {
        let session = sessions.get("friday").await.ok()?;
        let ready = crate::bed::cond(&session, "Ready")?;
        (ready.reason == "NameConflict").then_some(())
    })
    .await;
    let same = pods.get(&name).await.expect("it is there");
    assert_eq!(same.metadata.uid, stranger.metadata.uid);
    assert_eq!(same.metadata.deletion_timestamp, None);
    pods.delete(&name, &Default::default())
        .await
        .expect("deleted");
    bed.close().await;
}
