//! The engine's disk is full: sessions say so in the engine's words, games go on, and once there is space they come up by
//! themselves. The engine's data lie on a small file system in a file.

use std::path::{Path, PathBuf};
use std::process::Command;

use dillinger_runner::api::ConditionStatus;

use crate::engine_replaced::save_image;
use crate::harness::play::{cond, is, phase_of, why};
use crate::harness::{GameMaker, Scene, World, session, testgame};
use crate::{alone, first_data_root, use_data_root};

/// What the kernel says, whoever asked it for space.
const FULL: &str = "no space left on device";

/// A file system of its own, mounted below the world's folder until it is dropped.
struct Disk {
    mount: PathBuf,
}

impl Disk {
    fn of(world: &World, name: &str, megabytes: u32) -> Disk {
        let file = world.folder.join(format!("{name}.img"));
        let mount = world.folder.join(name);
        std::fs::create_dir_all(&mount).expect("the world's folder takes a folder");
        let size = format!("{megabytes}M");
        command("truncate", &[Path::new("--size"), Path::new(&size), &file]);
        let quiet = ["-q", "-m", "0"].map(Path::new);
        command("mkfs.ext4", &[&quiet[..], &[&file]].concat());
        let looped = ["-o", "loop"].map(Path::new);
        command("mount", &[&looped[..], &[&file, &mount]].concat());
        Disk { mount }
    }

    fn data_root(&self) -> String {
        let root = self.mount.join("docker");
        root.to_str().expect("a plain path").to_owned()
    }

    /// Takes all that is left, to the last block.
    fn fill(&self) {
        use std::io::Write;
        let mut ballast = std::fs::File::create(self.ballast()).expect("the disk takes a file");
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![1; size];
            while ballast.write_all(&piece).is_ok() {}
        }
        // What was written is on the disk, so that nobody's write finds the space that it had only reserved.
        let _ = ballast.sync_all();
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast is there");
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a test that failed has its engine there yet.
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(&self.mount)
            .status();
    }
}

fn command(program: &str, args: &[&Path]) {
    let status = Command::new(program).args(args).status();
    let status = status.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {args:?} ended with {status}");
}

/// A scene whose engine has its data on a small disk, and the test image there.
async fn on_a_small_disk(name: &str) -> (Scene, Disk) {
    let world = World::here();
    let image = save_image(&world).await;
    let disk = Disk::of(&world, name, 96);
    use_data_root(&world, &disk.data_root()).await;
    world
        .run("docker", &["load", "--quiet", "--input", &image])
        .await;
    (Scene::open(name).await, disk)
}

#[tokio::test]
async fn on_a_full_disk_a_session_says_so_games_go_on_and_with_space_it_comes_up_by_itself() {
    let _alone = alone().await;
    let (scene, disk) = on_a_small_disk("disk-full").await;
    let controller = scene.controller().await;
    scene.game(&testgame("arena")).await;
    let running = scene.session(&session("running", "arena")).await;
    running.until_ready().await;
    let id = running.container_id().await;

    disk.fill();
    let late = scene.session(&session("late", "arena")).await;
    let seen = late
        .until("says that the disk is full", |s| {
            cond(s, "Ready").is_some_and(|c| c.message.contains(FULL))
        })
        .await;
    assert_eq!(phase_of(&seen), "Starting", "it is not given up");
    assert!(is(&seen, "Finished", ConditionStatus::False));
    assert!(is(&seen, "Stalled", ConditionStatus::False));
    assert_eq!(running.ask("ping").await, "pong:ping");
    assert_eq!(
        running.container_id().await,
        id,
        "a running game was touched"
    );
    assert!(is(&running.now().await, "Ready", ConditionStatus::True));

    disk.free();
    let ready = late.until_ready().await;
    let status = ready.status.expect("a status");
    assert_eq!((status.attempt, status.restarts.unwrap_or(0)), (Some(0), 0));
    assert_eq!(running.container_id().await, id);
    scene.close(controller).await;
    use_data_root(&World::here(), &first_data_root()).await;
    drop(disk);
}

#[tokio::test]
async fn a_pull_onto_a_full_disk_says_so_and_is_done_once_there_is_space() {
    let _alone = alone().await;
    let (scene, disk) = on_a_small_disk("disk-pull").await;
    let controller = scene.controller().await;
    scene.world.run("registry", &["start", "example"]).await;
    let image = "127.0.0.1:5000/dillinger/example:1";
    disk.fill();
    scene.game(&GameMaker::bare("library").image(image)).await;
    let play = scene.session(&session("friday", "library")).await;
    let seen = play.until_reason("ImageReady", "ImagePullFailed").await;
    assert_eq!(phase_of(&seen), "Starting");
    let (_, message) = why(&seen, "ImageReady");
    assert!(message.contains(FULL), "{message}");
    disk.free();
    play.until_reason("ImageReady", "ImagePresent").await;
    scene.world.run("registry", &["stop"]).await;
    scene.close(controller).await;
    use_data_root(&World::here(), &first_data_root()).await;
    drop(disk);
}
