//! The whole loop over a simulated engine, whose journal outlives the controllers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::controller::claim::Claim;
use crate::runtime::simulated::{SimulatedConfig, SimulatedRuntime};

/// A world with an engine in a file, gone with the test.
struct Simulated {
    world: World,
    file: PathBuf,
    clock: Clock,
}

impl Simulated {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("controller-journal-{}-{number}", std::process::id());
        Simulated {
            world: World::new(),
            file: std::env::temp_dir().join(name),
            clock: clock(),
        }
    }

    /// A process of its own: what it knows of the engine it reads from the file.
    fn controller(&self, identity: &str, ready_after: Duration) -> Running {
        let runtime = SimulatedRuntime::open(SimulatedConfig {
            file: self.file.clone(),
            ready_after,
            owner: Owner {
                cluster: "cluster".to_owned(),
                controller: "test".to_owned(),
            },
            advertise_address: "127.0.0.1".to_owned(),
            clock: self.clock.clone(),
        });
        self.world
            .controller_over(runtime.unwrap(), self.clock.clone(), identity)
    }

    fn container(&self, name: &str) -> String {
        let status = self.world.status(name);
        let id = status["container"]["id"].as_str();
        id.expect("a container on record").to_owned()
    }

    /// What happened on the engine, by its words.
    fn happened(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.file).unwrap();
        let word = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line.as_object().unwrap().keys().next().unwrap().clone()
        };
        text.lines().map(word).collect()
    }

    fn wish(&self, name: &str, state: &'static str) {
        self.world.api.put("gamesessions", name, |session| {
            session["spec"]["desiredState"] = json!(state);
        });
    }

    async fn gone(&self, name: &str) {
        let gone = || self.world.api.session(name).is_none();
        self.world.until("it is gone", gone).await;
        self.world.settle().await;
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

#[tokio::test(start_paused = true)]
async fn a_simulated_session_is_ready_after_three_writes_stops_resumes_and_leaves_nothing() {
    let simulated = Simulated::new();
    let world = &simulated.world;
    let running = simulated.controller("a", Duration::ZERO);
    world.session("friday");
    world.phase("friday", "Running").await;
    world.settle().await;
    let three = ["PATCH status", "PATCH main", "PATCH status"];
    assert_eq!(world.api.writes(), three);
    let first = simulated.container("friday");

    simulated.wish("friday", "Stopped");
    world.phase("friday", "Stopped").await;
    world.settle().await;
    assert_eq!(world.api.writes().len(), 5);
    assert_eq!(world.status("friday")["lastExit"]["exitCode"], 143);

    simulated.wish("friday", "Running");
    world.phase("friday", "Running").await;
    world.settle().await;
    assert_eq!(world.api.writes().len(), 7);
    assert_ne!(simulated.container("friday"), first);

    world.api.delete("friday");
    simulated.gone("friday").await;
    assert_eq!(world.api.writes().len(), 9);
    assert_eq!(world.api.gets(), 0);
    let life = ["created", "started", "exited", "removed"];
    assert_eq!(
        simulated.happened(),
        [&["engine"], &life[..], &life].concat()
    );
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_killed_and_started_again_adopts_every_simulated_container() {
    let simulated = Simulated::new();
    let world = &simulated.world;
    let first = simulated.controller("a", Duration::ZERO);
    let names: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    for name in &names {
        world.session(name);
    }
    for name in &names {
        world.phase(name, "Running").await;
    }
    world.settle().await;
    let ids: Vec<String> = names.iter().map(|n| simulated.container(n)).collect();
    let (writes, happened) = (world.api.writes(), simulated.happened());
    first.kill();
    let second = simulated.controller("b", Duration::ZERO);
    let looked = || second.ctx.metrics.reconciles.get() >= 20;
    world.until("all were looked at", looked).await;
    world.settle().await;
    assert_eq!(world.api.writes(), writes);
    assert_eq!(simulated.happened(), happened);
    let adopted: Vec<String> = names.iter().map(|n| simulated.container(n)).collect();
    assert_eq!(adopted, ids);

    simulated.wish("s7", "Stopped");
    world.phase("s7", "Stopped").await;
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_standby_with_the_same_file_takes_over_a_game_that_is_not_ready_yet() {
    let simulated = Simulated::new();
    let world = &simulated.world;
    let slow = Duration::from_secs(60);
    let first = simulated.controller("a", slow);
    let standby = simulated.controller("b", slow);
    world.session("friday");
    world.phase("friday", "Starting").await;
    world
        .until("it was started", || simulated.happened().len() == 3)
        .await;
    let began = tokio::time::Instant::now();
    let leads = |running: &Running| running.ctx.claims.of(super::KIND) != Claim::Standby;
    let (leader, left) = if leads(&first) {
        (first, standby)
    } else {
        (standby, first)
    };
    assert!(leads(&leader) && !leads(&left));
    leader.kill();
    world.phase("friday", "Running").await;
    let waited = began.elapsed();
    assert!(waited <= slow + Duration::from_secs(1), "{waited:?}");
    assert_eq!(simulated.happened(), ["engine", "created", "started"]);
    left.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_exit_by_hand_is_told_and_the_session_runs_again() {
    let simulated = Simulated::new();
    let world = &simulated.world;
    let running = simulated.controller("a", Duration::ZERO);
    world.session("friday");
    world.api.put("gamesessions", "friday", |session| {
        session["spec"]["restartPolicy"] = json!("OnFailure");
    });
    world.phase("friday", "Running").await;
    let first = simulated.container("friday");
    let uid = world.api.session("friday").unwrap()["metadata"]["uid"].clone();
    let line = json!({"exited": {"uid": uid, "code": 3, "at": simulated.clock.now().to_string()}});
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&simulated.file)
        .unwrap();
    std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes()).unwrap();
    world
        .until("another container runs", || {
            let status = world.status("friday");
            status["phase"] == "Running" && status["container"]["id"] != *first
        })
        .await;
    assert_eq!(world.status("friday")["lastExit"]["exitCode"], 3);
    running.stop().await;
}
