//! Which nodes and which neighbours the Pods of a game get.

use dillinger_runner::api::{Affinity, PortProtocol, TopologySpreadConstraint};
use serde_json::{Value, json};

use crate::bed::{Bed, message};
use crate::make::{GameMaker, session};

fn game(name: &str) -> GameMaker {
    GameMaker::bare(name)
        .args(&["--tcp", "7777"])
        .port("game", 7777, PortProtocol::TCP)
}

fn affinity(wished: Value) -> Option<Affinity> {
    Some(serde_json::from_value(wished).expect("an affinity"))
}

#[tokio::test]
async fn games_that_want_a_node_for_themselves_wait_for_another_and_others_do_not() {
    let bed = Bed::open("pods-alone").await;
    let alone = game("alone").edit(|s| {
        s.affinity = affinity(json!({"podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}],
        }}));
    });
    bed.game(&alone).await;
    bed.game(&game("other")).await;
    let first = bed.session(&session("first", "alone")).await;
    first.until_ready().await;
    let second = bed.session(&session("second", "alone")).await;
    second.until_reason("Ready", "Unschedulable").await;
    // While the Pods of other tests have all of the node, that is what the scheduler names.
    second
        .until("is told which rule keeps it waiting", |s| {
            message(s, "Started").contains("anti-affinity")
        })
        .await;
    let other = bed.session(&session("third", "other")).await;
    other.until_ready().await;
    first.delete().await;
    second.until_ready().await;
    bed.close().await;
}

#[tokio::test]
async fn a_game_runs_on_the_nodes_that_it_names_and_is_spread_as_it_says() {
    let bed = Bed::open("pods-placed").await;
    let wished = game("arena").edit(|s| {
        s.affinity = affinity(json!({"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node1"]},
                {"key": "no-such-label", "operator": "DoesNotExist"},
            ]}]},
        }}));
        let spread: TopologySpreadConstraint = serde_json::from_value(json!({
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        }))
        .expect("a constraint");
        s.topology_spread_constraints = vec![spread];
    });
    bed.game(&wished).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let spec = play.pod().await.spec.expect("a spec");
    assert_eq!(spec.node_name.as_deref(), Some("node1"));
    let spread = spec.topology_spread_constraints.expect("constraints");
    let counted = spread[0].label_selector.clone();
    let counted = counted.and_then(|s| s.match_labels).expect("labels");
    assert_eq!(counted["dillinger.dev/game"], "arena");
    bed.close().await;
}
