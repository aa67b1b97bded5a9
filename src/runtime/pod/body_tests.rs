//! The Pod that a contract becomes.

use serde_json::{Value, json};

use super::*;
use crate::session::container::{self, Volume as Storage};
use crate::session::contract::tests::{resolved, surroundings};
use crate::session::ports::ChosenPorts;

fn key() -> SessionKey {
    SessionKey {
        namespace: "arcade".to_owned(),
        name: "friday".to_owned(),
        uid: "u-1".to_owned(),
        container_name: container::name("friday", "u-1"),
    }
}

/// The spec of attempt 3, with the ports numbered from 7000 in the Game's order.
fn spec(session: Value, game: Value) -> ContainerSpec {
    let contract = resolved(session, game).expect("a contract");
    let (o, engine) = surroundings(&contract);
    let names = contract.terms.ports.iter().map(|port| port.name.clone());
    let ports = ChosenPorts(names.zip(7000..).collect());
    container::spec(&o, &contract, &ports, &engine, 3)
}

fn made(session: Value, game: Value) -> Pod {
    pod(&spec(session, game), &key(), Exposure::HostPort)
}

fn inner(pod: &Pod) -> (&PodSpec, &Container) {
    let spec = pod.spec.as_ref().expect("a spec");
    (spec, &spec.containers[0])
}

#[test]
fn a_pod_is_its_sessions_and_goes_with_it() {
    let pod = made(json!({}), json!({}));
    assert_eq!(pod.metadata.name.as_deref(), Some("friday-a24a7f55f2"));
    assert_eq!(pod.metadata.namespace.as_deref(), Some("arcade"));
    let owners = pod.metadata.owner_references.expect("an owner");
    let owner = &owners[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str(), owner.uid.as_str()),
        ("GameSession", "friday", "u-1")
    );
    assert_eq!(owner.api_version, "dillinger.dev/v1alpha1");
    assert_eq!(
        (owner.controller, owner.block_owner_deletion),
        (Some(true), None)
    );
}

#[test]
fn no_pod_gets_a_privilege_a_token_or_a_service_link() {
    let pod = made(json!({}), json!({}));
    let (spec, game) = inner(&pod);
    assert_eq!(spec.automount_service_account_token, Some(false));
    assert_eq!(spec.enable_service_links, Some(false));
    assert_eq!(spec.restart_policy.as_deref(), Some("Never"));
    assert_eq!(
        (spec.host_network, spec.host_pid, spec.host_ipc),
        (None, None, None)
    );
    let security = spec.security_context.as_ref().expect("a security context");
    assert_eq!(security.run_as_non_root, Some(true));
    assert_eq!(security.run_as_user, Some(1000));
    assert_eq!(security.fs_group, Some(1000));
    assert_eq!(
        security.seccomp_profile.as_ref().map(|p| p.type_.as_str()),
        Some("RuntimeDefault")
    );
    let own = game.security_context.as_ref().expect("a security context");
    assert_eq!(own.allow_privilege_escalation, Some(false));
    assert_eq!(own.privileged, Some(false));
    assert_eq!(own.read_only_root_filesystem, Some(true));
    let capabilities = own.capabilities.as_ref().expect("capabilities");
    assert_eq!(capabilities.drop, Some(vec!["ALL".to_owned()]));
    assert_eq!(capabilities.add, None);
}

#[test]
fn free_text_is_hashed_in_labels_and_whole_in_annotations() {
    let pod = made(json!({"user": "Alice Ä. <alice@example.org>"}), json!({}));
    let labels = pod.metadata.labels.expect("labels");
    let annotations = pod.metadata.annotations.expect("annotations");
    let user = &labels["dillinger.user-id"];
    assert_eq!(user.len(), 16);
    assert!(user.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(
        annotations["dillinger.user-id"],
        "Alice Ä. <alice@example.org>"
    );
    assert_eq!(labels["dillinger.session-id"], "friday");
    assert_eq!(labels["dillinger.dev/attempt"], "3");
    for key in ["dillinger.dev/contract", "dillinger.created"] {
        assert!(
            !labels.contains_key(key) && annotations.contains_key(key),
            "{key}"
        );
    }
}

#[test]
fn what_was_expanded_once_is_not_expanded_again_by_the_kubelet() {
    for (text, written) in [
        ("plain", "plain"),
        ("$(HOME)", "$$(HOME)"),
        ("a$b", "a$$b"),
        ("$$(x)", "$$$$(x)"),
        ("ends with $", "ends with $$"),
    ] {
        assert_eq!(plain(text), written);
    }
    // In a Game $$( is a plain $(.
    let pod = made(json!({}), json!({"args": ["--home=$$(HOME)"]}));
    let (_, game) = inner(&pod);
    assert_eq!(game.args, Some(vec!["--home=$$(HOME)".to_owned()]));
}

#[test]
fn every_port_is_published_on_the_node_and_named_for_later() {
    let pod = made(
        json!({}),
        json!({"ports": [
            {"name": "game", "containerPort": 8303, "protocol": "TCPUDP"},
            {"name": "own", "portPolicy": "Passthrough", "protocol": "UDP"},
        ]}),
    );
    let (_, game) = inner(&pod);
    let ports: Vec<_> = game
        .ports
        .iter()
        .flatten()
        .map(|p| {
            (
                p.container_port,
                p.host_port,
                p.protocol.as_deref(),
                p.name.is_some(),
            )
        })
        .collect();
    assert_eq!(
        ports,
        [
            (8303, Some(7000), Some("TCP"), false),
            (8303, Some(7000), Some("UDP"), false),
            (7001, Some(7001), Some("UDP"), false),
        ]
    );
    let annotations = pod.metadata.annotations.as_ref().expect("annotations");
    assert_eq!(annotations[PORTS], "game=7000,own=7001");
}

#[test]
fn storage_is_a_claim_of_the_session_and_scratch_is_memory() {
    let game = json!({
        "storage": [{"name": "world", "mountPath": "/data", "size": "2Gi"}],
        "scratch": [{"mountPath": "/tmp", "sizeLimit": "1Mi"}],
        "storageClassName": "fast",
    });
    let spec = spec(json!({}), game);
    let pod = pod(&spec, &key(), Exposure::HostPort);
    let (inside, container) = inner(&pod);
    let volumes = inside.volumes.as_ref().expect("volumes");
    let storage = volumes[0]
        .persistent_volume_claim
        .as_ref()
        .expect("a claim");
    assert_eq!(storage.claim_name, "friday-a24a7f55f2-world");
    let memory = volumes[1].empty_dir.as_ref().expect("an empty folder");
    assert_eq!(memory.medium.as_deref(), Some("Memory"));
    assert_eq!(memory.size_limit, Some(Quantity("1048576".to_owned())));
    let mounts: Vec<_> = container
        .volume_mounts
        .iter()
        .flatten()
        .map(|m| (m.name.as_str(), m.mount_path.as_str()))
        .collect();
    assert_eq!(mounts, [("storage-world", "/data"), ("scratch-0", "/tmp")]);

    let storage: &Storage = &spec.volumes[0];
    let claim = claim(storage, &key());
    assert_eq!(
        claim.metadata.owner_references.expect("an owner")[0].uid,
        "u-1"
    );
    let wanted = claim.spec.expect("a spec");
    assert_eq!(wanted.storage_class_name.as_deref(), Some("fast"));
    let size = &wanted
        .resources
        .expect("resources")
        .requests
        .expect("requests")["storage"];
    assert_eq!(size.0, (2_u64 << 30).to_string());
}

#[test]
fn a_grace_of_nothing_is_a_second_since_none_is_a_forced_deletion() {
    assert_eq!((grace(0), grace(30)), (1, 30));
    let pod = made(json!({}), json!({"terminationGracePeriodSeconds": 0}));
    assert_eq!(inner(&pod).0.termination_grace_period_seconds, Some(1));
}

#[test]
fn a_game_gets_what_its_session_asked_for_and_no_less() {
    let pod = made(json!({}), json!({}));
    let resources = inner(&pod).1.resources.as_ref().expect("resources");
    assert_eq!(resources.limits, resources.requests);
    let limits = resources.limits.as_ref().expect("limits");
    assert_eq!(limits["cpu"].0, "1000m");
    assert_eq!(limits["memory"].0, (512 << 20).to_string());
}

#[test]
fn the_games_wishes_for_a_node_are_passed_on() {
    let pod = made(
        json!({}),
        json!({
            "nodeSelector": {"pool": "games"},
            "tolerations": [{"key": "games", "operator": "Exists", "effect": "NoSchedule"}],
            "priorityClassName": "players",
            "runtimeClassName": "gvisor",
            "imagePullSecrets": [{"name": "registry"}],
            "hostUsers": false,
            "imagePullPolicy": "Never",
        }),
    );
    let (spec, game) = inner(&pod);
    assert_eq!(
        spec.node_selector.as_ref().expect("as it was wished")["pool"],
        "games"
    );
    let toleration = &spec.tolerations.as_ref().expect("as it was wished")[0];
    assert_eq!(
        (toleration.operator.as_deref(), toleration.effect.as_deref()),
        (Some("Exists"), Some("NoSchedule"))
    );
    assert_eq!(spec.priority_class_name.as_deref(), Some("players"));
    assert_eq!(spec.runtime_class_name.as_deref(), Some("gvisor"));
    assert_eq!(
        spec.image_pull_secrets.as_ref().expect("as it was wished")[0].name,
        "registry"
    );
    assert_eq!(spec.host_users, Some(false));
    assert_eq!(game.image_pull_policy.as_deref(), Some("Never"));
}

#[test]
fn without_an_init_of_its_own_the_game_is_the_first_process() {
    let shared = |game| inner(&made(json!({}), game)).0.share_process_namespace;
    assert_eq!(shared(json!({})), Some(true));
    assert_eq!(shared(json!({"initProcess": false})), None);
}

#[test]
fn a_pod_that_is_not_exposed_on_its_node_takes_no_port_of_it() {
    for exposure in [Exposure::NodePort, Exposure::LoadBalancer, Exposure::None] {
        let pod = pod(&spec(json!({}), json!({})), &key(), exposure);
        let (_, game) = inner(&pod);
        let mut ports = game.ports.iter().flatten();
        assert!(ports.all(|port| port.host_port.is_none()), "{exposure:?}");
        let annotations = pod.metadata.annotations.as_ref().expect("annotations");
        assert!(annotations[PORTS].ends_with("=7000"));
        assert_eq!(annotations[EXPOSURE], exposure.as_str());
    }
}
