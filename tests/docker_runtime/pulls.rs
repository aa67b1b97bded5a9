//! Pulls in a world that has no registry.

use std::sync::Arc;

use dillinger_runner::api::ImagePullPolicy;
use dillinger_runner::runtime::docker::DockerRuntime;
use dillinger_runner::runtime::{Hint, Runtime};
use dillinger_runner::session::observation::Image;
use dillinger_runner::session::plan::Effect;
use dillinger_runner::session::seen::Seen;
use futures::StreamExt;

use crate::bed::{Bed, IMAGE, config, shared, until};

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
    crate::bed::docker(&["tag", IMAGE, image]).await;
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
    crate::bed::docker(&["rmi", image]).await;
}
