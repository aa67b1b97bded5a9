//! One run: API server, engine, user, and the controller, which is killed and begun anew as the script says.

use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::RuntimeKind;
use dillinger_runner::clock::Clock;
use dillinger_runner::controller::client::WatchAges;
use dillinger_runner::controller::jitter::Jitter;
use dillinger_runner::controller::run::Setup;
use dillinger_runner::session::observation::Owner;
use dillinger_runner::telemetry::health::Health;
use dillinger_runner::telemetry::metrics::Metrics;
use http::Request;
use kube::client::Body;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::apiserver::{Mode, Server};
use crate::clock::SimClock;
use crate::engine::{Engine, Play};
use crate::faults::{Away, Fault, FaultScript};
use crate::history::{History, What};
use crate::process::Process;
use crate::striking::Striking;

/// Between the death of a controller and the start of the next.
const RESTART: Duration = Duration::from_millis(700);

pub const SESSIONS: &str = "gamesessions.dillinger.dev";
const NAMESPACE: &str = "default";

/// The world of one run.
pub struct World {
    pub clock: SimClock,
    pub history: History,
    pub striking: Striking,
    pub server: Arc<Server>,
    pub engine: Arc<Engine>,
    user: kube::Client,
    over: CancellationToken,
}

impl World {
    /// A world with its controller running, and the script's faults waiting.
    pub fn begin(script: &FaultScript, plays: Vec<Play>) -> World {
        let (clock, history, striking) =
            (SimClock::new(), History::default(), Striking::new(script));
        let server = Server::new(clock.clone(), history.clone(), striking.clone());
        let engine = Engine::new(clock.clone(), history.clone(), plays);
        let world = World {
            user: server.client("user"),
            over: CancellationToken::new(),
            clock,
            history,
            striking,
            server,
            engine,
        };
        for fault in &script.0 {
            if let Fault::Away {
                from_ms,
                for_ms,
                how,
            } = fault
            {
                tokio::spawn(away(world.server.clone(), *from_ms, *for_ms, *how));
            }
        }
        tokio::spawn(world.supervise());
        world
    }

    /// Runs a controller, and another one after each of its deaths.
    fn supervise(&self) -> impl Future<Output = ()> + Send + use<> {
        let (server, engine, striking) = (
            self.server.clone(),
            self.engine.clone(),
            self.striking.clone(),
        );
        let (clock, history, over) = (self.clock.clone(), self.history.clone(), self.over.clone());
        async move {
            let mut crashes = striking.crashes();
            for life in 1.. {
                let process = Process::new(format!("controller-{life}"));
                let stop = CancellationToken::new();
                let setup = setup(&server, &engine, &striking, &clock, &process);
                let running = tokio::spawn(setup.parts().run(stop.clone()));
                tokio::select! {
                    () = over.cancelled() => {}
                    _ = crashes.changed() => {}
                }
                process.kill();
                // What is left of it does nothing any more; it is told to end so that it costs nothing.
                stop.cancel();
                running.abort();
                if over.is_cancelled() {
                    return;
                }
                let what = What::Note(format!("{} died", process.name()));
                history.add(clock.elapsed(), "world", what);
                tokio::time::sleep(RESTART).await;
            }
        }
    }

    /// The session as it is stored.
    pub fn session(&self, name: &str) -> Option<Arc<Value>> {
        self.server.object(SESSIONS, NAMESPACE, name)
    }

    /// Waits until this holds; false: it did not within the virtual time.
    pub async fn until(&self, within: Duration, holds: impl Fn(&World) -> bool) -> bool {
        let wait = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(within, wait).await.is_ok()
    }

    pub async fn create(&self, object: &Value) {
        let plural = format!(
            "{}s",
            object["kind"].as_str().expect("a kind").to_lowercase()
        );
        let code = self.send("POST", &plural, "", object).await;
        assert_eq!(code, 201, "{object}");
    }

    /// A user's merge patch; repeated until the server takes it.
    pub async fn patch(&self, plural: &str, name: &str, patch: &Value) {
        while self.send("PATCH", plural, name, patch).await != 200 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn delete(&self, plural: &str, name: &str) {
        while ![200, 404].contains(&self.send("DELETE", plural, name, &json!({})).await) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn send(&self, method: &str, plural: &str, name: &str, body: &Value) -> u16 {
        let base = format!("/apis/dillinger.dev/v1alpha1/namespaces/{NAMESPACE}/{plural}");
        let path = if name.is_empty() {
            base
        } else {
            format!("{base}/{name}")
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(
                "content-type",
                if method == "PATCH" {
                    "application/merge-patch+json"
                } else {
                    "application/json"
                },
            )
            .body(Body::from(body.to_string().into_bytes()))
            .expect("a request");
        match self.user.send(request).await {
            Ok(answer) => answer.status().as_u16(),
            Err(_) => 0,
        }
    }

    /// Ends the controller.
    pub fn end(&self) {
        self.over.cancel();
    }
}

fn setup(
    server: &Arc<Server>,
    engine: &Arc<Engine>,
    striking: &Striking,
    clock: &SimClock,
    process: &Process,
) -> Setup {
    let cluster = server
        .object("namespaces", "", "kube-system")
        .expect("a cluster has it");
    let wall = clock.clone();
    Setup {
        client: server.client_of(process),
        runtime: engine.door(process.clone(), striking.clone()),
        kind: RuntimeKind::Docker,
        owner: Owner {
            cluster: cluster["metadata"]["uid"]
                .as_str()
                .expect("a uid")
                .to_owned(),
            controller: "dillinger-runner".to_owned(),
        },
        provision_deadline: Duration::from_secs(3600),
        namespaces: Vec::new(),
        lease_namespace: NAMESPACE.to_owned(),
        elect: true,
        identity: process.name().to_owned(),
        clock: Clock::new(move || wall.now()),
        jitter: Jitter::none(),
        metrics: Arc::new(Metrics::new()),
        health: Health::new(),
        ages: WatchAges::default(),
        stops: None,
    }
}

async fn away(server: Arc<Server>, from_ms: u64, for_ms: u64, how: Away) {
    tokio::time::sleep(Duration::from_millis(from_ms)).await;
    server.set_mode(match how {
        Away::Down => Mode::Down,
        Away::Frozen => Mode::Frozen,
    });
    tokio::time::sleep(Duration::from_millis(for_ms)).await;
    server.set_mode(Mode::Up);
}
