//! What a Game will do on a cluster beside what it does everywhere, and what of that has been regretted before. Pure.

pub(super) mod rules;

use super::super::container::any_port;
use super::super::contract::{Contract, Placement};
use super::super::quoted::{plain, quoted};
use super::{SHOWN, bytes, millis};
use crate::api::{
    Affinity, Exposure, GameSpec, ImagePullPolicy, LabelSelector, PodAffinity, PodTerm,
    RuntimeKind, TaintEffect, Toleration, TolerationOperator, TopologySpreadConstraint,
    WhenUnsatisfiable,
};

/// A word and the sentence behind it, for each thing that a cluster makes of the Game.
pub(super) fn does(contract: &Contract) -> Vec<(&'static str, String)> {
    // Without "..": a new field must be told too.
    let Placement {
        exposure,
        node_selector,
        tolerations,
        affinity,
        topology_spread_constraints: spread,
        priority_class_name,
        runtime_class_name,
        image_pull_secrets,
        host_users,
        storage_class_name,
    } = &contract.placement;
    let mut does = Vec::new();
    if !contract.terms.ports.is_empty() {
        does.push(("reached", reached(*exposure, any_port(contract))));
    }
    does.push((
        "reserves",
        format!(
            "{} CPU and {} of its node: as much as it may use",
            millis(contract.cpu_millis),
            bytes(contract.memory_bytes)
        ),
    ));
    let mut nodes: Vec<String> = node_selector
        .iter()
        .map(|(key, value)| format!("only those with {}={}", shown(key), shown(value)))
        .collect();
    nodes.extend(wished_nodes(affinity.as_ref()));
    if nodes.is_empty() {
        nodes.push("any".to_owned());
    }
    does.push(("nodes", nodes.join("; ")));
    let borne: Vec<String> = tolerations.iter().map(taint).collect();
    does.push(match borne.is_empty() {
        true => (
            "taints",
            "none borne: a node with one of its own is left out".to_owned(),
        ),
        false => ("taints", format!("borne: {}", borne.join(", "))),
    });
    let mut near = affinity.as_ref().map(neighbours).unwrap_or_default();
    near.extend(spread.iter().map(spread_over));
    if near.is_empty() {
        near.push(match affinity {
            None => {
                "rather a node that has games already, so that empty ones can be given back".into()
            }
            Some(_) => "none wished for".to_owned(),
        });
    }
    does.push(("neighbours", near.join("; ")));
    if let Some(name) = priority_class_name {
        does.push(("priority", must_exist("PriorityClass", name)));
    }
    if let Some(name) = runtime_class_name {
        does.push(("sandbox", must_exist("RuntimeClass", name)));
    }
    if !image_pull_secrets.is_empty() {
        let names: Vec<String> = image_pull_secrets.iter().map(|name| quoted(name)).collect();
        does.push((
            "credentials",
            format!(
                "for the image: Secret {} of its namespace",
                names.join(", ")
            ),
        ));
    }
    if let Some(host) = host_users {
        does.push((
            "user ids",
            match host {
                true => "those of the node",
                false => "of a user namespace of its own, which the node must be able to",
            }
            .to_owned(),
        ));
    }
    if !contract.storage.is_empty() {
        let class = match storage_class_name {
            Some(name) => format!("StorageClass {}", quoted(name)),
            None => "the cluster's default StorageClass".to_owned(),
        };
        does.push((
            "volumes",
            format!("claims of {class}; where that makes none, a session waits with Unschedulable"),
        ));
    }
    does
}

fn reached(exposure: Option<Exposure>, any_port: bool) -> String {
    match exposure {
        _ if !any_port => "by ports of its node: a port that is not Dynamic has its number there",
        None => "as --pod-exposure of the controller says: by ports of its node, if it says nothing",
        Some(Exposure::HostPort) => {
            "by ports of its node, out of --port-range; the Pod Security levels baseline and restricted refuse them"
        }
        Some(Exposure::NodePort) => {
            "by a Service of its session: one number of --node-port-range, at every node"
        }
        Some(Exposure::LoadBalancer) => {
            "by a Service of its session with an address of its own, at each containerPort; not Ready before the address is there"
        }
        Some(Exposure::None) => {
            "at the Pod's own address and each containerPort, by those who reach Pods"
        }
    }
    .to_owned()
}

fn shown(text: &str) -> String {
    plain(text, SHOWN)
}

fn must_exist(kind: &str, name: &str) -> String {
    format!(
        "{kind} {}, which must exist, else PodRejected",
        quoted(name)
    )
}

fn wished_nodes(affinity: Option<&Affinity>) -> Vec<String> {
    let Some(nodes) = affinity.and_then(|affinity| affinity.node_affinity.as_ref()) else {
        return Vec::new();
    };
    let mut wished = Vec::new();
    if let Some(required) = &nodes.required_during_scheduling_ignored_during_execution {
        wished.push(match required.node_selector_terms.len() {
            1 => "only those that nodeAffinity requires".to_owned(),
            kinds => format!("only those of one of the {kinds} kinds that nodeAffinity requires"),
        });
    }
    if !nodes
        .preferred_during_scheduling_ignored_during_execution
        .is_empty()
    {
        wished.push("rather those that nodeAffinity prefers".to_owned());
    }
    wished
}

/// As kubectl writes a taint, with what kubectl has no words for.
fn taint(toleration: &Toleration) -> String {
    let Toleration {
        key,
        operator,
        value,
        effect,
        toleration_seconds,
    } = toleration;
    let mut text = match (key, operator) {
        (None, _) => "every taint".to_owned(),
        (Some(key), TolerationOperator::Exists) => shown(key),
        (Some(key), TolerationOperator::Equal) => {
            format!("{}={}", shown(key), shown(value.as_deref().unwrap_or("")))
        }
    };
    if let Some(effect) = effect {
        text = format!("{text}:{}", effect.as_str());
    }
    match toleration_seconds {
        Some(seconds) => format!("{text} for {seconds} s"),
        None => text,
    }
}

fn neighbours(affinity: &Affinity) -> Vec<String> {
    let mut wished = Vec::new();
    for (pods, must, rather) in [
        (&affinity.pod_affinity, "must share", "rather shares"),
        (
            &affinity.pod_anti_affinity,
            "never shares",
            "rather does not share",
        ),
    ] {
        let Some(pods) = pods else { continue };
        let PodAffinity {
            required_during_scheduling_ignored_during_execution: required,
            preferred_during_scheduling_ignored_during_execution: preferred,
        } = pods;
        let terms = required.iter().map(|term| (must, term));
        let wishes = preferred.iter().map(|one| (rather, &one.pod_affinity_term));
        for (verb, term) in terms.chain(wishes) {
            wished.push(format!(
                "{verb} its {} with {}",
                shown(&term.topology_key),
                pods_of(term.label_selector.as_ref())
            ));
        }
    }
    wished
}

fn pods_of(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else {
        return "sessions of this Game".to_owned();
    };
    let mut words: Vec<String> = selector
        .match_labels
        .iter()
        .map(|(key, value)| format!("{}={}", shown(key), shown(value)))
        .collect();
    let expressions = selector.match_expressions.iter();
    words.extend(expressions.map(|one| format!("{} as matchExpressions says", shown(&one.key))));
    match words.is_empty() {
        true => "every Pod of its namespace".to_owned(),
        false => format!("Pods with {}", words.join(", ")),
    }
}

fn spread_over(constraint: &TopologySpreadConstraint) -> String {
    let TopologySpreadConstraint {
        max_skew,
        topology_key,
        when_unsatisfiable,
        label_selector,
    } = constraint;
    format!(
        "spread over {}: at most {max_skew} more of {} than in the emptiest, {}",
        shown(topology_key),
        pods_of(label_selector.as_ref()),
        match when_unsatisfiable {
            WhenUnsatisfiable::DoNotSchedule => "else it waits",
            WhenUnsatisfiable::ScheduleAnyway => "where that can be",
        }
    )
}

/// What of the fields for clusters is worth a thought.
pub(super) fn think(spec: &GameSpec) -> Vec<String> {
    let mut think = Vec::new();
    if !spec.runtimes.contains(&RuntimeKind::Pod) {
        let idle = for_clusters(spec);
        if !idle.is_empty() {
            think.push(format!(
                "runtimes has no Pod: {} will do nothing",
                idle.join(", ")
            ));
        }
        return think;
    }
    match spec.exposure {
        Some(Exposure::LoadBalancer) => think.push(
            "exposure is LoadBalancer: every session takes an address of its own, and on a cluster that gives none no session is ever Ready".to_owned(),
        ),
        Some(Exposure::None) => think.push(
            "exposure is None: who is outside the cluster's network cannot connect to a Pod".to_owned(),
        ),
        Some(Exposure::HostPort | Exposure::NodePort) | None => {}
    }
    if spec.tolerations.iter().any(stays_on_the_dead) {
        think.push(
            "a toleration bears node.kubernetes.io/unreachable without an end: a session whose node died is not moved; set tolerationSeconds".to_owned(),
        );
    }
    let alone = spec
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.pod_anti_affinity.as_ref())
        .is_some_and(|away| {
            away.required_during_scheduling_ignored_during_execution
                .iter()
                .any(of_itself)
        });
    if alone {
        think.push(
            "podAntiAffinity keeps the Game's sessions apart: one more than there are places waits with Unschedulable".to_owned(),
        );
    }
    if spec.image_pull_policy == ImagePullPolicy::Never {
        think.push(
            "imagePullPolicy is Never: on a cluster every node must have the image already"
                .to_owned(),
        );
    }
    think
}

/// Names of the fields that only a cluster reads, where they are set.
fn for_clusters(spec: &GameSpec) -> Vec<&'static str> {
    [
        ("exposure", spec.exposure.is_some()),
        ("nodeSelector", !spec.node_selector.is_empty()),
        ("tolerations", !spec.tolerations.is_empty()),
        ("affinity", spec.affinity.is_some()),
        (
            "topologySpreadConstraints",
            !spec.topology_spread_constraints.is_empty(),
        ),
        ("priorityClassName", spec.priority_class_name.is_some()),
        ("runtimeClassName", spec.runtime_class_name.is_some()),
        ("imagePullSecrets", !spec.image_pull_secrets.is_empty()),
        ("hostUsers", spec.host_users.is_some()),
        ("storageClassName", spec.storage_class_name.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_set)| is_set.then_some(name))
    .collect()
}

/// Kubernetes moves a Pod from a node that is gone by this taint.
fn stays_on_the_dead(toleration: &Toleration) -> bool {
    let key = toleration.key.as_deref();
    key.is_none_or(|key| key == "node.kubernetes.io/unreachable")
        && toleration
            .effect
            .is_none_or(|effect| effect == TaintEffect::NoExecute)
        && toleration.toleration_seconds.is_none()
}

fn of_itself(term: &PodTerm) -> bool {
    term.label_selector.is_none()
}

#[cfg(test)]
mod tests;
