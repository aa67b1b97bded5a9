//! What is asked of both servers: requests that refer to what each of them answered before.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::mutations::{self, Mutation};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KindName {
    Game,
    Session,
}

impl KindName {
    pub fn plural(self) -> &'static str {
        match self {
            KindName::Game => "games",
            KindName::Session => "gamesessions",
        }
    }
}

/// A version or uid, as each side knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Left out.
    None,
    /// What the object has now.
    Right,
    /// What it, or a former one of its name, had first.
    First,
    /// Nobody ever had it.
    Wrong,
    Empty,
}

#[derive(Clone, Debug)]
pub enum Operation {
    Create {
        kind: KindName,
        name: &'static str,
        mutations: Vec<Mutation>,
        finalizer: bool,
        meta: Value,
    },
    Get {
        kind: KindName,
        name: &'static str,
    },
    List {
        kind: KindName,
        limit: Option<u32>,
        /// All pages by the tokens of each side.
        follow: bool,
        labels: &'static str,
        fields: &'static str,
    },
    Patch {
        kind: KindName,
        name: &'static str,
        status: bool,
        apply: bool,
        patch: Value,
        version: Reference,
        uid: Reference,
    },
    Put {
        kind: KindName,
        name: &'static str,
        status: bool,
        mutations: Vec<Mutation>,
        version: Reference,
        uid: Reference,
    },
    Delete {
        kind: KindName,
        name: &'static str,
        version: Reference,
        uid: Reference,
    },
}

impl Operation {
    pub fn verb(&self) -> &'static str {
        match self {
            Operation::Create { .. } => "create",
            Operation::Get { .. } => "get",
            Operation::List { .. } => "list",
            Operation::Patch { status: true, .. } => "patch status",
            Operation::Patch { .. } => "patch",
            Operation::Put { status: true, .. } => "put status",
            Operation::Put { .. } => "put",
            Operation::Delete { .. } => "delete",
        }
    }
}

/// One watch, from a version that was seen in the sequence, with selectors.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    pub kind: KindName,
    /// How far back, as a share of the changes of the sequence.
    pub from: f64,
    pub labels: &'static str,
    pub fields: &'static str,
}

/// The watches that end each sequence.
pub fn watches() -> Vec<Watch> {
    let watch = |kind, from, labels, fields| Watch {
        kind,
        from,
        labels,
        fields,
    };
    vec![
        watch(KindName::Session, 0.0, "", ""),
        watch(KindName::Session, 0.5, "", ""),
        watch(KindName::Session, 0.0, "colour=red", ""),
        watch(KindName::Session, 0.0, "", "status.phase=Running"),
        watch(KindName::Game, 0.0, "", ""),
        watch(KindName::Game, 0.5, "colour", ""),
    ]
}

static SCHEMAS: LazyLock<Vec<(KindName, Value)>> = LazyLock::new(|| {
    let definitions = super::apiserver::definitions();
    let schema = |kind: &str| {
        let found = definitions
            .iter()
            .find(|d| d["spec"]["names"]["kind"] == kind)
            .expect("both kinds");
        found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"].clone()
    };
    vec![
        (KindName::Game, schema("Game")),
        (KindName::Session, schema("GameSession")),
    ]
});

static SPECS: LazyLock<[Vec<Mutation>; 2]> = LazyLock::new(|| {
    [&SCHEMAS[0].1, &SCHEMAS[1].1].map(|schema| mutations::all(&schema["spec"], "/spec"))
});
static STATUSES: LazyLock<Vec<Mutation>> =
    LazyLock::new(|| mutations::all(&SCHEMAS[1].1["status"], "/status"));

fn spec_mutation(kind: KindName) -> impl Strategy<Value = Mutation> {
    any::<Index>().prop_map(move |index| index.get(&SPECS[kind as usize]).clone())
}

fn mutation(kind: KindName, status: bool) -> BoxedStrategy<Mutation> {
    if status {
        any::<Index>()
            .prop_map(|index| index.get(&STATUSES).clone())
            .boxed()
    } else {
        spec_mutation(kind).boxed()
    }
}

fn kind() -> impl Strategy<Value = KindName> {
    prop_oneof![1 => Just(KindName::Game), 3 => Just(KindName::Session)]
}

/// A kind, and whether its status is meant; Games have none.
fn place() -> impl Strategy<Value = (KindName, bool)> {
    prop_oneof![
        1 => Just((KindName::Game, true)),
        5 => Just((KindName::Game, false)),
        8 => Just((KindName::Session, false)),
        8 => Just((KindName::Session, true)),
    ]
}

fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b"])
}

fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![
        4 => Just(Reference::None),
        3 => Just(Reference::Right),
        1 => Just(Reference::First),
        1 => Just(Reference::Wrong),
        1 => Just(Reference::Empty),
    ]
}

/// Changes of metadata, as a merge patch.
fn metadata() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"labels": {"colour": "red"}}),
        json!({"labels": {"colour": "blue"}}),
        json!({"labels": {"colour": null}}),
        json!({"annotations": {"dillinger.dev/abandon-engine": "e"}}),
        json!({"finalizers": ["dillinger.dev/container"]}),
        json!({"finalizers": ["dillinger.dev/container", "example.org/other"]}),
        json!({"finalizers": null}),
        json!({"finalizers": []}),
        json!({"generation": 7}),
        json!({"creationTimestamp": null}),
        json!({"deletionTimestamp": "2026-11-23T12:00:00Z"}),
        json!({"unknown": "x"}),
    ])
}

/// Good patches as the controller and users send them, and every single field's values.
fn patch(kind: KindName, status: bool) -> BoxedStrategy<Value> {
    let good = if status {
        let time = "2026-11-23T12:00:00Z";
        select(vec![
            json!({"status": mutations::base_status()}),
            json!({"status": {"phase": "Running"}}),
            json!({"status": {"phase": "Stopped", "container": null, "endpoints": null}}),
            json!({"status": {"finishTime": time}}),
            json!({"status": {"finishTime": "2026-11-23T13:00:00Z"}}),
            json!({"status": {"finishTime": null}}),
            json!({"status": null}),
            json!({"spec": {"desiredState": "Stopped"}, "status": {"attempt": 1}}),
        ])
        .boxed()
    } else {
        select(match kind {
            KindName::Session => vec![
                json!({"spec": {"desiredState": "Stopped"}}),
                json!({"spec": {"desiredState": "Running"}}),
                json!({"spec": {"activeDeadlineSeconds": 60}}),
                json!({"spec": {"activeDeadlineSeconds": null}}),
                json!({"spec": {"parameters": null}}),
                json!({"spec": {"user": "bob"}}),
                json!({"status": {"phase": "Nonsense"}}),
                json!({"spec": null}),
            ],
            KindName::Game => vec![
                json!({"spec": {"title": "Another"}}),
                json!({"spec": {"image": "example:2"}}),
                json!({"spec": {"ports": [{"name": "game", "containerPort": 1, "protocol": "UDP"}]}}),
                json!({"spec": {"readiness": {"tcpSocket": null, "log": {"pattern": "ready"}}}}),
                json!({"spec": {"readiness": {"log": {"pattern": "ready"}}}}),
                json!({"spec": {"resources": null}}),
            ],
        })
        .boxed()
    };
    let single = mutation(kind, status).prop_map(|mutation| {
        let value = mutation.value.unwrap_or(Value::Null);
        let path = mutation
            .at
            .trim_start_matches('/')
            .split('/')
            .collect::<Vec<_>>();
        path.iter().rev().fold(value, |inner, key| match *key {
            "0" => json!([inner]),
            key => json!({ key: inner }),
        })
    });
    prop_oneof![2 => good, 2 => single, 1 => Just(json!({}))].boxed()
}

pub fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => create(),
        1 => (kind(), name()).prop_map(|(kind, name)| Operation::Get { kind, name }),
        1 => list(),
        8 => patched(),
        2 => put(),
        2 => (kind(), name(), reference(), reference())
            .prop_map(|(kind, name, version, uid)| Operation::Delete { kind, name, version, uid }),
    ]
}

fn create() -> impl Strategy<Value = Operation> {
    let meta = select(vec![
        json!({}),
        json!({}),
        json!({}),
        json!({"labels": {"colour": "red"}}),
        json!({"resourceVersion": "5"}),
        json!({"namespace": "elsewhere"}),
        json!({"name": "Not_A_Name"}),
        json!({"name": "a.b"}),
        json!({"name": ""}),
        json!({"uid": "x", "generation": 9, "deletionTimestamp": "2026-11-23T12:00:00Z"}),
    ]);
    kind().prop_flat_map(move |kind| {
        let mutations = prop_oneof![
            6 => Just(Vec::new()),
            3 => prop::collection::vec(spec_mutation(kind), 1..3),
        ];
        (name(), mutations, any::<bool>(), meta.clone()).prop_map(
            move |(name, mutations, finalizer, meta)| Operation::Create {
                kind,
                name,
                mutations,
                finalizer,
                meta,
            },
        )
    })
}

fn list() -> impl Strategy<Value = Operation> {
    let labels = select(vec![
        "",
        "",
        "colour=red",
        "colour",
        "!colour",
        "colour!=red",
    ]);
    let fields = select(vec![
        "",
        "",
        "metadata.name=a",
        "spec.user=alice",
        "status.phase=Running",
        "spec.nonsense=1",
    ]);
    (
        kind(),
        prop::option::of(1u32..3),
        any::<bool>(),
        labels,
        fields,
    )
        .prop_map(|(kind, limit, follow, labels, fields)| Operation::List {
            kind,
            limit,
            follow,
            labels,
            fields,
        })
}

fn patched() -> impl Strategy<Value = Operation> {
    let merge = place().prop_flat_map(|(kind, status)| {
        (
            name(),
            patch(kind, status),
            metadata(),
            reference(),
            reference(),
        )
            .prop_map(move |(name, mut patch, metadata, version, uid)| {
                if patch.is_object() && metadata != json!({}) {
                    patch["metadata"] = metadata;
                }
                let apply = false;
                Operation::Patch {
                    kind,
                    name,
                    status,
                    apply,
                    patch,
                    version,
                    uid,
                }
            })
    });
    prop_oneof![9 => merge, 1 => applied()]
}

/// Server-side apply as one manager would use it: well-formed, and never leaving out what it applied before.
fn applied() -> impl Strategy<Value = Operation> {
    let patch = select(vec![
        (KindName::Game, false, mutations::base(KindName::Game)),
        (KindName::Session, false, mutations::base(KindName::Session)),
        (
            KindName::Session,
            true,
            json!({"status": mutations::base_status()}),
        ),
    ]);
    (name(), patch).prop_map(|(name, (kind, status, patch))| Operation::Patch {
        kind,
        name,
        status,
        apply: true,
        patch,
        version: Reference::None,
        uid: Reference::None,
    })
}

fn put() -> impl Strategy<Value = Operation> {
    place().prop_flat_map(|(kind, status)| {
        let mutations = prop::collection::vec(mutation(kind, status), 0..2);
        (name(), mutations, reference(), reference()).prop_map(
            move |(name, mutations, version, uid)| Operation::Put {
                kind,
                name,
                status,
                mutations,
                version,
                uid,
            },
        )
    })
}
