//! Every state of a Pod that the controller reads, as the simulated cluster tells it, against tests/pods/states.yaml, which
//! the real clusters are held to. It tells no other.

use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::api::keys;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::apiserver::{ChangeKind, Key, Server, Verb, Write};
use crate::clock::SimClock;
use crate::cluster::Cluster;
use crate::engine::Play;
use crate::faults::FaultScript;
use crate::history::{History, What};
use crate::striking::Striking;
use crate::told::{Telling, at_node, pod, probe, states};

const NOTHING: Value = Value::Null;
/// Virtual time, and more than anything takes.
const LIMIT: Duration = Duration::from_secs(900);
const LOOKS: Duration = Duration::from_millis(20);
/// So long after its start.
const SECOND: u64 = 1;

/// A cluster of its own, and what is told of its Pods.
struct Bench {
    server: Arc<Server>,
    cluster: Arc<Cluster>,
    history: History,
    heard: usize,
    telling: Telling,
    over: CancellationToken,
}

impl Bench {
    fn of(plays: Vec<Play>) -> Bench {
        let (clock, history) = (SimClock::new(), History::default());
        let script: FaultScript = "none".parse().expect("a script");
        let server = Server::new(clock.clone(), history.clone(), Striking::new(&script));
        let over = CancellationToken::new();
        let cluster = Cluster::begin(server.clone(), clock, history.clone(), plays, over.clone());
        Bench {
            server,
            cluster,
            history,
            heard: 0,
            telling: Telling::default(),
            over,
        }
    }

    fn make(&self, pod: &Value) {
        let key = self.key(pod["metadata"]["name"].as_str().expect("a name"));
        let write = Write {
            verb: Verb::Create,
            key: &key,
            status: false,
            body: pod.clone(),
        };
        assert_eq!(self.server.write("somebody", write), 201, "{pod}");
    }

    /// One that plays, and is ready as soon as it runs.
    fn make_one(&self) {
        self.make(&pod("one", &[], &NOTHING, &NOTHING));
    }

    fn key(&self, name: &str) -> Key {
        Key {
            resource: "pods".to_owned(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
        }
    }

    fn listen(&mut self) {
        let entries = self.history.entries();
        for entry in &entries[self.heard..] {
            if let What::Stored {
                key, kind, object, ..
            } = &entry.what
                && key.resource == "pods"
            {
                self.telling.add(object, *kind == ChangeKind::Deleted);
            }
        }
        self.heard = entries.len();
    }

    async fn says(&mut self, pod: &str, state: &str) {
        let wait = async {
            loop {
                self.listen();
                if self.telling.comes_to(pod, state) {
                    return;
                }
                tokio::time::sleep(LOOKS).await;
            }
        };
        if tokio::time::timeout(LIMIT, wait).await.is_err() {
            panic!("{}", self.telling.differs(pod, state));
        }
    }

    /// One Pod, from state to state.
    async fn one_says(&mut self, states: &[&str]) {
        for state in states {
            self.says("one", state).await;
        }
    }

    fn delete(&self, pod: &str, grace: Option<i64>) {
        self.cluster.delete_pods(pod, grace);
    }
}

/// The names of what one story met, and the words of its Pods that are in no state of the file.
type Came = (Vec<String>, Vec<String>);

fn over(mut bench: Bench) -> Came {
    bench.listen();
    bench.over.cancel();
    let known: Vec<&Value> = states().values().map(|state| &state.pod).collect();
    let words = bench.telling.words();
    let others = words
        .filter(|(_, word)| {
            // That it goes now is told as that it is gone.
            let mut gone = Value::clone(word);
            if gone["deletionGracePeriodSeconds"] == 0 {
                gone["gone"] = json!(true);
            }
            !known.contains(word) && !known.contains(&&gone)
        })
        .map(|(pod, word)| format!("{pod}: {word}"))
        .collect();
    (bench.telling.met().iter().cloned().collect(), others)
}

#[tokio::test(start_paused = true)]
async fn the_simulated_cluster_says_of_a_pod_in_every_state_what_a_real_one_says() {
    let mut stories = lives().await;
    stories.extend(never_runs().await);
    stories.extend(is_ended().await);
    stories.extend(loses_its_node().await);
    let others: Vec<String> = stories
        .iter()
        .flat_map(|(_, other)| other.clone())
        .collect();
    assert!(others.is_empty(), "in no state:\n{}", others.join("\n"));
    let met: Vec<&String> = stories.iter().flat_map(|(met, _)| met).collect();
    for (name, state) in states() {
        assert_eq!(met.contains(&name), state.not_simulated.is_none(), "{name}");
    }
}

async fn lives() -> Vec<Came> {
    let mut all = Vec::new();
    let mut bench = Bench::of(vec![Play::ready_after(SECOND)]);
    bench.make(&pod("one", &[], &probe(7777), &NOTHING));
    bench
        .one_says(&[
            "created",
            "bound",
            "being created",
            "running, not ready",
            "running, ready",
        ])
        .await;
    all.push(over(bench));

    let out_of_memory = Play {
        out_of_memory: true,
        ..Play::ends(SECOND, 137)
    };
    let plays = [
        (
            Play::ends(SECOND, 0),
            ["ended with 0, its phase to follow", "ended with 0"],
        ),
        (
            Play::ends(SECOND, 3),
            ["ended with 3, its phase to follow", "ended with 3"],
        ),
        (
            out_of_memory,
            ["out of memory, its phase to follow", "out of memory"],
        ),
    ];
    for (play, ends) in plays {
        let mut bench = Bench::of(vec![play]);
        bench.make_one();
        bench.one_says(&["running, ready"]).await;
        bench.one_says(&ends).await;
        if ends[1] == "ended with 3" {
            bench.delete("one", None);
            bench
                .one_says(&["deleted after it ended with 3, gone"])
                .await;
        }
        all.push(over(bench));
    }
    all
}

async fn never_runs() -> Vec<Came> {
    let mut all = Vec::new();
    let mut bench = Bench::of(vec![Play::well()]);
    bench.cluster.cordon(true);
    bench.make_one();
    bench.one_says(&["no node fits"]).await;
    bench.cluster.cordon(false);
    bench.one_says(&["bound", "running, ready"]).await;
    bench.cluster.cordon(true);
    bench.make(&pod("two", &[], &NOTHING, &NOTHING));
    bench.says("two", "no node fits").await;
    bench.delete("two", None);
    bench.says("two", "deleted before it was bound, gone").await;
    all.push(over(bench));

    let mut bench = Bench::of(vec![Play::well()]);
    // In the order of their names: one and three have a node each.
    for name in ["one", "two", "three"] {
        bench.make(&pod(name, &[], &at_node(7000), &NOTHING));
    }
    bench.says("two", "no port is free").await;
    let here = json!({"nodeName": "node1"});
    bench.make(&pod("four", &[], &at_node(7000), &here));
    bench.says("four", "bound by hand").await;
    bench.says("four", "refused by its kubelet").await;
    all.push(over(bench));

    let mut bench = Bench::of(vec![Play::well()]);
    bench.cluster.no_image("dillinger/testgame:1", true);
    bench.make_one();
    bench
        .one_says(&[
            "image not found",
            "image not found, the next try put off",
            "image not found",
        ])
        .await;
    bench.delete("one", None);
    bench
        .one_says(&[
            "deleted while it waits for its image",
            "deleted while it waited for its image, ended",
            "deleted while it waited for its image, gone",
        ])
        .await;
    all.push(over(bench));

    let mut bench = Bench::of(vec![Play {
        refused: Some("exec: no such file"),
        ..Play::well()
    }]);
    bench.make_one();
    bench
        .one_says(&[
            "command not found, its phase to follow",
            "command not found",
        ])
        .await;
    all.push(over(bench));
    all
}

async fn is_ended() -> Vec<Came> {
    let mut all = Vec::new();
    let mut bench = Bench::of(vec![Play::well()]);
    bench.make_one();
    bench.one_says(&["running, ready"]).await;
    bench.delete("one", None);
    bench
        .one_says(&[
            "deleted while it runs",
            "deleted while it ran, ended",
            "deleted while it ran, its kubelet lets it go",
            "deleted while it ran, gone",
        ])
        .await;
    all.push(over(bench));

    let mut bench = Bench::of(vec![Play::well().stubborn()]);
    bench.make_one();
    bench.one_says(&["running, ready"]).await;
    bench.delete("one", Some(2));
    bench
        .one_says(&[
            "deleted while it ran, killed",
            "deleted while it ran, killed and gone",
        ])
        .await;
    all.push(over(bench));

    let mut bench = Bench::of(vec![Play::well()]);
    bench.make_one();
    bench.one_says(&["running, ready"]).await;
    bench.delete("one", Some(0));
    bench
        .one_says(&["deleted by force while it ran, gone"])
        .await;
    all.push(over(bench));

    let mut bench = Bench::of(vec![Play::well()]);
    bench.make_one();
    bench.one_says(&["running, ready"]).await;
    bench.cluster.evict("one");
    bench
        .one_says(&[
            "evicted by the eviction API, the cause",
            "evicted by the eviction API",
            "evicted by the eviction API, ended",
            "evicted by the eviction API, gone",
        ])
        .await;
    all.push(over(bench));

    let mut bench = Bench::of(vec![Play::well()]);
    bench.make_one();
    bench.one_says(&["running, ready"]).await;
    bench.cluster.preempt("one");
    bench.one_says(&["preempted, the cause", "preempted"]).await;
    all.push(over(bench));

    let mut bench = Bench::of(vec![Play::well()]);
    bench.make_one();
    bench.one_says(&["running, ready"]).await;
    bench.cluster.evict_by_kubelet("one");
    bench.one_says(&["evicted by its kubelet"]).await;
    all.push(over(bench));
    all
}

async fn loses_its_node() -> Vec<Came> {
    let mut all = Vec::new();
    for given_up_by in ["taint", "deletion", "return"] {
        let mut bench = Bench::of(vec![Play::well()]);
        bench.make_one();
        bench.one_says(&["running, ready"]).await;
        bench.cluster.power_fails("one");
        let is_ready = |node: &Arc<Value>| node["status"]["conditions"][0]["status"] == "True";
        while bench.server.objects("nodes").iter().all(is_ready) {
            tokio::time::sleep(LOOKS).await;
        }
        let now = bench.server.object("pods", "default", "one");
        let now = now.expect("it is there");
        bench.telling.assert_is(&now, "its node is silent");
        assert_eq!(now["metadata"]["labels"][keys::UID], "one");
        match given_up_by {
            "taint" => {
                bench
                    .one_says(&[
                        "taken from a silent node, the cause",
                        "taken from a silent node",
                    ])
                    .await;
                bench.cluster.out_of_service();
                bench
                    .one_says(&[
                        "its node is out of service",
                        "its node is out of service, gone",
                    ])
                    .await;
            }
            "deletion" => {
                bench.cluster.delete_nodes_that_are_off();
                bench
                    .one_says(&["its node is deleted", "its node is deleted, gone"])
                    .await;
            }
            _ => {
                bench.cluster.kubelets_return();
                bench
                    .one_says(&[
                        "its node is back from a power failure, its phase to follow",
                        "its node is back from a power failure",
                    ])
                    .await;
            }
        }
        all.push(over(bench));
    }
    all
}
