//! One story with at most one death of the controller: whenever it is dead it is started again.

use std::convert::Infallible;
use std::path::Path;

use dillinger_runner::api::keys;
use serde_json::Value;

use crate::harness::wait::STEP;
use crate::harness::{Controller, ControllerOptions, Scene};
use crate::judge;
use crate::stories::Story;

/// Where the controller dies.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    /// The n-th write of the story.
    pub write: usize,
    pub moment: &'static str,
}

/// What a story left to judge.
#[derive(Debug)]
pub struct Life {
    /// The writes of all controllers in their order, by name, until the story was over.
    pub writes: Vec<String>,
    /// The write at which the controller died.
    pub died_at: Option<String>,
    /// What the engine told of the session's containers, until nothing was left of them.
    pub events: Vec<Value>,
}

/// Plays the story, takes the session down, and proves that nothing is left. Panics with a picture where the story
/// does not come true.
pub async fn live(story: Story, crash: Option<Crash>) -> Life {
    let name = match crash {
        Some(Crash { write, moment }) => format!("{}-{write}-{moment}", story.slug()),
        None => format!("{}-clean", story.slug()),
    };
    let scene = Scene::open(&name).await;
    let count = scene
        .world
        .folder
        .join(format!("log/{}.writes", scene.namespace));
    let at = crash.map(|crash| format!("{}:{}", crash.write, crash.moment));
    let options = scene.options.clone().failpoints(&count, at.as_deref());
    let label = format!("{}={}", keys::NAMESPACE, scene.namespace);
    let events = scene.engine.watch(&label).await;
    let mut controller = scene.controller_with(&options).await;
    let mut deaths = 0;
    let mut writes = Vec::new();
    let story = async {
        let play = story.play(&scene).await;
        writes = written(&count);
        if let Some(play) = play {
            judge::truthful(&play).await;
            play.delete().await;
            play.until_gone().await;
        }
    };
    tokio::select! {
        () = story => {}
        never = revive(&scene, &options, &mut controller, &mut deaths) => match never {},
    }
    // A session can be gone before its last write has killed who made it.
    let doomed = crash.is_some_and(|crash| deaths == 0 && written(&count).len() >= crash.write);
    if doomed {
        while controller.ended().is_none() {
            tokio::time::sleep(STEP).await;
        }
        deaths += 1;
        controller = scene.launch(&options);
    }
    assert!(deaths <= 1, "it died {deaths} times");
    let died_at = crash
        .filter(|_| deaths == 1)
        .map(|crash| written(&count)[crash.write - 1].clone());
    // One that was only just started cannot be told to end in order.
    controller.until_ready().await;
    scene.close(controller).await;
    Life {
        writes,
        died_at,
        events: events.all(),
    }
}

/// Starts the controller again whenever it has died of a signal; an end of its own accord is a fault.
async fn revive(
    scene: &Scene,
    options: &ControllerOptions,
    controller: &mut Controller,
    deaths: &mut usize,
) -> Infallible {
    loop {
        if let Some(status) = controller.ended() {
            assert_eq!(
                status.code(),
                None,
                "it ended by itself\n{}",
                controller.tail(40)
            );
            *deaths += 1;
            *controller = scene.launch(options);
        }
        tokio::time::sleep(STEP).await;
    }
}

/// The writes that were counted so far.
fn written(count: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(count).unwrap_or_default();
    let names = text.lines().filter_map(|line| line.split_once(' '));
    names.map(|(_, name)| name.to_owned()).collect()
}
