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

/// Up, an end of its own, and the TTL.
async fn short_life(scene: &Scene) {
    let game = GameMaker::bare("arena").args(&["--exit-after", "2s"]);
    scene.game(&game).await;
    let play = scene.session(&session("friday", "arena").ttl(1)).await;
    play.until_gone().await;
}

#[derive(Clone, Copy)]
enum Life {
    /// Up, stop, deletion.
    Whole,
    /// Up, natural end, TTL.
    Short,
}

async fn live(scene: &Scene, life: Life) {
    match life {
        Life::Whole => whole_life(scene).await,
        Life::Short => short_life(scene).await,
    }
}

/// The writes of an undisturbed life, as the gate numbers them.
async fn writes_of(life: Life, name: &str) -> Vec<String> {
    let scene = Scene::open(name).await;
    let file = format!("log/{}.count", scene.namespace);
    let count = scene.world.folder.join(file);
    let file = count.to_str().expect("a plain path");
    let options = scene.options.clone().env("DILLINGER_FAILPOINT_COUNT", file);
    let controller = scene.controller_with(&options).await;
    live(&scene, life).await;
    let text = std::fs::read_to_string(&count).expect("the controller counts its writes");
    scene.close(controller).await;
    text.lines().map(str::to_owned).collect()
}

/// One life with a death at the n-th write.
async fn dies_at(life: Life, n: usize, point: &str) {
    let scene = Scene::open(&format!("sweep-{point}-{n}")).await;
    let label = format!("{}={}", keys::NAMESPACE, scene.namespace);
    let events = scene.engine.watch(&label).await;
    let failpoint = format!("{n}:{point}");
    let dying = scene.options.clone().env("DILLINGER_FAILPOINT", &failpoint);
    let mut first = scene.controller_with(&dying).await;
    let next = async {
        let ended = first.until_ended().await;
        assert!(!ended.success(), "it was to die, not to end");
        let log = first.log_text();
        assert!(log.contains("failpoint reached"), "{}", first.tail(20));
        Controller::start(&scene.world, &scene.options).await
    };
    let (next, ()) = tokio::join!(next, live(&scene, life));
    let counts = ["create", "start", "destroy"].map(|action| events.count(action));
    assert_eq!(counts, [1, 1, 1], "after a death {point} write {n}");
    drop(first);
    scene.close(next).await;
}

async fn dies_at_each(point: &str) {
    let whole = writes_of(Life::Whole, &format!("count-{point}")).await;
    assert!(
        whole.len() >= 11,
        "fewer writes than the table has: {whole:?}"
    );
    for n in 1..=whole.len() {
        dies_at(Life::Whole, n, point).await;
    }
    // Until Ready both lives are the same.
    let short = writes_of(Life::Short, &format!("count-short-{point}")).await;
    let ready = short
        .iter()
        .rposition(|w| w.ends_with("start"))
        .expect("a start")
        + 2;
    assert!(
        short.len() >= ready + 3,
        "fewer writes than the table has: {short:?}"
    );
    for n in ready + 1..=short.len() {
        dies_at(Life::Short, n, point).await;
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
