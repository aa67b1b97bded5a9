//! What several groups of scenarios do to an engine.

use std::sync::Arc;

use super::Scene;
use crate::engine::{Engine, Refusal};

/// Does it to each container of the session, which has one unless a fault was faster.
pub fn each(scene: &Scene<'_>, act: impl Fn(&Arc<Engine>, &str) -> Result<(), Refusal>) {
    let ids = scene.containers();
    if ids.is_empty() {
        scene.done(Err(Refusal {
            status: 404,
            words: "there is no container".to_owned(),
        }));
    }
    for id in ids {
        scene.done(act(&scene.world.engine, &id));
    }
}

pub fn no_images(scene: &Scene<'_>) {
    scene.world.engine.forget_images();
}

pub fn freeze(scene: &Scene<'_>) {
    scene.world.engine.freeze();
}

pub fn thaw(scene: &Scene<'_>) {
    scene.world.engine.thaw();
}

/// The daemon dies and its games go on.
pub fn daemon_dies(scene: &Scene<'_>) {
    scene.world.engine.crash();
}

/// The daemon starts and finds its games alive.
pub fn daemon_returns(scene: &Scene<'_>) {
    scene.world.engine.start_up(true);
}

/// The daemon starts and ends what it finds alive.
pub fn daemon_starts(scene: &Scene<'_>) {
    scene.world.engine.start_up(false);
}

pub fn kill_process(scene: &Scene<'_>) {
    each(scene, |engine, id| {
        engine.kill_process(id);
        Ok(())
    });
}

pub fn remove_by_hand(scene: &Scene<'_>) {
    scene.world.engine.remove_by_hand(&scene.uid());
}

pub fn mend(scene: &Scene<'_>) {
    scene.world.engine.mend();
}
