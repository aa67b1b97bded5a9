//! The rest of a simulated cluster: a scheduler, kubelets on nodes that may lose their power, and what the controller manager
//! does to Pods of nodes that are gone. They read and write the simulated API server as their real ones do; what really
//! runs on a node is known here alone, and told to the history.
//!
//! Held against real ones for each state of a Pod that the controller reads: `tests/pods/states.yaml`.

mod by_hand;
mod kubelet;
mod nodes;
mod scheduler;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dillinger_runner::api::keys;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::apiserver::{Key, Server, Verb, Write, container};
use crate::clock::SimClock;
use crate::engine::Play;
use crate::history::{History, Life, What};
use crate::world::SESSIONS;

const PODS: &str = "pods";
const NODES: &str = "nodes";
const CLAIMS: &str = "persistentvolumeclaims";

/// From the binding of a Pod to its game's first instruction.
const START: Duration = Duration::from_millis(500);
/// Between the two words of a kubelet that an image cannot be had, and from the second to the next try.
const PULL_AGAIN: Duration = Duration::from_secs(5);
/// From the word that a container ended to the one that its Pod did.
const SUMMED_UP: Duration = Duration::from_secs(1);

/// Scheduler, kubelets and controller manager of one cluster.
pub struct Cluster {
    server: Arc<Server>,
    clock: SimClock,
    history: History,
    state: Mutex<State>,
}

struct State {
    nodes: BTreeMap<String, Node>,
    /// What each start plays; the last for all that follow.
    plays: Vec<Play>,
    starts: usize,
    /// By UID of the Pod: what its node knows of it.
    games: BTreeMap<String, Game>,
    /// Images that no registry has.
    missing: BTreeSet<String>,
}

struct Node {
    /// It has power, and its games run.
    on: bool,
    /// Its kubelet runs.
    reports: bool,
    cordoned: bool,
    /// Pods that it takes.
    room: usize,
    /// Grows with each loss of power or of its kubelet.
    silences: usize,
}

/// One Pod on its node.
#[derive(Clone, Debug)]
struct Game {
    node: String,
    key: Key,
    /// The Pod as it was bound.
    pod: Arc<Value>,
    /// Who made the Pod: what runs, runs by his will.
    maker: String,
    stage: Stage,
    /// It was told to end.
    told: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Starting,
    /// Why it does not start, in the kubelet's two words.
    Waiting(&'static str, String),
    Running {
        started: Timestamp,
        ready: bool,
        run: usize,
    },
    Ended {
        end: End,
        /// The phase says so too, and no longer what it was before.
        summed_up: bool,
    },
    /// Its kubelet does not let it run, or not any more: the status says it.
    Failed(&'static str, String),
}

/// How a container ended, as its kubelet tells it.
#[derive(Clone, Debug, PartialEq)]
struct End {
    code: i32,
    reason: &'static str,
    message: Option<String>,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
}

impl Game {
    fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Running { .. })
    }

    fn id(&self) -> &str {
        self.pod["metadata"]["uid"].as_str().unwrap_or_default()
    }
}

impl Cluster {
    /// Two nodes, and everybody at work until `over`.
    pub fn begin(
        server: Arc<Server>,
        clock: SimClock,
        history: History,
        plays: Vec<Play>,
        over: CancellationToken,
    ) -> Arc<Cluster> {
        let cluster = Arc::new(Cluster {
            server,
            clock,
            history,
            state: Mutex::new(State {
                nodes: BTreeMap::new(),
                plays,
                starts: 0,
                games: BTreeMap::new(),
                missing: BTreeSet::new(),
            }),
        });
        for name in ["node1", "node2"] {
            cluster.add_node(name);
        }
        tokio::spawn(cluster.clone().work(over));
        cluster
    }

    async fn work(self: Arc<Self>, over: CancellationToken) {
        let mut moves = self.server.moves();
        loop {
            self.look();
            tokio::select! {
                () = moves.next() => {}
                () = over.cancelled() => return,
            }
        }
    }

    /// Everybody looks at what is stored, and does what is next.
    fn look(self: &Arc<Self>) {
        let pods = self.server.objects(PODS);
        for pod in &pods {
            if pod["spec"]["nodeName"].is_string() {
                self.tend(pod);
            } else {
                self.schedule(pod);
            }
        }
        self.clear_away(&pods);
        self.collect(&pods);
    }

    /// The garbage collector: what names an owner that there is not goes, also where the owner never was there.
    fn collect(&self, pods: &[Arc<Value>]) {
        let sessions = self.server.objects(SESSIONS);
        let there = |owner: &Value| {
            let mut all = sessions.iter();
            all.any(|session| session["metadata"]["uid"] == owner["uid"])
        };
        for (resource, objects) in [(PODS, pods), (CLAIMS, &self.server.objects(CLAIMS))] {
            for object in objects {
                let owners = object["metadata"]["ownerReferences"].as_array();
                let orphaned = owners.is_some_and(|owners| !owners.iter().any(there));
                if orphaned && !object["metadata"]["deletionTimestamp"].is_string() {
                    let id = object["metadata"]["uid"].as_str().unwrap_or_default();
                    self.write_deletion("garbage-collector", &key_of(object, resource), id, None);
                }
            }
        }
    }

    /// Pods that are stored, and games of Pods that are not any more: id, session uid, and whether it lives.
    pub fn containers(&self) -> Vec<(String, String, bool)> {
        let state = self.lock();
        let pods = self.server.objects(PODS);
        let mut all: BTreeMap<String, (String, bool)> = pods
            .iter()
            .map(|pod| {
                let uid = pod["metadata"]["labels"][keys::UID].as_str();
                let id = pod["metadata"]["uid"].as_str().unwrap_or_default();
                (id.to_owned(), (uid.unwrap_or_default().to_owned(), false))
            })
            .collect();
        for game in state.games.values().filter(|game| game.is_live()) {
            let uid = game.pod["metadata"]["labels"][keys::UID].as_str();
            let uid = uid.unwrap_or_default().to_owned();
            all.insert(game.id().to_owned(), (uid, true));
        }
        all.into_iter()
            .map(|(id, (uid, live))| (id, uid, live))
            .collect()
    }

    /// Claims that are stored, with their session's uid.
    pub fn volumes(&self) -> Vec<(String, String)> {
        let claims = self.server.objects(CLAIMS);
        let name = |claim: &Arc<Value>| {
            let uid = claim["metadata"]["labels"][keys::UID].as_str();
            let name = claim["metadata"]["name"].as_str();
            (
                name.unwrap_or_default().to_owned(),
                uid.unwrap_or_default().to_owned(),
            )
        };
        claims.iter().map(name).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, who: &str, game: &Game, state: Life) {
        let what = container(&game.pod, state);
        self.history.add(self.clock.elapsed(), who, what);
    }

    fn say(&self, words: String) {
        let what = What::Note(words);
        self.history.add(self.clock.elapsed(), "cluster", what);
    }

    /// Fields of the status of an object.
    fn write_status(&self, who: &str, key: &Key, status: &Value) -> bool {
        let body = json!({"status": status});
        let write = Write {
            verb: Verb::Patch,
            key,
            status: true,
            body,
        };
        self.server.write(who, write) == 200
    }

    fn write_deletion(&self, who: &str, key: &Key, id: &str, grace: Option<i64>) -> bool {
        let mut body = json!({"preconditions": {"uid": id}});
        if let Some(grace) = grace {
            body["gracePeriodSeconds"] = json!(grace);
        }
        let write = Write {
            verb: Verb::Delete,
            key,
            status: false,
            body,
        };
        self.server.write(who, write) == 200
    }

    /// Later, whatever becomes of those who asked for it.
    fn later(self: &Arc<Self>, wait: Duration, act: impl FnOnce(&Arc<Cluster>) + Send + 'static) {
        let cluster = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            act(&cluster);
        });
    }
}

fn key_of(object: &Value, resource: &str) -> Key {
    let text = |field: &str| {
        let value = object["metadata"][field].as_str();
        value.unwrap_or_default().to_owned()
    };
    Key {
        resource: resource.to_owned(),
        namespace: text("namespace"),
        name: text("name"),
    }
}

/// As the API server writes times.
fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
