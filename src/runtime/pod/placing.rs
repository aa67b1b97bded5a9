//! What a Game wishes of nodes and neighbours -> the words of a Pod: pure.
//!
//! The fields of a Game are Kubernetes' own, so that they are passed on as they are; a selector of Pods that is not said
//! means the Pods of the Game.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, PodAffinity, PodAffinityTerm, TopologySpreadConstraint, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{self, keys};

type Labels = BTreeMap<String, String>;

/// The Game's wishes. One that says nothing of nodes, neighbours and spread is packed: its sessions rather share a node with
/// others than have one each, and nodes without a game can be given back.
pub(super) fn affinity(
    wished: Option<&api::Affinity>,
    spread: &[api::TopologySpreadConstraint],
    labels: &Labels,
) -> Option<Affinity> {
    let Some(wished) = wished else {
        return spread.is_empty().then(|| packed(labels));
    };
    let mut wished = wished.clone();
    for selector in wished.unsaid() {
        *selector = Some(of_game(labels));
    }
    Some(as_it_is(&wished))
}

/// The Game's spread.
pub(super) fn spread(
    wished: &[api::TopologySpreadConstraint],
    labels: &Labels,
) -> Option<Vec<TopologySpreadConstraint>> {
    if wished.is_empty() {
        return None;
    }
    let said = wished.iter().map(|constraint| {
        let mut constraint = constraint.clone();
        constraint
            .label_selector
            .get_or_insert_with(|| of_game(labels));
        as_it_is(&constraint)
    });
    Some(said.collect())
}

fn packed(labels: &Labels) -> Affinity {
    let term = PodAffinityTerm {
        topology_key: "kubernetes.io/hostname".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(chosen(labels, &[keys::CLUSTER, keys::CONTROLLER])),
            match_expressions: None,
        }),
        ..PodAffinityTerm::default()
    };
    Affinity {
        pod_affinity: Some(PodAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm {
                    weight: 1,
                    pod_affinity_term: term,
                },
            ]),
            required_during_scheduling_ignored_during_execution: None,
        }),
        ..Affinity::default()
    }
}

fn of_game(labels: &Labels) -> api::LabelSelector {
    api::LabelSelector {
        match_labels: chosen(labels, &[keys::CLUSTER, keys::CONTROLLER, keys::GAME]),
        match_expressions: Vec::new(),
    }
}

fn chosen(labels: &Labels, keys: &[&str]) -> Labels {
    let found = keys
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), labels.get(*key)?.clone())));
    found.collect()
}

fn as_it_is<T: DeserializeOwned>(ours: &impl Serialize) -> T {
    serde_json::to_value(ours)
        .and_then(serde_json::from_value)
        .expect("the fields of a Game are a part of Kubernetes' own, name for name")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn labels() -> Labels {
        [
            (keys::CLUSTER, "c-1"),
            (keys::CONTROLLER, "dillinger-runner"),
            (keys::GAME, "arena"),
            (keys::UID, "u-1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    fn affinity_of(wished: Value) -> Value {
        let wished: api::Affinity = serde_json::from_value(wished).expect("an affinity");
        serde_json::to_value(affinity(Some(&wished), &[], &labels())).expect("JSON")
    }

    fn spread_of(wished: &Value) -> Vec<api::TopologySpreadConstraint> {
        serde_json::from_value(wished.clone()).expect("constraints")
    }

    #[test]
    fn a_game_without_wishes_shares_its_node_with_others() {
        let affinity = affinity(None, &[], &labels()).expect("an affinity");
        let near = affinity.pod_affinity.expect("neighbours");
        let near = near.preferred_during_scheduling_ignored_during_execution;
        let term = near.expect("terms").remove(0).pod_affinity_term;
        assert_eq!(term.topology_key, "kubernetes.io/hostname");
        let near = term.label_selector.and_then(|s| s.match_labels);
        let near = near.expect("labels");
        assert_eq!(near["dillinger.dev/controller"], "dillinger-runner");
        assert!(!near.contains_key(keys::GAME), "whatever they play");
    }

    #[test]
    fn every_wish_is_passed_on_as_it_is_written() {
        let term = json!({"matchExpressions": [
            {"key": "pool", "operator": "In", "values": ["games"]},
            {"key": "cores", "operator": "Gt", "values": ["8"]},
            {"key": "old", "operator": "DoesNotExist"},
        ]});
        let others = json!({
            "labelSelector": {
                "matchLabels": {"app": "proxy"},
                "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["test"]}],
            },
            "topologyKey": "topology.kubernetes.io/zone",
        });
        let wished = json!({
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "preference": term}],
            },
            "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [others]},
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": others}],
            },
        });
        assert_eq!(affinity_of(wished.clone()), wished);
    }

    #[test]
    fn neighbours_that_are_not_named_are_those_of_the_game() {
        let key = json!({"topologyKey": "kubernetes.io/hostname"});
        let made = affinity_of(json!({
            "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": key}]},
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [key]},
        }));
        for term in [
            &made["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"],
            &made["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0],
        ] {
            let near = &term["labelSelector"]["matchLabels"];
            assert_eq!(near["dillinger.dev/game"], "arena");
            assert_eq!(near["dillinger.dev/controller"], "dillinger-runner");
        }
    }

    #[test]
    fn a_game_that_is_spread_is_not_packed() {
        let wished = json!([{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
        }]);
        let wished = spread_of(&wished);
        assert_eq!(affinity(None, &wished, &labels()), None);
        let made = spread(&wished, &labels()).expect("a spread").remove(0);
        assert_eq!(
            (made.max_skew, made.when_unsatisfiable.as_str()),
            (1, "ScheduleAnyway")
        );
        let counted = made.label_selector.and_then(|s| s.match_labels);
        assert_eq!(counted.expect("labels")["dillinger.dev/game"], "arena");
    }

    #[test]
    fn pods_that_a_spread_names_are_the_ones_it_counts() {
        let wished = json!([{
            "maxSkew": 2, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"pool": "a"}},
        }]);
        let made = spread(&spread_of(&wished), &labels()).expect("a spread");
        assert_eq!(serde_json::to_value(made).expect("JSON"), wished);
        assert_eq!(spread(&[], &labels()), None);
    }
}
