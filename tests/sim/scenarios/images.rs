//! Images that are not there, come slowly, or never come.

use std::time::Duration;

use serde_json::json;

use super::hands::no_images;
use super::{Scenario, Scene, scenario};

/// A pull takes this long.
const PULL: Duration = Duration::from_secs(4);

fn registry_lost(scene: &Scene<'_>) {
    scene.world.engine.forget_images();
    scene.world.engine.set_registry(&[], PULL);
}

fn registry_found(scene: &Scene<'_>) {
    scene.world.engine.set_registry(&["example:1"], PULL);
}

fn another_image(scene: &Scene<'_>) {
    scene.world.engine.set_registry(&["example:2"], PULL);
}

pub fn all() -> Vec<Scenario> {
    vec![
        scenario("slow pull")
            .first("the engine has no image", no_images)
            .says("Starting", "PullingImage")
            .phase("Running"),
        scenario("pull fails, then works")
            .first("the registry has no such image", registry_lost)
            .says("Starting", "ImagePullFailed")
            .wait(30)
            .world("somebody pushes the image", registry_found)
            .phase("Running")
            .within(120),
        scenario("pull fails until the Game names another image")
            .first("the registry has no such image", registry_lost)
            .says("Starting", "ImagePullFailed")
            .world("somebody pushes another image", another_image)
            .edit_game(&json!({"image": "example:2"}))
            .phase("Running"),
        scenario("image policy Never")
            .game(&json!({"imagePullPolicy": "Never"}))
            .first("the engine has no image", no_images)
            .says("Starting", "ImagePullFailed")
            .world("somebody loads the image", |s| {
                s.world.engine.add_image("example:1");
            })
            .phase("Running")
            .within(320),
        scenario("image policy Always")
            .game(&json!({"imagePullPolicy": "Always"}))
            .phase("Running")
            .called("effect:pull", 1)
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 1)
            .called("effect:pull", 2),
        scenario("two sessions join one pull")
            .first("the engine has no image", no_images)
            .of("saturday")
            .says("Starting", "PullingImage")
            .phase("Running")
            .of("friday")
            .phase("Running"),
        scenario("image pruned while stopped")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .world("somebody prunes the images", no_images)
            .resume()
            .says("Starting", "PullingImage")
            .attempt("Running", 1),
    ]
}
