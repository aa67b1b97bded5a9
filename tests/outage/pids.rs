//! No more processes: the game's own limit, and that of the whole engine.

use std::path::PathBuf;

use crate::alone;
use crate::harness::play::{cond, is, why};
use crate::harness::{Scene, World, session, testgame, until};
use dillinger_runner::api::ConditionStatus;

#[tokio::test]
async fn a_game_that_starts_threads_without_end_is_stopped_by_its_own_limit_and_no_other_notices() {
    let _alone = alone().await;
    let (scene, controller) = Scene::with_controller("threads").await;
    scene.game(&testgame("arena")).await;
    let wish = session("greedy", "arena").memory("256Mi");
    let greedy = scene.session(&wish).await;
    let other = scene.session(&session("other", "arena")).await;
    greedy.until_ready().await;
    other.until_ready().await;
    let id = other.container_id().await;
    let limit = greedy.inspect().await["HostConfig"]["PidsLimit"].clone();
    assert_eq!(limit, 2048);

    greedy.tell("threads 4096").await;
    let done = greedy.until_finished("Error").await;
    let (_, message) = why(&done, "Finished");
    assert!(
        message.contains("startThreads"),
        "the last words say where it ended: {message}"
    );
    assert_eq!(other.ask("ping").await, "pong:ping");
    assert_eq!(other.container_id().await, id);
    scene.close(controller).await;
}

/// What stands in the engine's words, whichever of its processes did not find a place.
const OF_THE_ENGINE: &str = "OCI runtime";

/// How many processes all containers of the world's engine may have together.
struct Limit(PathBuf);

impl Limit {
    fn of(world: &World) -> Limit {
        let group = world.folder.file_name().expect("the world has a name");
        // The second version of cgroups has one tree, the first one for each kind of limit.
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/pids"].map(PathBuf::from);
        let mut files = roots.iter().map(|root| root.join(group).join("pids.max"));
        let file = files.find(|file| file.exists());
        Limit(file.expect("the engine's containers have a cgroup with a limit of processes"))
    }

    fn set(&self, limit: &str) {
        std::fs::write(&self.0, limit).expect("the limit is set");
    }

    fn processes(&self) -> usize {
        let file = self.0.with_file_name("pids.current");
        let text = std::fs::read_to_string(file).expect("they are counted");
        text.trim().parse().expect("a number")
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.set("max");
    }
}

#[tokio::test]
async fn an_engine_without_a_process_left_starts_no_game_says_so_and_starts_it_when_there_is_one() {
    let _alone = alone().await;
    let (scene, controller) = Scene::with_controller("processes").await;
    scene.game(&testgame("arena")).await;
    let running = scene.session(&session("running", "arena")).await;
    running.until_ready().await;
    let id = running.container_id().await;
    let limit = Limit::of(&scene.world);
    let once = scene.session(&session("once", "arena").stopped()).await;
    once.until_phase("Stopped").await;
    limit.set(&limit.processes().to_string());

    let patient = scene
        .session(&session("patient", "arena").restarts(20))
        .await;
    once.resume().await;
    let seen = patient
        .until("says why it cannot start", |s| {
            cond(s, "Ready").is_some_and(|c| {
                c.reason == "BackOff" && c.message.contains("could not be started")
            })
        })
        .await;
    let (_, message) = why(&seen, "Ready");
    assert!(message.contains(OF_THE_ENGINE), "{message}");
    // A start that fails is a failure of this attempt: a session without restarts is finished by it.
    let done = once.until_finished("StartFailed").await;
    let (_, message) = why(&done, "Finished");
    assert!(message.contains(OF_THE_ENGINE), "{message}");
    assert_eq!(running.ask("ping").await, "pong:ping");
    assert_eq!(
        running.container_id().await,
        id,
        "a running game was touched"
    );
    assert!(is(&running.now().await, "Ready", ConditionStatus::True));

    drop(limit);
    patient.until_ready().await;
    until("nothing of the failed starts is left", || async {
        (scene.containers().await.len() == 2).then_some(())
    })
    .await;
    scene.close(controller).await;
}
