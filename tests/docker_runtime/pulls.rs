//! Pulls: from a registry of the world, private and slow, and from none.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dillinger_runner::api::ImagePullPolicy;
use dillinger_runner::runtime::docker::{DockerConfig, DockerRuntime};
use dillinger_runner::runtime::{Hint, Runtime};
use dillinger_runner::session::observation::Image;
use dillinger_runner::session::plan::Effect;
use dillinger_runner::session::seen::Seen;
use futures::StreamExt;

use crate::bed::{Bed, IMAGE, config, docker, ok, run, shared, until};

#[tokio::test]
async fn an_image_is_present_or_missing() {
    let bed = Bed::new("image").await;
    assert_eq!(bed.runtime.image(IMAGE).await, Image::Present);
    assert_eq!(
        bed.runtime.image("dillinger/nowhere:1").await,
        Image::Missing
    );
}

#[tokio::test]
async fn a_failed_pull_is_counted_and_wakes_who_waits() {
    let runtime = DockerRuntime::new(config());
    let mut hints = Arc::clone(&runtime).hints();
    let bed = Bed::on(runtime, "pull", shared().await).await;
    assert_eq!(bed.look().await, Seen::Absent);
    let image = "registry.invalid/nowhere:1";
    for times in 1..=2 {
        bed.done(Effect::Pull {
            image: image.into(),
            policy: ImagePullPolicy::IfNotPresent,
        })
        .await;
        while hints.next().await != Some(Hint::Session(bed.key.uid.clone())) {}
        let seen = until("the pull failed", || async {
            match bed.runtime.image(image).await {
                Image::Failed { times, message, .. } => Some((times, message)),
                _ => None,
            }
        })
        .await;
        assert_eq!(seen.0, times);
        assert!(seen.1.contains("registry.invalid"), "{}", seen.1);
    }
}

#[tokio::test]
async fn an_image_that_is_there_and_cannot_be_pulled_as_always_asks_is_failed() {
    let bed = Bed::new("always").await;
    let image = "127.0.0.1:1/copy:1";
    docker(&["tag", IMAGE, image]).await;
    assert_eq!(bed.runtime.image(image).await, Image::Present);
    bed.done(Effect::Pull {
        image: image.into(),
        policy: ImagePullPolicy::Always,
    })
    .await;
    until("the pull failed", || async {
        matches!(
            bed.runtime.image(image).await,
            Image::Failed { times: 1, .. }
        )
        .then_some(())
    })
    .await;
    docker(&["rmi", image]).await;
}

/// A credentials file with this user for the world's registry.
fn credentials(user: &str, password: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("credentials-{user}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let auth = STANDARD.encode(format!("{user}:{password}"));
    let file = format!(r#"{{"auths":{{"127.0.0.1:5000":{{"auth":"{auth}"}}}}}}"#);
    std::fs::write(folder.join("config.json"), file).expect("a file");
    folder
}

#[tokio::test]
async fn a_private_image_is_pulled_once_by_the_users_own_credentials() {
    let _hold = crate::bed::alone().await;
    // Question marks and greater-thans are what the two base64 alphabets differ in.
    let password = "???>>>???>>>";
    let image = "127.0.0.1:5000/dillinger/example:1";
    let had = run("docker", &["rmi", "dillinger/example:1"])
        .await
        .status
        .success();
    let args = [
        "start",
        "--rate",
        "4000000",
        "--user",
        "alice",
        "--password",
        password,
        "example",
    ];
    ok("registry", &args).await;

    let key = |name: &str| dillinger_runner::runtime::SessionKey {
        namespace: "default".into(),
        name: name.into(),
        uid: format!("uid-{name}"),
        container_name: name.into(),
    };
    let pull = Effect::Pull {
        image: image.into(),
        policy: ImagePullPolicy::IfNotPresent,
    };
    let stranger = DockerRuntime::new(config());
    let engine = stranger.engine().await.expect("it answers").id;
    stranger
        .act(&key("stranger"), &engine, &pull)
        .await
        .expect("begun");
    let words = until("it is refused without credentials", || async {
        match stranger.image(image).await {
            Image::Failed { message, .. } => Some(message),
            _ => None,
        }
    })
    .await;
    assert!(!words.contains(password), "{words}");

    let alice = DockerRuntime::new(DockerConfig {
        credentials: Some(credentials("alice", password)),
        ..config()
    });
    for name in ["one", "two", "three"] {
        alice
            .act(&key(name), &engine, &pull)
            .await
            .expect("begun or joined");
    }
    assert!(matches!(alice.image(image).await, Image::Pulling(_)));
    until("it is there", || async {
        match alice.image(image).await {
            Image::Present => Some(()),
            Image::Pulling(_) => None,
            other => panic!("{other:?}"),
        }
    })
    .await;
    let counts = ok("registry", &["counts"]).await;
    assert!(
        counts.contains("\"layers\":1"),
        "one pull for three: {counts}"
    );
    ok("registry", &["stop"]).await;
    if had {
        docker(&["tag", image, "dillinger/example:1"]).await;
    }
    docker(&["rmi", image]).await;
}
