//! Every state of a Pod that the controller reads, as this cluster tells it, against states.yaml. What the simulated cluster
//! is held to is so held to the real one; those of nodes that are lost are in tests/nodes.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::raw::RawPods;
use crate::told::{By, at_node, pod, probe};
use crate::wait::until;
use crate::world::{World, own_ports};

const NOTHING: Value = Value::Null;
/// The test game, answering.
const PLAYS: [&str; 2] = ["--tcp", "7777"];

#[tokio::test]
async fn a_pod_says_in_every_state_what_the_simulated_one_says() {
    let client = World::here().client().await;
    let raw = RawPods::open(&client, "pods-states").await;
    let ports = own_ports(2);
    tokio::join!(
        runs(&raw),
        ends(&raw),
        never_runs(&raw),
        is_deleted(&raw),
        shares_a_port(&client, &raw, *ports.start()),
        is_refused(&raw, *ports.end())
    );
    raw.telling().assert_met(|state| state.by == By::Pods);
    raw.close().await;
}

async fn runs(raw: &RawPods) {
    raw.make(&pod("late", &PLAYS, &probe(7999), &NOTHING)).await;
    raw.says("late", "created").await;
    raw.says("late", "bound").await;
    raw.says("late", "being created").await;
    raw.says("late", "running, not ready").await;
    raw.make(&pod("asked", &PLAYS, &probe(7777), &NOTHING))
        .await;
    let passing = "running, its startup probe passed";
    raw.says_after("asked", passing, "running, ready").await;
    raw.make(&pod("unasked", &PLAYS, &NOTHING, &NOTHING)).await;
    raw.says("unasked", "running, ready").await;
    raw.delete("unasked").await;
    raw.says("unasked", "deleted while it runs").await;
    raw.says("unasked", "deleted while it ran, ended").await;
    raw.says("unasked", "deleted while it ran, its kubelet lets it go")
        .await;
    raw.says("unasked", "deleted while it ran, gone").await;
    let force = DeleteParams::default().grace_period(0);
    raw.pods.delete("asked", &force).await.expect("deleted");
    raw.says("asked", "deleted by force while it ran, gone")
        .await;
    raw.make(&pod("drained", &PLAYS, &NOTHING, &NOTHING)).await;
    raw.says("drained", "running, ready").await;
    let evicted = raw.pods.evict("drained", &Default::default()).await;
    evicted.expect("evicted");
    raw.says("drained", "evicted by the eviction API, the cause")
        .await;
    raw.says("drained", "evicted by the eviction API").await;
    raw.says("drained", "evicted by the eviction API, ended")
        .await;
    raw.says("drained", "evicted by the eviction API, gone")
        .await;
}

async fn ends(raw: &RawPods) {
    let ends = ["--exit-after", "1s"];
    raw.make(&pod("well", &ends, &NOTHING, &NOTHING)).await;
    let passing = "ended with 0, its phase to follow";
    raw.says_after("well", passing, "ended with 0").await;
    let fails = ["--exit-after", "1s", "--exit-code", "3"];
    raw.make(&pod("badly", &fails, &NOTHING, &NOTHING)).await;
    let passing = "ended with 3, its phase to follow";
    raw.says_after("badly", passing, "ended with 3").await;
    raw.delete("badly").await;
    raw.says("badly", "deleted after it ended with 3, gone")
        .await;
    raw.make(&pod("hog", &["--hog-memory"], &NOTHING, &NOTHING))
        .await;
    let passing = "out of memory, its phase to follow";
    raw.says_after("hog", passing, "out of memory").await;
    let no_command = json!({"command": ["/nothing-is-here"]});
    raw.make(&pod("missing", &[], &no_command, &NOTHING)).await;
    let passing = "command not found, its phase to follow";
    raw.says_after("missing", passing, "command not found")
        .await;
}

async fn never_runs(raw: &RawPods) {
    let nowhere = json!({"nodeSelector": {"pool": "none"}});
    raw.make(&pod("nowhere", &PLAYS, &NOTHING, &nowhere)).await;
    raw.says("nowhere", "no node fits").await;
    raw.delete("nowhere").await;
    raw.says("nowhere", "deleted before it was bound, gone")
        .await;
    let image = json!({"image": "localhost/nobody-has-this:1"});
    for name in ["first", "again"] {
        raw.make(&pod(name, &PLAYS, &image, &NOTHING)).await;
    }
    raw.says("first", "image not found").await;
    raw.delete("first").await;
    raw.says("first", "deleted while it waits for its image")
        .await;
    raw.says("first", "deleted while it waited for its image, ended")
        .await;
    raw.says("first", "deleted while it waited for its image, gone")
        .await;
    raw.says("again", "image not found, the next try put off")
        .await;
    let root = json!({"securityContext": {"runAsNonRoot": true, "runAsUser": 0}});
    raw.make(&pod("root", &PLAYS, &NOTHING, &root)).await;
    raw.says("root", "user refused").await;
}

async fn is_deleted(raw: &RawPods) {
    let stubborn = ["--tcp", "7777", "--ignore-term"];
    let soon = json!({"terminationGracePeriodSeconds": 1});
    raw.make(&pod("stubborn", &stubborn, &NOTHING, &soon)).await;
    raw.says("stubborn", "running, ready").await;
    raw.delete("stubborn").await;
    raw.says("stubborn", "deleted while it ran, killed").await;
    raw.says("stubborn", "deleted while it ran, killed and gone")
        .await;
}

/// Two Pods that want the port of a third: one waits for it, one is of higher rank.
async fn shares_a_port(client: &kube::Client, raw: &RawPods, port: u16) {
    raw.make(&pod("holder", &PLAYS, &at_node(port), &NOTHING))
        .await;
    raw.says("holder", "running, ready").await;
    raw.make(&pod("waits", &PLAYS, &at_node(port), &NOTHING))
        .await;
    raw.says("waits", "no port is free").await;
    let ranks: Api<PriorityClass> = Api::all(client.clone());
    let rank = json!({"metadata": {"name": raw.name()}, "value": 1000});
    let rank = serde_json::from_value(rank).expect("a rank");
    let made = ranks.create(&PostParams::default(), &rank).await;
    made.expect("a rank is made");
    let high = json!({"priorityClassName": raw.name()});
    let high = pod("high", &PLAYS, &at_node(port), &high);
    let high: Pod = serde_json::from_value(high).expect("a Pod");
    until("the API server knows the rank", || async {
        raw.pods.create(&PostParams::default(), &high).await.ok()
    })
    .await;
    raw.says("holder", "preempted, the cause").await;
    raw.says("holder", "preempted").await;
    let gone = ranks.delete(raw.name(), &DeleteParams::default()).await;
    gone.expect("the rank is deleted");
}

/// Bound by hand to a node on which its port is taken. No other wants this port: the scheduler takes it for free once the refused
/// one is gone from its books.
async fn is_refused(raw: &RawPods, port: u16) {
    raw.make(&pod("there", &PLAYS, &at_node(port), &NOTHING))
        .await;
    raw.says("there", "running, ready").await;
    let there = json!({"nodeName": "node1"});
    raw.make(&pod("forced", &PLAYS, &at_node(port), &there))
        .await;
    raw.says("forced", "bound by hand").await;
    raw.says("forced", "refused by its kubelet").await;
}
