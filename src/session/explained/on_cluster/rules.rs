//! Rules between fields for clusters: what the definitions say in CEL, in the same words. Pure.

use super::quoted;
use crate::api::{
    Affinity, Exposure, GameSpec, LabelOperator, LabelSelector, NodeOperator, NodeRequirement,
    PodAffinity, PortPolicy, TaintEffect, Toleration, TolerationOperator,
};

pub(super) const EXPOSURE: &str =
    "exposure other than HostPort needs portPolicy Dynamic for every port";
pub(super) const VALUE: &str = "value goes with operator Equal, and only with it";
pub(super) const KEY: &str =
    "key is required, except with operator Exists, which then bears every taint";
pub(super) const SECONDS: &str = "tolerationSeconds goes with effect NoExecute, and only with it";
pub(super) const NODE: &str =
    "In and NotIn need values, Gt and Lt exactly one, Exists and DoesNotExist none";
pub(super) const LABEL: &str = "In and NotIn need values, Exists and DoesNotExist none";

/// The first that an API server would refuse, with its place.
pub(in super::super) fn broken(spec: &GameSpec) -> Option<String> {
    let mut ports = spec.ports.iter();
    let fixed = ports.any(|port| port.port_policy != PortPolicy::Dynamic);
    if fixed && !matches!(spec.exposure, None | Some(Exposure::HostPort)) {
        return Some(EXPOSURE.to_owned());
    }
    for (at, one) in spec.tolerations.iter().enumerate() {
        if let Some(rule) = toleration(one) {
            return Some(format!("tolerations[{at}]: {rule}"));
        }
    }
    let affinity = spec.affinity.as_ref();
    let mut nodes = affinity.into_iter().flat_map(nodes);
    if let Some(wrong) = nodes.find(|one| !fits_node(one)) {
        return Some(format!(
            "affinity.nodeAffinity, key {}: {NODE}",
            quoted(&wrong.key)
        ));
    }
    let selectors = affinity.into_iter().flat_map(selectors);
    let spread = spec.topology_spread_constraints.iter();
    let spread =
        spread.filter_map(|one| Some(("topologySpreadConstraints", one.label_selector.as_ref()?)));
    selectors.chain(spread).find_map(|(place, selector)| {
        let wrong = selector
            .match_expressions
            .iter()
            .find(|one| match one.operator {
                LabelOperator::In | LabelOperator::NotIn => one.values.is_empty(),
                LabelOperator::Exists | LabelOperator::DoesNotExist => !one.values.is_empty(),
            })?;
        Some(format!("{place}, key {}: {LABEL}", quoted(&wrong.key)))
    })
}

fn toleration(one: &Toleration) -> Option<&'static str> {
    let equal = one.operator == TolerationOperator::Equal;
    if !equal && one.value.is_some() {
        return Some(VALUE);
    }
    if equal && one.key.is_none() {
        return Some(KEY);
    }
    let other = one.effect != Some(TaintEffect::NoExecute);
    (other && one.toleration_seconds.is_some()).then_some(SECONDS)
}

fn nodes(affinity: &Affinity) -> Vec<&NodeRequirement> {
    let Some(nodes) = &affinity.node_affinity else {
        return Vec::new();
    };
    let required = nodes
        .required_during_scheduling_ignored_during_execution
        .iter()
        .flat_map(|required| &required.node_selector_terms);
    let preferred = nodes
        .preferred_during_scheduling_ignored_during_execution
        .iter()
        .map(|one| &one.preference);
    let terms = required.chain(preferred);
    terms.flat_map(|term| &term.match_expressions).collect()
}

fn fits_node(one: &NodeRequirement) -> bool {
    match one.operator {
        NodeOperator::In | NodeOperator::NotIn => !one.values.is_empty(),
        NodeOperator::Gt | NodeOperator::Lt => one.values.len() == 1,
        NodeOperator::Exists | NodeOperator::DoesNotExist => one.values.is_empty(),
    }
}

fn selectors(affinity: &Affinity) -> Vec<(&'static str, &LabelSelector)> {
    let mut found = Vec::new();
    for (place, pods) in [
        ("affinity.podAffinity", &affinity.pod_affinity),
        ("affinity.podAntiAffinity", &affinity.pod_anti_affinity),
    ] {
        let Some(pods) = pods else { continue };
        let PodAffinity {
            required_during_scheduling_ignored_during_execution: required,
            preferred_during_scheduling_ignored_during_execution: preferred,
        } = pods;
        let wished = preferred.iter().map(|one| &one.pod_affinity_term);
        let selectors = required.iter().chain(wished);
        found.extend(selectors.filter_map(|term| Some((place, term.label_selector.as_ref()?))));
    }
    found
}
