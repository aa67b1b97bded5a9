//! The controller dies at each of its writes, before it is sent, between commit and reply, and after the reply; the next
//! one brings a session through its whole life all the same, with one container an attempt and nothing left.
//!
//! The binary under test stops itself where `DILLINGER_FAILPOINT` says, in builds with debug assertions.

use dillinger_runner::api::keys;

use crate::harness::{Controller, GameMaker, Scene, session};

/// Up, stop, deletion. Ready at its start and without a port, so that every run makes the same writes.
async fn whole_life(scene: &Scene) {
    let game = GameMaker::bare("arena")
        .args(&["--tcp", "7777"])
        .storage("world", "/data");
    scene.game(&game).await;
    let play = scene.session(&session("friday", "arena")).await;
    let ready = play.until_ready().await;
    assert_eq!(ready.status.and_then(|s| s.attempt), Some(0));
    play.stop().await;
    play.until_phase("Stopped").await;
    play.until_seen("the container is removed", || async {
        play.containers().await.is_empty().then_some(())
    })
    .await;
    play.delete().await;
    play.until_gone().await;
}

/// The writes of an undisturbed life, as the gate numbers them.
async fn writes_of_a_life(name: &str) -> Vec<String> {
    let scene = Scene::open(name).await;
    let count = scene
        .world
        .folder
        .join(format!("log/{}.count", scene.namespace));
    let file = count.to_str().expect("a plain path");
    let options = scene.options.clone().env("DILLINGER_FAILPOINT_COUNT", file);
    let controller = scene.controller_with(&options).await;
    whole_life(&scene).await;
    let text = std::fs::read_to_string(&count).expect("the controller counts its writes");
    scene.close(controller).await;
    text.lines().map(str::to_owned).collect()
}

/// One life with a death at the n-th write.
async fn dies_at(n: usize, point: &str) {
    let scene = Scene::open(&format!("sweep-{point}-{n}")).await;
    let label = format!("{}={}", keys::NAMESPACE, scene.namespace);
    let events = scene.engine.watch(&label).await;
    let dying = scene
        .options
        .clone()
        .env("DILLINGER_FAILPOINT", &format!("{n}:{point}"));
    let mut first = scene.controller_with(&dying).await;
    let next = async {
        let ended = first.until_ended().await;
        assert!(!ended.success(), "it was to die, not to end");
        assert!(
            first.log_text().contains("failpoint reached"),
            "{}",
            first.tail(20)
        );
        Controller::start(&scene.world, &scene.options).await
    };
    let (next, ()) = tokio::join!(next, whole_life(&scene));
    assert_eq!(
        events.count("create"),
        1,
        "created twice after a death {point} write {n}"
    );
    assert_eq!(
        events.count("start"),
        1,
        "started twice after a death {point} write {n}"
    );
    assert_eq!(events.count("destroy"), 1);
    drop(first);
    scene.close(next).await;
}

async fn dies_at_each(point: &str) {
    let writes = writes_of_a_life(&format!("count-{point}")).await;
    assert!(
        writes.len() >= 11,
        "fewer writes than the table has: {writes:?}"
    );
    for n in 1..=writes.len() {
        dies_at(n, point).await;
    }
}

#[tokio::test]
async fn it_dies_before_each_write() {
    dies_at_each("before").await;
}

#[tokio::test]
async fn it_dies_between_the_commit_of_each_write_and_the_reply() {
    dies_at_each("between").await;
}

#[tokio::test]
async fn it_dies_after_the_reply_to_each_write() {
    dies_at_each("after").await;
}
