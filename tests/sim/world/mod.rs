//! One run: API server, engine, user, and the controllers, which are killed and begun anew as the script says.

mod hosts;

use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::RuntimeKind;
use http::Request;
use kube::client::Body;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::apiserver::{Mode, Server};
use crate::clock::SimClock;
use crate::cluster::Cluster;
use crate::engine::{Engine, Play};
use crate::faults::{Away, Fault, FaultScript};
use crate::history::History;
use crate::process::Process;
use crate::striking::Striking;

use hosts::Host;

pub const SESSIONS: &str = "gamesessions.dillinger.dev";
const NAMESPACE: &str = "default";

/// What still moves once the last step came true settles within this.
const SETTLES: Duration = Duration::from_secs(40);
/// Then this passes at once, as often as said: longer than the slow clock of ten minutes. Nothing is written.
const PASSES: Duration = Duration::from_secs(690);
const TIMES: usize = 2;
/// After each, whoever woke has done what he wants.
const WOKEN: Duration = Duration::from_secs(4);
/// What a restore left without an owner is swept within this.
const SWEPT: Duration = Duration::from_secs(1500);

/// The world of one run.
pub struct World {
    pub clock: SimClock,
    pub history: History,
    pub striking: Striking,
    pub server: Arc<Server>,
    /// Idle where there is a cluster.
    pub engine: Arc<Engine>,
    /// Where sessions run as Pods.
    cluster: Option<Arc<Cluster>>,
    user: kube::Client,
    over: CancellationToken,
}

impl World {
    /// A world with its controller running, and the script's faults waiting. Games run on an engine.
    pub fn begin(script: &FaultScript, plays: Vec<Play>) -> World {
        World::with(script, plays, RuntimeKind::Docker)
    }

    /// The same, with games where this runtime has them.
    pub fn with(script: &FaultScript, plays: Vec<Play>, runtime: RuntimeKind) -> World {
        let (clock, history, striking) =
            (SimClock::new(), History::default(), Striking::new(script));
        striking.struck(&Fault::Unelected);
        let pace = script.0.iter().find_map(|fault| match fault {
            Fault::Pace { percent } => Some(*percent),
            _ => None,
        });
        if let Some(percent) = pace {
            striking.struck(&Fault::Pace { percent });
        }
        let host_clock = clock.another(pace.unwrap_or(100));
        let server = Server::new(clock.clone(), history.clone(), striking.clone());
        let engine = Engine::new(host_clock.clone(), history.clone(), plays.clone());
        let over = CancellationToken::new();
        let cluster = match runtime {
            RuntimeKind::Docker => None,
            RuntimeKind::Pod => Some(Cluster::begin(
                server.clone(),
                clock.clone(),
                history.clone(),
                plays,
                over.clone(),
            )),
        };
        for fault in &script.0 {
            if let Fault::Away { .. } = fault {
                tokio::spawn(away(server.clone(), striking.clone(), fault.clone()));
            }
        }
        let host = Host {
            server: server.clone(),
            engine: engine.clone(),
            runtime,
            striking: striking.clone(),
            world_clock: clock.clone(),
            clock: host_clock,
            history: history.clone(),
            over: over.clone(),
            elect: !script.has(|fault| matches!(fault, Fault::Unelected | Fault::Rival { .. })),
            panics: script.has(|fault| matches!(fault, Fault::Panic { .. })),
            running: Arc::default(),
        };
        let beside = host.clone();
        let happens = move |fault: &Fault, process: &Process| beside.happens(fault, process);
        striking.set_beside(Some(Arc::new(happens)));
        tokio::spawn(host.supervise("controller-"));
        World {
            user: server.client("user"),
            over,
            clock,
            history,
            striking,
            server,
            engine,
            cluster,
        }
    }

    /// The session as it is stored.
    pub fn session(&self, name: &str) -> Option<Arc<Value>> {
        self.server.object(SESSIONS, NAMESPACE, name)
    }

    /// The cluster that sessions run on as Pods.
    pub fn cluster(&self) -> &Arc<Cluster> {
        let cluster = self.cluster.as_ref();
        cluster.expect("a scenario about Pods is played on a cluster")
    }

    /// What there is of games: id, session uid, whether it lives.
    pub fn containers(&self) -> Vec<(String, String, bool)> {
        match &self.cluster {
            Some(cluster) => cluster.containers(),
            None => self.engine.containers(),
        }
    }

    /// What there is of storage: name, session uid.
    pub fn volumes(&self) -> Vec<(String, String)> {
        match &self.cluster {
            Some(cluster) => cluster.volumes(),
            None => self.engine.volumes(),
        }
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

    /// Lets everything come to rest, then lets the time pass in which nobody should do anything. The length of the
    /// history when everything had come to rest.
    pub async fn settle(&self, script: &FaultScript) -> usize {
        tokio::time::sleep(SETTLES + script.lasts()).await;
        // What came late, or lost its owner, is found by the sweep. One that died had perhaps found it once already: its
        // two looks ten minutes apart begin anew.
        let late = |fault: &Fault| {
            matches!(
                fault,
                Fault::Restore { .. }
                    | Fault::Pause { .. }
                    | Fault::Rival { .. }
                    | Fault::Crash { .. }
                    | Fault::Terminate { .. }
            )
        };
        if script.has(late) {
            let owned = |world: &World| {
                let sessions = world.server.objects(SESSIONS);
                let owner = |uid: &str| {
                    let mut all = sessions.iter();
                    all.find(|session| session["metadata"]["uid"] == *uid)
                };
                // A stranger's are nobody's business.
                let containers = world.containers();
                let mut containers = containers.iter().filter(|(_, uid, _)| !uid.is_empty());
                let volumes = world.volumes();
                let mut volumes = volumes.iter().filter(|(_, uid)| !uid.is_empty());
                containers.all(|(_, uid, _)| {
                    owner(uid).is_some_and(|session| !session["status"]["finishTime"].is_string())
                }) && volumes.all(|(_, uid)| owner(uid).is_some())
            };
            self.until(SWEPT, owned).await;
        }
        let settled = self.history.len();
        for _ in 0..TIMES {
            tokio::time::advance(PASSES).await;
            tokio::time::sleep(WOKEN).await;
        }
        settled
    }

    /// Ends the controllers.
    pub fn end(&self) {
        self.over.cancel();
        self.striking.set_beside(None);
    }
}

async fn away(server: Arc<Server>, striking: Striking, fault: Fault) {
    let Fault::Away {
        from_ms,
        for_ms,
        how,
    } = fault
    else {
        return;
    };
    tokio::time::sleep(Duration::from_millis(from_ms)).await;
    striking.struck(&fault);
    server.set_mode(match how {
        Away::Down => Mode::Down,
        Away::Frozen => Mode::Frozen,
    });
    tokio::time::sleep(Duration::from_millis(for_ms)).await;
    server.set_mode(Mode::Up);
}
