//! What one Docker Engine is asked over HTTP, by exact count. Time is real here and waited for nowhere: the
//! engine of these tests answers at once, and its games do all at once.

use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::RuntimeKind;
use dillinger_runner::clock::Clock;
use dillinger_runner::controller::client::WatchAges;
use dillinger_runner::controller::context::Context;
use dillinger_runner::controller::jitter::Jitter;
use dillinger_runner::controller::run::{Died, Setup};
use dillinger_runner::runtime::docker::{DockerConfig, DockerRuntime};
use dillinger_runner::session::observation::Owner;
use dillinger_runner::telemetry::health::Health;
use http::Request;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::daemon::Daemon;
use super::{Calls, calls};
use crate::apiserver::Server;
use crate::clock::SimClock;
use crate::faults::FaultScript;
use crate::history::History;
use crate::striking::Striking;
use crate::world::SESSIONS;

/// Past it a condition that does not come fails its test; it bounds nothing that is measured.
const LIMIT: Duration = Duration::from_secs(90);

/// An API server, an engine, and a user.
struct Bed {
    server: Arc<Server>,
    daemon: Daemon,
    clock: SimClock,
    user: kube::Client,
}

/// A controller at work.
struct Running {
    ctx: Arc<Context>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Died>>,
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

impl Bed {
    fn new() -> Bed {
        let (clock, striking) = (SimClock::new(), Striking::new(&FaultScript::default()));
        let server = Server::new(clock.clone(), History::default(), striking);
        Bed {
            user: server.client("user"),
            daemon: Daemon::start(clock.clone()),
            server,
            clock,
        }
    }

    /// With the Game that all sessions name, and a controller that leads and has nothing to do.
    async fn warm() -> (Bed, Running) {
        let bed = Bed::new();
        let game = json!({
            "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": "wesnoth"},
            "spec": {
                "image": "example:1", "ports": [{"name": "game", "containerPort": 15000, "protocol": "TCP"}],
                "readiness": {"tcpSocket": {"port": "game"}},
                "storage": [{"name": "world", "mountPath": "/data"}],
            },
        });
        bed.send("POST", "games", &game).await;
        let running = bed.controller("a");
        bed.until("it leads", || {
            let claim = running.ctx.claims.of(RuntimeKind::Docker);
            claim.leads(tokio::time::Instant::now()).is_some()
        })
        .await;
        let followed = || bed.daemon.log().contains(&"events");
        bed.until("the events are followed", followed).await;
        bed.settle().await;
        (bed, running)
    }

    fn controller(&self, identity: &str) -> Running {
        let owner = Owner {
            cluster: "cluster".to_owned(),
            controller: "dillinger-runner".to_owned(),
        };
        let wall = self.clock.clone();
        let clock = Clock::new(move || wall.now());
        let runtime = DockerRuntime::new(DockerConfig {
            host: Some(self.daemon.host()),
            owner: owner.clone(),
            bind_address: self.daemon.address().into(),
            advertise_address: self.daemon.address().to_string(),
            port_range: 20_000..=29_999,
            credentials: None,
            clock: clock.clone(),
        });
        let setup = Setup {
            client: self.server.client(&format!("controller-{identity}")),
            runtime,
            kind: RuntimeKind::Docker,
            owner,
            provision_deadline: Duration::from_secs(3600),
            namespaces: Vec::new(),
            lease_namespace: "default".to_owned(),
            elect: true,
            identity: identity.to_owned(),
            clock,
            jitter: Jitter::none(),
            metrics: Arc::default(),
            health: Health::new(),
            ages: WatchAges::default(),
            stops: None,
        };
        let (parts, stop) = (setup.parts(), CancellationToken::new());
        let ctx = parts.ctx.clone();
        let task = tokio::spawn(parts.run(stop.clone()));
        Running { ctx, stop, task }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(format!(
                "/apis/dillinger.dev/v1alpha1/namespaces/default/{path}"
            ))
            .header("content-type", kind)
            .body(Body::from(body.to_string().into_bytes()))
            .expect("a request");
        let answer = self.user.send(request).await.expect("an answer");
        assert!(answer.status().is_success(), "{method} {path}: {answer:?}");
    }

    async fn create(&self, name: &str) {
        let session = json!({
            "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession", "metadata": {"name": name},
            "spec": {"gameRef": {"name": "wesnoth"}, "user": "alice"},
        });
        self.send("POST", "gamesessions", &session).await;
    }

    fn session(&self, name: &str) -> Option<Arc<Value>> {
        self.server.object(SESSIONS, "default", name)
    }

    async fn phase(&self, name: &str, phase: &str) {
        let shows = || {
            self.session(name)
                .is_some_and(|s| s["status"]["phase"] == phase)
        };
        self.until(&format!("{name} is {phase}"), shows).await;
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let wait = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let came = tokio::time::timeout(LIMIT, wait).await;
        assert!(came.is_ok(), "never: {what}; {:?}", self.daemon.log());
    }

    /// Until nothing is asked any more.
    async fn settle(&self) {
        let mut before = usize::MAX;
        while self.daemon.log().len() != before {
            before = self.daemon.log().len();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// What the engine is asked from now until this is over and nothing is asked any more.
    async fn cost(&self, of: impl Future<Output = ()>) -> Calls {
        let before = self.daemon.log().len();
        of.await;
        self.settle().await;
        let mut log = self.daemon.log().split_off(before);
        // Quiet streams are proved by a ping each 15 s.
        log.retain(|class| *class != "ping");
        println!("{log:?}");
        let mut calls = Calls::new();
        for class in log {
            *calls.entry(class.to_owned()).or_default() += 1;
        }
        calls
    }

    async fn delete(&self, name: &str) {
        self.send("DELETE", &format!("gamesessions/{name}"), &json!({}))
            .await;
        self.until("it is gone", || self.session(name).is_none())
            .await;
    }
}

#[tokio::test]
async fn a_session_asks_the_engine_exactly_this_from_its_create_to_its_end() {
    let (bed, running) = Bed::warm().await;
    let cold = bed
        .cost(async {
            bed.create("friday").await;
            bed.phase("friday", "Running").await;
        })
        .await;

    let uid = bed.session("friday").expect("it is there")["metadata"]["uid"].clone();
    let looks = running.ctx.metrics.reconciles.get();
    let look = bed
        .cost(async {
            bed.daemon.rename(uid.as_str().expect("a uid"));
            let looked = || running.ctx.metrics.reconciles.get() > looks;
            bed.until("it was looked at", looked).await;
        })
        .await;

    let stop = bed
        .cost(async {
            let wish = json!({"spec": {"desiredState": "Stopped"}});
            bed.send("PATCH", "gamesessions/friday", &wish).await;
            bed.phase("friday", "Stopped").await;
        })
        .await;

    let deletion = bed.cost(bed.delete("friday")).await;
    let seen = [cold, look, stop, deletion];
    let wanted = [
        // 7 looks of a list and an inspect each (P3, P4, C12, C13, C16, one while nothing is answered yet, R3), 4 of
        // them proved to have seen nothing, 2 acts proved to meet the right engine; and the ports of what was started,
        // for everybody's choice. That the watch tells of our finalizer before its own answer does costs nothing.
        calls([
            ("list containers", 7 + 1),
            ("inspect", 7),
            ("inspect volume", 6),
            ("list volumes", 2),
            ("inspect image", 2),
            ("create volume", 1),
            ("create", 1),
            ("start", 1),
        ]),
        calls([("list containers", 1), ("inspect", 1)]),
        // 5 looks, 2 of them at a container that has ended: its last words, and when the engine started.
        calls([
            ("list containers", 5),
            ("inspect", 5),
            ("inspect volume", 1),
            ("logs", 2),
            ("inspect network", 2),
            ("stop", 1),
            ("remove", 1),
        ]),
        calls([
            ("list containers", 2),
            ("inspect", 2),
            ("inspect volume", 4),
            ("list volumes", 2),
            ("remove volume", 1),
        ]),
    ];
    assert_eq!(seen, wanted);
    running.stop().await;
}

#[tokio::test]
async fn a_deletion_while_it_runs_asks_the_engine_exactly_this() {
    let (bed, running) = Bed::warm().await;
    bed.create("friday").await;
    bed.phase("friday", "Running").await;
    bed.settle().await;
    let deletion = bed.cost(bed.delete("friday")).await;
    let wanted = calls([
        ("list containers", 5),
        ("inspect", 5),
        ("inspect volume", 4),
        ("list volumes", 2),
        ("logs", 1),
        ("inspect network", 1),
        ("stop", 1),
        ("remove", 1),
        ("remove volume", 1),
    ]);
    assert_eq!(deletion, wanted);
    running.stop().await;
}

#[tokio::test]
async fn a_restart_lists_once_and_inspects_no_container_however_many_sessions_run() {
    for sessions in [1, 20] {
        let (bed, first) = Bed::warm().await;
        for n in 0..sessions {
            bed.create(&format!("s{n}")).await;
        }
        bed.until("all run", || bed.daemon.running() == sessions)
            .await;
        for n in 0..sessions {
            bed.phase(&format!("s{n}"), "Running").await;
        }
        bed.settle().await;
        first.stop().await;
        bed.settle().await;
        let restart = bed
            .cost(async {
                let second = bed.controller("b");
                let looked = || second.ctx.metrics.reconciles.get() >= sessions as u64;
                bed.until("all were looked at", looked).await;
                second.stop().await;
            })
            .await;
        let wanted = calls([
            ("info", 2),
            ("inspect volume", 2),
            ("list containers", 1),
            ("events", 1),
            ("past events", 1),
        ]);
        assert_eq!(restart, wanted, "{sessions} sessions");
    }
}
