//! One file, one process or two, and hands that write into it.

mod engine;
mod hints;
mod journal;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;

use super::*;
use crate::api::keys;
use crate::session::container::{ContainerSpec, OnCluster, Published, Transport, Volume};
use crate::session::seen::ContainerId;

/// A journal of its own, gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("journal-{}-{number}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }

    fn open(&self) -> Arc<SimulatedRuntime> {
        self.ready_after(Duration::ZERO)
    }

    fn ready_after(&self, ready_after: Duration) -> Arc<SimulatedRuntime> {
        SimulatedRuntime::open(SimulatedConfig {
            file: self.0.clone(),
            ready_after,
            owner: Owner {
                cluster: "cluster".to_owned(),
                controller: "test".to_owned(),
            },
            advertise_address: "play.example.org".to_owned(),
            clock: clock(),
        })
        .unwrap()
    }

    /// As a hand does it, or a process that dies within its line.
    fn append(&self, text: &str) {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&self.0)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// A wall that moves with tokio's time.
fn clock() -> Clock {
    let began = tokio::time::Instant::now();
    Clock::new(move || start() + SignedDuration::try_from(began.elapsed()).unwrap())
}

fn key(uid: &str) -> SessionKey {
    SessionKey {
        namespace: "games".to_owned(),
        name: format!("session-{uid}"),
        uid: uid.to_owned(),
        container_name: format!("session-{uid}-0123456789"),
    }
}

fn spec(uid: &str, attempt: i32) -> ContainerSpec {
    let labels = [(keys::CLUSTER, "cluster"), (keys::CONTROLLER, "test")];
    let port = |transport| Published {
        name: "game".to_owned(),
        container_port: 15000,
        host_port: 7001,
        transport,
    };
    ContainerSpec {
        name: key(uid).container_name,
        attempt,
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        image: "example/wesnothd:1".to_owned(),
        command: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        user: 1000,
        group: 1000,
        read_only_root: true,
        init: true,
        cpu_millis: 100,
        memory_bytes: 1 << 24,
        scratch: Vec::new(),
        volumes: Vec::new(),
        ports: vec![port(Transport::Tcp), port(Transport::Udp)],
        grace_seconds: 30,
        on_cluster: OnCluster::default(),
    }
}

fn volume(uid: &str) -> Volume {
    Volume {
        name: format!("session-{uid}-0123456789-world"),
        path: "/data".to_owned(),
        size_bytes: 1 << 30,
        labels: spec(uid, 0).labels,
        class: None,
    }
}

impl SimulatedRuntime {
    fn sees(&self, uid: &str) -> Seen {
        self.look_now(&Look {
            key: &key(uid),
            attempt: Some(0),
            engine: Some(&self.engine.id),
            id: None,
            probe: true,
        })
    }

    fn does(&self, uid: &str, effect: &Effect) -> Outcome {
        self.carry_out(&key(uid), effect).unwrap()
    }

    fn creates(&self, uid: &str) -> Outcome {
        self.does(uid, &Effect::Create(Box::new(spec(uid, 0))))
    }

    fn id(&self, uid: &str) -> ContainerId {
        let seen = self.sees(uid);
        seen.container().expect("a container").id.clone()
    }

    /// Created and started.
    fn runs(&self, uid: &str) -> ContainerId {
        assert_eq!(self.creates(uid), Outcome::Done);
        let id = self.id(uid);
        assert_eq!(self.does(uid, &Effect::Start(id.clone())), Outcome::Done);
        id
    }
}
