//! Games for clusters, and what is said of them.

use serde_json::{Value, json};

use super::super::{Explanation, explain};
use super::rules;

fn explained(more: Value) -> Explanation {
    let mut spec = json!({
        "image": "example/chess:1",
        "ports": [{"name": "game", "containerPort": 4000, "protocol": "TCP"}],
        "readiness": {"log": {"pattern": "ready"}},
        "storage": [{"name": "data", "mountPath": "/data"}],
        "maxActiveDeadlineSeconds": 600,
    });
    let fields = spec.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    let game = json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": "chess"}, "spec": spec,
    });
    explain(&serde_json::from_value(game).expect("a Game"))
}

/// What is said behind the word; none: nothing.
fn told(more: Value, word: &str) -> Option<String> {
    let explanation = explained(more);
    assert_eq!(explanation.wrong, None);
    let found = explanation
        .on_cluster
        .into_iter()
        .find(|(one, _)| *one == word);
    found.map(|(_, sentence)| sentence)
}

fn is_told(more: Value, word: &str, expected: &str) {
    assert_eq!(told(more, word).as_deref(), Some(expected));
}

#[test]
fn a_game_that_says_nothing_of_clusters_is_told_what_they_do_all_the_same() {
    let words: Vec<&str> = explained(json!({}))
        .on_cluster
        .iter()
        .map(|(word, _)| *word)
        .collect();
    assert_eq!(
        words,
        [
            "reached",
            "reserves",
            "nodes",
            "taints",
            "neighbours",
            "volumes"
        ]
    );
    is_told(
        json!({}),
        "reserves",
        "1 CPU and 512 MiB of its node: as much as it may use",
    );
    is_told(json!({}), "nodes", "any");
    is_told(
        json!({}),
        "neighbours",
        "rather a node that has games already, so that empty ones can be given back",
    );
}

#[test]
fn each_way_to_players_is_told_and_no_two_alike() {
    let ways = [
        (json!({}), "as --pod-exposure of the controller says"),
        (
            json!({"exposure": "HostPort"}),
            "by ports of its node, out of",
        ),
        (
            json!({"exposure": "NodePort"}),
            "one number of --node-port-range",
        ),
        (
            json!({"exposure": "LoadBalancer"}),
            "not Ready before the address is there",
        ),
        (json!({"exposure": "None"}), "at the Pod's own address"),
    ];
    for (more, words) in &ways {
        let said: Vec<bool> = ways
            .iter()
            .map(|(other, _)| {
                told(other.clone(), "reached")
                    .expect("a way")
                    .contains(words)
            })
            .collect();
        assert_eq!(said.iter().filter(|said| **said).count(), 1, "{words}");
        let sentence = told(more.clone(), "reached").expect("a way");
        assert!(sentence.contains(words), "{sentence}");
    }
}

#[test]
fn a_port_that_is_not_dynamic_is_on_its_node_whatever_the_controller_says() {
    let fixed =
        json!({"ports": [{"name": "game", "portPolicy": "Passthrough"}], "args": ["$(PORT_GAME)"]});
    is_told(
        fixed,
        "reached",
        "by ports of its node: a port that is not Dynamic has its number there",
    );
    assert_eq!(told(json!({"ports": []}), "reached"), None);
}

#[test]
fn nodes_and_taints_are_told_by_name() {
    let wished = json!({
        "nodeSelector": {"pool": "games", "zone": "a"},
        "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}]},
                {"matchExpressions": [{"key": "fast", "operator": "Exists"}]},
            ]},
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": {"matchExpressions": [{"key": "ssd", "operator": "Exists"}]}},
            ],
        }},
    });
    is_told(
        wished,
        "nodes",
        "only those with pool=games; only those with zone=a; only those of one of the 2 kinds that nodeAffinity requires; rather those that nodeAffinity prefers",
    );
    let borne = json!({"tolerations": [
        {"key": "pool", "value": "games", "effect": "NoSchedule"},
        {"key": "spot", "operator": "Exists"},
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
    ]});
    is_told(
        borne,
        "taints",
        "borne: pool=games:NoSchedule, spot, node.kubernetes.io/unreachable:NoExecute for 60 s",
    );
    is_told(
        json!({"tolerations": [{"operator": "Exists"}]}),
        "taints",
        "borne: every taint",
    );
}

#[test]
fn neighbours_are_told_by_who_they_are_and_how_near() {
    let wished = json!({
        "affinity": {
            "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {
                    "matchLabels": {"app": "proxy"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}],
                }}},
            ]},
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname"},
                {"topologyKey": "zone", "labelSelector": {}},
            ]},
        },
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
        ],
    });
    is_told(
        wished,
        "neighbours",
        "rather shares its zone with Pods with app=proxy, tier as matchExpressions says; \
         never shares its kubernetes.io/hostname with sessions of this Game; \
         never shares its zone with every Pod of its namespace; \
         spread over zone: at most 1 more of sessions of this Game than in the emptiest, else it waits",
    );
    let spread = json!({"topologySpreadConstraints": [
        {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
    ]});
    is_told(
        spread,
        "neighbours",
        "spread over zone: at most 2 more of sessions of this Game than in the emptiest, where that can be",
    );
    is_told(json!({"affinity": {}}), "neighbours", "none wished for");
}

#[test]
fn what_must_be_there_is_told_by_kind_and_name() {
    is_told(
        json!({"priorityClassName": "players"}),
        "priority",
        "PriorityClass \"players\", which must exist, else PodRejected",
    );
    is_told(
        json!({"runtimeClassName": "gvisor"}),
        "sandbox",
        "RuntimeClass \"gvisor\", which must exist, else PodRejected",
    );
    is_told(
        json!({"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}),
        "credentials",
        "for the image: Secret \"a\", \"b\" of its namespace",
    );
    is_told(
        json!({"hostUsers": false}),
        "user ids",
        "of a user namespace of its own, which the node must be able to",
    );
    is_told(json!({"hostUsers": true}), "user ids", "those of the node");
    is_told(
        json!({"storageClassName": "fast"}),
        "volumes",
        "claims of StorageClass \"fast\"; where that makes none, a session waits with Unschedulable",
    );
    assert_eq!(told(json!({"storage": []}), "volumes"), None);
}

#[test]
fn what_an_api_server_would_refuse_is_wrong_in_its_own_words_and_at_its_place() {
    let near = |wish: &str, expression: Value| {
        json!({"affinity": {wish: {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "zone", "labelSelector": {"matchExpressions": [expression]}},
        ]}}})
    };
    let node = |expression: Value| {
        json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchExpressions": [expression]}},
        ]}}})
    };
    let bears = |one: Value| json!({"tolerations": [{"key": "fine", "operator": "Exists"}, one]});
    let fixed =
        json!([{"name": "game", "containerPort": 1, "portPolicy": "Static", "hostPort": 1}]);
    let spread = json!({"topologySpreadConstraints": [{
        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]},
    }]});
    let mistakes = [
        (
            json!({"exposure": "NodePort", "ports": fixed}),
            "",
            rules::EXPOSURE,
        ),
        (
            bears(json!({"key": "a", "operator": "Exists", "value": "b"})),
            "tolerations[1]: ",
            rules::VALUE,
        ),
        (
            bears(json!({"effect": "NoSchedule"})),
            "tolerations[1]: ",
            rules::KEY,
        ),
        (
            bears(json!({"key": "a", "tolerationSeconds": 5})),
            "tolerations[1]: ",
            rules::SECONDS,
        ),
        (
            node(json!({"key": "a", "operator": "In"})),
            "affinity.nodeAffinity, key \"a\": ",
            rules::NODE,
        ),
        (
            node(json!({"key": "a", "operator": "Gt", "values": ["1", "2"]})),
            "affinity.nodeAffinity, key \"a\": ",
            rules::NODE,
        ),
        (
            node(json!({"key": "a", "operator": "Exists", "values": ["1"]})),
            "affinity.nodeAffinity, key \"a\": ",
            rules::NODE,
        ),
        (
            near("podAffinity", json!({"key": "a", "operator": "NotIn"})),
            "affinity.podAffinity, key \"a\": ",
            rules::LABEL,
        ),
        (
            near(
                "podAntiAffinity",
                json!({"key": "a", "operator": "Exists", "values": ["1"]}),
            ),
            "affinity.podAntiAffinity, key \"a\": ",
            rules::LABEL,
        ),
        (
            spread,
            "topologySpreadConstraints, key \"a\": ",
            rules::LABEL,
        ),
    ];
    let definitions = serde_json::to_string(&crate::api::crds()).expect("JSON");
    for (more, place, words) in mistakes {
        assert_eq!(explained(more).wrong, Some(format!("{place}{words}")));
        assert!(
            definitions.contains(words),
            "{words} is no rule of the definitions"
        );
    }
}

#[test]
fn a_game_for_docker_alone_is_told_nothing_of_clusters_but_that_its_fields_do_nothing() {
    let docker =
        explained(json!({"runtimes": ["Docker"], "exposure": "NodePort", "hostUsers": false}));
    assert!(docker.on_cluster.is_empty(), "{:?}", docker.on_cluster);
    let idle = "runtimes has no Pod: exposure, hostUsers will do nothing".to_owned();
    assert!(docker.think.contains(&idle), "{:?}", docker.think);
    let silent = explained(json!({"runtimes": ["Docker"]})).think;
    assert!(
        !silent.iter().any(|one| one.contains("no Pod")),
        "{silent:?}"
    );
}

#[test]
fn a_game_for_pods_alone_is_told_no_port_of_a_docker_host() {
    let port = |more: Value| {
        let game = explained(more);
        let found = game.does.into_iter().find(|(word, _)| *word == "port");
        found.expect("a port").1
    };
    assert_eq!(
        port(json!({"runtimes": ["Pod"], "exposure": "LoadBalancer"})),
        "game 4000 TCP; this is status.address"
    );
    for more in [
        json!({"runtimes": ["Pod"]}),
        json!({"exposure": "LoadBalancer"}),
    ] {
        assert_eq!(
            port(more),
            "game 4000 TCP, reached at a free number of the controller's range; this is status.address"
        );
    }
}

#[test]
fn traps_of_clusters_are_told_where_they_stand_and_nowhere_else() {
    let away = |term: Value| json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}});
    let bears = |more: Value| json!({"tolerations": [more]});
    for (trap, words) in [
        (
            json!({"exposure": "LoadBalancer"}),
            "no session is ever Ready",
        ),
        (json!({"exposure": "None"}), "cannot connect to a Pod"),
        (
            bears(json!({"operator": "Exists"})),
            "whose node died is not moved",
        ),
        (
            away(json!({"topologyKey": "kubernetes.io/hostname"})),
            "keeps the Game's sessions apart",
        ),
        (
            json!({"imagePullPolicy": "Never"}),
            "every node must have the image",
        ),
    ] {
        let found = explained(trap).think;
        assert!(
            found.iter().any(|one| one.contains(words)),
            "{words}: {found:?}"
        );
        for harmless in [
            json!({"exposure": "NodePort"}),
            bears(json!({"key": "spot", "operator": "Exists", "effect": "NoExecute"})),
            bears(json!({"operator": "Exists", "effect": "NoSchedule"})),
            bears(json!({"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})),
            away(json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "loud"}}})),
        ] {
            let found = explained(harmless).think;
            assert!(
                !found.iter().any(|one| one.contains(words)),
                "{words}: {found:?}"
            );
        }
    }
}
