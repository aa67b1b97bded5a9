//! Which nodes and which neighbours the Pods of a Game want: Kubernetes' own fields and words, those of them that suit a game.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Wishes for nodes and neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Affinity {
    /// Nodes by their labels. Default: none; any node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<NodeAffinity>,

    /// Near Pods like these. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_affinity: Option<PodAffinity>,

    /// Away from Pods like these. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_anti_affinity: Option<PodAffinity>,
}

/// Nodes by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeAffinity {
    /// What a node must be. Default: none; any node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_during_scheduling_ignored_during_execution: Option<NodeSelector>,

    /// What a node rather is; the one with the most weight wins. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub preferred_during_scheduling_ignored_during_execution: Vec<PreferredNode>,
}

/// Kinds of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelector {
    /// Kinds of nodes: one of them is enough.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub node_selector_terms: Vec<NodeTerm>,
}

/// One kind of node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeTerm {
    /// What the node's labels are: all of it.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub match_expressions: Vec<NodeRequirement>,
}

/// A kind of node, and how much it is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct PreferredNode {
    /// How much: a node gets the sum over all that it is.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i32,

    /// The kind of node.
    pub preference: NodeTerm,
}

/// What one label of a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.operator in ['In', 'NotIn'] ? (has(self.values) && size(self.values) > 0) : (self.operator in ['Gt', 'Lt'] ? (has(self.values) && size(self.values) == 1) : (!has(self.values) || size(self.values) == 0))")
    .message("In and NotIn need values, Gt and Lt exactly one, Exists and DoesNotExist none"))]
pub struct NodeRequirement {
    /// Key of the label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,

    /// How the label is compared with values.
    pub operator: NodeOperator,

    /// Values of the label; for Gt and Lt one whole number. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub values: Vec<String>,
}

/// How a node's label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum NodeOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
}

/// Pods of the session's namespace that are wanted as neighbours, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodAffinity {
    /// What must be so. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub required_during_scheduling_ignored_during_execution: Vec<PodTerm>,

    /// What rather is so; the place with the most weight wins. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub preferred_during_scheduling_ignored_during_execution: Vec<PreferredPods>,
}

/// Neighbours, and how much they are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreferredPods {
    /// How much: a place gets the sum over all that it has.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i32,

    /// The neighbours.
    pub pod_affinity_term: PodTerm,
}

/// Neighbours: which Pods, and how near.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTerm {
    /// Pods by their labels. Default: none; the Pods of this Game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,

    /// Label of nodes of which a place has one value: kubernetes.io/hostname, topology.kubernetes.io/zone.
    #[schemars(length(min = 1, max = 317))]
    pub topology_key: String,
}

/// Pods by their labels: all of what is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels with their values. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub match_labels: BTreeMap<String, String>,

    /// What else the labels are. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub match_expressions: Vec<LabelRequirement>,
}

/// What one label of a Pod is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.operator in ['In', 'NotIn'] ? (has(self.values) && size(self.values) > 0) : (!has(self.values) || size(self.values) == 0)")
    .message("In and NotIn need values, Exists and DoesNotExist none"))]
pub struct LabelRequirement {
    /// Key of the label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,

    /// How the label is compared with values.
    pub operator: LabelOperator,

    /// Values of the label. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub values: Vec<String>,
}

/// How a Pod's label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum LabelOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// How evenly Pods are spread over places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologySpreadConstraint {
    /// How many more Pods than the emptiest place one may have.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_skew: i32,

    /// Label of nodes of which a place has one value: kubernetes.io/hostname, topology.kubernetes.io/zone.
    #[schemars(length(min = 1, max = 317))]
    pub topology_key: String,

    /// What becomes of a Pod for which this cannot be kept: DoNotSchedule lets it wait, ScheduleAnyway takes the place that
    /// comes nearest.
    pub when_unsatisfiable: WhenUnsatisfiable,

    /// Pods that are counted, by their labels. Default: none; the Pods of this Game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
}

/// What becomes of a Pod for which a spread cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum WhenUnsatisfiable {
    DoNotSchedule,
    ScheduleAnyway,
}

impl Affinity {
    /// Every selector of Pods that is not said.
    pub fn unsaid(&mut self) -> impl Iterator<Item = &mut Option<LabelSelector>> {
        let both = self.pod_affinity.iter_mut();
        both.chain(&mut self.pod_anti_affinity).flat_map(|pods| {
            let required = pods
                .required_during_scheduling_ignored_during_execution
                .iter_mut();
            let preferred = pods
                .preferred_during_scheduling_ignored_during_execution
                .iter_mut()
                .map(|preferred| &mut preferred.pod_affinity_term);
            let terms = required.chain(preferred);
            terms
                .map(|term| &mut term.label_selector)
                .filter(|selector| selector.is_none())
        })
    }
}
