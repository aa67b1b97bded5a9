//! The old runner's calls, replayed from a list of requests and the shapes that its clients expect.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Answer, Call, call, whole};
use crate::harness::{LIMIT, Scene, wait::poll};
use crate::process;
use crate::shape::misfits;
use crate::{OLD_LABELS, example};

/// One line of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    call: String,
    body: Option<Value>,
    status: u16,
    shape: Value,
    /// Keeps what this pointer into the answer names as `$id`.
    keep: Option<String>,
    #[serde(default)]
    until: bool,
}

/// Replays the list against a gateway of this scene; the count of calls.
pub async fn replay(port: u16) -> usize {
    let lines: Vec<Line> = serde_yaml::from_str(include_str!("old-calls.yaml")).expect("a list");
    let mut id = String::new();
    for line in &lines {
        let mut wanted = call(&line.call.replace("$id", &id));
        if let Some(body) = &line.body {
            wanted = wanted.json(body);
        }
        let answer = if line.until {
            let fits = poll(LIMIT, || async {
                let answer = asked(port, &wanted).await;
                wrong(line, &answer).is_empty().then_some(answer)
            });
            fits.await.unwrap_or_else(|| panic!("{line:?} never fits"))
        } else {
            asked(port, &wanted).await
        };
        let misfits = wrong(line, &answer);
        assert!(
            misfits.is_empty(),
            "{}: {misfits:#?}\n{}",
            line.call,
            answer.body
        );
        if let Some(pointer) = &line.keep {
            let answer = answer.json();
            let kept = answer.pointer(pointer).and_then(Value::as_str);
            id = kept.expect("a text").to_owned();
        }
    }
    lines.len()
}

async fn asked(port: u16, call: &Call) -> Answer {
    whole(port, call)
        .await
        .unwrap_or_else(|error| panic!("{call:?}: {error}"))
}

fn wrong(line: &Line, answer: &Answer) -> Vec<String> {
    let mut wrong = misfits(&answer.json(), &line.shape);
    if answer.status != line.status {
        wrong.push(format!("status {}, not {}", answer.status, line.status));
    }
    wrong
}

/// The example Game, slow to end where it is asked to.
pub async fn slow_example(scene: &Scene) {
    scene
        .game(&example().more_args(&["--term-after", "2s"]).grace(10))
        .await;
}

#[tokio::test]
async fn an_old_client_is_answered_as_ever() {
    let (scene, controller, gateway) = process::scene("old-calls").await;
    slow_example(&scene).await;
    until_catalog(&gateway, 1).await;
    let calls = replay(gateway.port).await;
    println!("old calls: {calls} of {calls} fit");
    scene.close(controller).await;
}

#[tokio::test]
async fn the_container_has_the_names_that_the_old_runner_gave() {
    let (scene, controller, gateway) = process::scene("old-labels").await;
    scene.game(&example()).await;
    until_catalog(&gateway, 1).await;
    let body = json!({"gameId": "My Game!", "userId": "ann", "gameConfig": {"type": "example", "colour": "red"}});
    let session = gateway.made(&body).await;
    assert_eq!(session["gameConfig"]["colour"], "red");
    assert_eq!(
        session["warnings"],
        json!(["gameConfig.colour is ignored: the game example has no parameter COLOUR"])
    );
    let containers = scene.containers().await;
    assert_eq!(containers.len(), 1);
    let labels = &containers[0]["Labels"];
    let wanted = [
        "game-session",
        "My Game!",
        session["id"].as_str().unwrap(),
        "ann",
    ];
    for (label, wanted) in OLD_LABELS.into_iter().zip(wanted) {
        assert_eq!(labels[label], wanted, "{label}");
    }
    assert_eq!(containers[0]["Id"], session["container"]["id"]);
    scene.close(controller).await;
}

/// Waits until the gateway's copy has so many Games.
pub async fn until_catalog(gateway: &process::Gateway, games: usize) -> Value {
    let found = poll(LIMIT, || async {
        let answer = gateway.get("/games").await.json();
        (answer.as_array().map(Vec::len) == Some(games)).then_some(answer)
    });
    found
        .await
        .unwrap_or_else(|| panic!("the catalog never has {games} games"))
}
