//! What a game can and cannot do in its container.

use dillinger_runner::session::container::Scratch;
use dillinger_runner::session::plan::Effect;

use crate::bed::{Bed, docker};

#[tokio::test]
async fn a_game_runs_as_its_user_with_a_read_only_root() {
    let bed = Bed::new("user").await;
    bed.start().await;
    let env = bed.ask("env").await;
    assert!(
        env.contains("\"uid\":1000") && env.contains("\"gid\":1000"),
        "{env}"
    );
    assert!(env.contains("SESSION_ID=user"), "{env}");
    assert!(bed.ask("write /anywhere").await.contains("read-only"));
}

#[tokio::test]
async fn scratch_is_writable_over_a_directory_of_the_image_and_over_its_volume() {
    let bed = Bed::new("scratch").await;
    let mut spec = bed.spec(0);
    // The image has /cache as a VOLUME of its own, and the world's folder belongs to another user.
    spec.scratch = ["/cache", "/data", "/new"]
        .map(|path| Scratch {
            path: path.into(),
            size_bytes: 1 << 20,
        })
        .into();
    spec.user = 4321;
    spec.group = 4321;
    let id = bed.create(spec).await;
    bed.done(Effect::Start(id)).await;
    bed.ready().await;
    for path in ["/cache", "/data", "/new"] {
        assert_eq!(bed.ask(&format!("write {path}/x")).await, "ok", "{path}");
    }
}

#[tokio::test]
async fn the_engine_was_told_to_drop_everything() {
    let bed = Bed::new("dropped").await;
    let id = bed.start().await;
    let status = docker(&[
        "inspect",
        "--format",
        "{{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}} {{.HostConfig.Privileged}} {{.HostConfig.SecurityOpt}} \
         {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}} \
         {{.HostConfig.LogConfig.Type}}",
        &id.0,
    ])
    .await;
    assert_eq!(
        status,
        "[ALL] [] false [no-new-privileges:true] 67108864 67108864 2048 no json-file"
    );
}
