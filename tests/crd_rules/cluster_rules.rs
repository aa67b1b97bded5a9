//! The rules of a Game's fields for clusters.

use serde_json::{Value, json};

use crate::rule_table::Rule;
use crate::server::Kind;

/// Where a label of a node is required, as path and as JSON pointer.
const NODE_REQUIREMENTS: [(&str, &str); 2] = [
    (
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[].matchExpressions[]",
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchExpressions/0",
    ),
    (
        "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[].preference.matchExpressions[]",
        "/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/preference/matchExpressions/0",
    ),
];

/// Where a label of a Pod is.
const LABEL_REQUIREMENTS: [(&str, &str); 5] = [
    (
        "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[].labelSelector.matchExpressions[]",
        "/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/labelSelector/matchExpressions/0",
    ),
    (
        "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm.labelSelector.matchExpressions[]",
        "/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/podAffinityTerm/labelSelector/matchExpressions/0",
    ),
    (
        "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[].labelSelector.matchExpressions[]",
        "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/labelSelector/matchExpressions/0",
    ),
    (
        "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm.labelSelector.matchExpressions[]",
        "/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/podAffinityTerm/labelSelector/matchExpressions/0",
    ),
    (
        "spec.topologySpreadConstraints[].labelSelector.matchExpressions[]",
        "/spec/topologySpreadConstraints/0/labelSelector/matchExpressions/0",
    ),
];

fn one(at: &'static str, value: Value) -> Vec<(&'static str, Value)> {
    vec![(at, value)]
}

fn requirement(operator: &str, values: &[&str]) -> Value {
    match values {
        [] => json!({"key": "a", "operator": operator}),
        values => json!({"key": "a", "operator": operator, "values": values}),
    }
}

/// At one place, with each of these requirements.
fn each(at: &'static str, requirements: &[(&str, &[&str])]) -> Vec<Vec<(&'static str, Value)>> {
    let made = requirements.iter();
    made.map(|(operator, values)| one(at, requirement(operator, values)))
        .collect()
}

pub fn rules() -> Vec<Rule> {
    let exposed = |exposure: &str, port: Value| {
        vec![
            ("/spec/exposure", json!(exposure)),
            ("/spec/ports", json!([port])),
        ]
    };
    let any = json!({"name": "last", "containerPort": 8305, "protocol": "TCP"});
    let same = json!({"name": "last", "portPolicy": "Passthrough", "protocol": "TCP"});
    let others = ["NodePort", "LoadBalancer", "None"];
    let mut rules = vec![
        Rule {
            kind: Kind::Game,
            path: "spec",
            message: "exposure other than HostPort needs portPolicy Dynamic for every port",
            accepted: others.map(|word| exposed(word, any.clone())).to_vec(),
            refused: others
                .map(|word| one("/spec/exposure", json!(word)))
                .into_iter()
                .chain(others.map(|word| exposed(word, same.clone())))
                .collect(),
        },
        Rule {
            kind: Kind::Game,
            path: "spec.tolerations[]",
            message: "value goes with operator Equal, and only with it",
            accepted: vec![one(
                "/spec/tolerations/0",
                json!({"key": "a", "operator": "Equal", "value": "b"}),
            )],
            refused: vec![one(
                "/spec/tolerations/0",
                json!({"key": "a", "operator": "Exists", "value": "b"}),
            )],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.tolerations[]",
            message: "key is required, except with operator Exists, which then bears every taint",
            accepted: vec![
                one("/spec/tolerations/0", json!({"operator": "Exists"})),
                one("/spec/tolerations/0", json!({"key": "a"})),
            ],
            refused: vec![
                one("/spec/tolerations/0", json!({})),
                one("/spec/tolerations/0", json!({"value": "b"})),
            ],
        },
        Rule {
            kind: Kind::Game,
            path: "spec.tolerations[]",
            message: "tolerationSeconds goes with effect NoExecute, and only with it",
            accepted: vec![one(
                "/spec/tolerations/0",
                json!({"key": "a", "effect": "NoExecute", "tolerationSeconds": 0}),
            )],
            refused: vec![
                one(
                    "/spec/tolerations/0",
                    json!({"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}),
                ),
                one(
                    "/spec/tolerations/0",
                    json!({"key": "a", "tolerationSeconds": 1}),
                ),
            ],
        },
    ];
    for (path, at) in NODE_REQUIREMENTS {
        rules.push(Rule {
            kind: Kind::Game,
            path,
            message: "In and NotIn need values, Gt and Lt exactly one, Exists and DoesNotExist none",
            accepted: each(
                at,
                &[
                    ("In", &["b", "c"]),
                    ("NotIn", &["b"]),
                    ("Gt", &["1"]),
                    ("Lt", &["1"]),
                    ("Exists", &[]),
                    ("DoesNotExist", &[]),
                ],
            ),
            refused: each(
                at,
                &[
                    ("In", &[]),
                    ("NotIn", &[]),
                    ("Gt", &[]),
                    ("Lt", &["1", "2"]),
                    ("Exists", &["b"]),
                    ("DoesNotExist", &["b"]),
                ],
            ),
        });
    }
    for (path, at) in LABEL_REQUIREMENTS {
        rules.push(Rule {
            kind: Kind::Game,
            path,
            message: "In and NotIn need values, Exists and DoesNotExist none",
            accepted: each(
                at,
                &[
                    ("In", &["b", "c"]),
                    ("NotIn", &["b"]),
                    ("Exists", &[]),
                    ("DoesNotExist", &[]),
                ],
            ),
            refused: each(
                at,
                &[
                    ("In", &[]),
                    ("NotIn", &[]),
                    ("Exists", &["b"]),
                    ("DoesNotExist", &["b"]),
                ],
            ),
        });
    }
    rules
}
