//! The second node loses its power, with a game on it.

use kube::ResourceExt;
use serde_json::json;

use crate::bed::Bed;
use crate::cluster::{self, patch_node, until_node};
use crate::history::{History, Timeline};
use crate::make::{session, testgame};

/// What an administrator says of a node that is off for certain.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

#[tokio::test]
async fn a_node_without_power_ends_no_session_until_a_person_says_that_it_is_off() {
    let bed = Bed::open("nodes-power").await;
    let history = History::of(&bed.client, &bed.namespace);
    bed.game(&testgame("arena").no_storage()).await;
    cluster::cordon(&bed.client, "node1").await;
    let play = bed.session(&session("friday", "arena")).await;
    let ready = play.until_ready().await;
    patch_node(&bed.client, "node1", json!({"unschedulable": null})).await;
    let node = ready.status.and_then(|s| s.container?.node_name);
    assert_eq!(node.as_deref(), Some("node2"));
    let lost = play.pod().await.uid();

    let timeline = Timeline::of(&bed.client, &bed.namespace, "friday");
    let off = cluster::power_off(&bed.world);
    until_node(&bed.client, "node2", false).await;
    play.until_reason("Ready", "NodeLost").await;
    // Others play on, on the node that is left.
    let later = bed.session(&session("later", "arena")).await;
    later.until_ready().await;
    let unknown = play.now().await.status.expect("a status");
    assert_eq!(unknown.attempt, Some(0), "nothing was declared dead");
    assert_eq!(play.pod().await.uid(), lost);

    let taint = json!([{"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}]);
    patch_node(&bed.client, "node2", json!({"taints": taint})).await;
    let back = play.until_ready_in(1).await.status.expect("a status");
    assert_eq!((back.restarts, back.interruptions), (Some(0), Some(1)));
    let node = back.container.and_then(|c| c.node_name);
    assert_eq!(node.as_deref(), Some("node1"));
    assert_eq!(play.ask("ping").await, "pong:ping");

    off.power_on();
    patch_node(&bed.client, "node2", json!({"taints": null})).await;
    until_node(&bed.client, "node2", true).await;
    assert_eq!(play.now().await.status.and_then(|s| s.attempt), Some(1));
    timeline.print("power failure of the session's node, then the taint that says so");
    history.assert_none_was_started_twice();
    drop((play, later));
    bed.close().await;
}
