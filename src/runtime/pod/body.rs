//! ContainerSpec -> Pod and PersistentVolumeClaims: pure, and without a privilege to give.
//!
//! What comes out passes the Pod Security level "restricted", except where a port of the game needs a host port.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, LocalObjectReference,
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimVolumeSource, Pod,
    PodSecurityContext, PodSpec, ResourceRequirements, SeccompProfile, SecurityContext, Toleration,
    Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sha2::{Digest, Sha256};

use super::{placing, probe};
use crate::api::{Exposure, ImagePullPolicy, keys};
use crate::runtime::SessionKey;
use crate::session::container::{ContainerSpec, Published, Scratch, Transport};
use crate::session::contract::Placement;

/// Name of the one container of a Pod.
pub(super) const GAME: &str = "game";

/// Annotation: `name=number,…` of the public ports. The ports of a Pod do not say which of two Passthrough ports
/// is which.
pub(super) const PORTS: &str = "dillinger.dev/ports";

/// Annotation: how the ports reach players, in the Game's word.
pub(super) const EXPOSURE: &str = "dillinger.dev/exposure";

/// Free text, which is no legal value of a label: hashed there, and whole in the annotation of the same key.
const FREE_TEXT: [&str; 2] = [keys::OLD_USER_ID, keys::OLD_GAME_ID];

/// Of no use to a selector, or no legal value of a label in whatever form.
const ANNOTATIONS: [&str; 2] = [keys::CONTRACT, keys::OLD_CREATED];

/// The body of `POST pods`.
pub(super) fn pod(spec: &ContainerSpec, owner: &SessionKey, exposure: Exposure) -> Pod {
    let ContainerSpec {
        name,
        attempt: _,
        labels,
        image,
        command,
        args,
        env,
        user,
        group,
        read_only_root,
        init,
        cpu_millis,
        memory_bytes,
        scratch,
        volumes,
        ports,
        grace_seconds,
        on_cluster,
    } = spec;
    let (kept, mut annotations) = split(labels);
    if !ports.is_empty() {
        annotations.insert(PORTS.to_owned(), port_list(ports));
        annotations.insert(EXPOSURE.to_owned(), exposure.as_str().to_owned());
    }
    let readiness = on_cluster.readiness.as_ref();
    let game = Container {
        name: GAME.to_owned(),
        image: Some(image.clone()),
        image_pull_policy: Some(pull_policy(on_cluster.pull_policy).to_owned()),
        command: escaped(command),
        args: escaped(args),
        env: Some(env.iter().map(variable).collect()),
        ports: some(ports.iter().map(|one| port(one, exposure)).collect()),
        resources: Some(resources(*cpu_millis, *memory_bytes)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            privileged: Some(false),
            read_only_root_filesystem: Some(*read_only_root),
            ..SecurityContext::default()
        }),
        startup_probe: readiness.and_then(|readiness| probe::by_kubelet(readiness, ports)),
        volume_mounts: some(mounts(spec)),
        ..Container::default()
    };
    let storage = volumes.iter().map(|volume| Volume {
        name: volume_name(&volume.name, name),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: volume.name.clone(),
            read_only: None,
        }),
        ..Volume::default()
    });
    let memory = scratch.iter().enumerate().map(in_memory);
    let Placement {
        node_selector,
        tolerations,
        affinity,
        topology_spread_constraints,
        priority_class_name,
        runtime_class_name,
        image_pull_secrets,
        host_users,
        storage_class_name: _,
        exposure: _,
    } = &on_cluster.placement;
    let secrets = image_pull_secrets
        .iter()
        .map(|name| LocalObjectReference { name: name.clone() })
        .collect();
    Pod {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(owner.namespace.clone()),
            owner_references: Some(vec![owned_by(owner)]),
            annotations: Some(annotations),
            labels: Some(kept.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: vec![game],
            restart_policy: Some("Never".to_owned()),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            // The first process of the Pod then is the sandbox's, which collects what is left; the game is none, and a signal
            // that it does not handle ends it.
            share_process_namespace: init.then_some(true),
            termination_grace_period_seconds: Some(grace(*grace_seconds).into()),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(*user),
                run_as_group: Some(*group),
                fs_group: Some(*group),
                fs_group_change_policy: Some("OnRootMismatch".to_owned()),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    localhost_profile: None,
                }),
                ..PodSecurityContext::default()
            }),
            volumes: some(storage.chain(memory).collect()),
            affinity: placing::affinity(affinity.as_ref(), topology_spread_constraints, &kept),
            topology_spread_constraints: placing::spread(topology_spread_constraints, &kept),
            node_selector: Some(node_selector.clone()).filter(|labels| !labels.is_empty()),
            tolerations: some(tolerations.iter().map(toleration).collect()),
            priority_class_name: priority_class_name.clone(),
            runtime_class_name: runtime_class_name.clone(),
            image_pull_secrets: some(secrets),
            host_users: *host_users,
            ..PodSpec::default()
        }),
        status: None,
    }
}

/// The body of `POST persistentvolumeclaims`.
pub(super) fn claim(
    volume: &crate::session::container::Volume,
    owner: &SessionKey,
) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(volume.name.clone()),
            namespace: Some(owner.namespace.clone()),
            owner_references: Some(vec![owned_by(owner)]),
            labels: Some(volume.labels.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), bytes(volume.size_bytes))].into()),
                limits: None,
            }),
            storage_class_name: volume.class.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

/// A grace of 0 would be a forced deletion: the object gone, and the game perhaps not.
pub(super) fn grace(seconds: i32) -> u32 {
    seconds.unsigned_abs().max(1)
}

/// The garbage collector takes what it names when the session is gone. It holds up no deletion of the session: that
/// would need the right to change the session's finalizers.
pub(super) fn owned_by(session: &SessionKey) -> OwnerReference {
    OwnerReference {
        api_version: "dillinger.dev/v1alpha1".to_owned(),
        kind: "GameSession".to_owned(),
        name: session.name.clone(),
        uid: session.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

/// Labels, and annotations.
fn split(
    labels: &BTreeMap<String, String>,
) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (mut kept, mut annotations) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in labels {
        if ANNOTATIONS.contains(&key.as_str()) {
            annotations.insert(key.clone(), value.clone());
        } else if FREE_TEXT.contains(&key.as_str()) {
            kept.insert(key.clone(), hash(value));
            annotations.insert(key.clone(), value.clone());
        } else {
            kept.insert(key.clone(), value.clone());
        }
    }
    (kept, annotations)
}

/// 16 hex digits of sha256.
fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn port_list(ports: &[Published]) -> String {
    let mut pairs: Vec<String> = ports
        .iter()
        .map(|port| format!("{}={}", port.name, port.host_port))
        .collect();
    // TCPUDP has one number twice.
    pairs.dedup();
    pairs.join(",")
}

fn port(port: &Published, exposure: Exposure) -> ContainerPort {
    ContainerPort {
        container_port: port.container_port.into(),
        host_port: match exposure {
            Exposure::HostPort => Some(port.host_port.into()),
            Exposure::NodePort | Exposure::LoadBalancer | Exposure::None => None,
        },
        protocol: Some(protocol(port.transport).to_owned()),
        ..ContainerPort::default()
    }
}

pub(super) fn protocol(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    }
}

fn pull_policy(policy: ImagePullPolicy) -> &'static str {
    match policy {
        ImagePullPolicy::IfNotPresent => "IfNotPresent",
        ImagePullPolicy::Always => "Always",
        ImagePullPolicy::Never => "Never",
    }
}

/// The kubelet expands once more: `$$` is its `$`, and what we expanded must come out as it is.
pub(super) fn plain(text: &str) -> String {
    text.replace('$', "$$")
}

fn escaped(words: &[String]) -> Option<Vec<String>> {
    some(words.iter().map(|word| plain(word)).collect())
}

fn variable((name, value): &(String, String)) -> EnvVar {
    EnvVar {
        name: name.clone(),
        value: Some(plain(value)),
        value_from: None,
    }
}

/// Requests as limits: a game gets what its session asked for, and no neighbour takes it.
fn resources(cpu_millis: i64, memory_bytes: i64) -> ResourceRequirements {
    let amounts: BTreeMap<String, Quantity> = [
        ("cpu".to_owned(), Quantity(format!("{cpu_millis}m"))),
        ("memory".to_owned(), bytes(memory_bytes)),
    ]
    .into();
    ResourceRequirements {
        limits: Some(amounts.clone()),
        requests: Some(amounts),
        claims: None,
    }
}

fn bytes(count: i64) -> Quantity {
    Quantity(count.to_string())
}

fn mounts(spec: &ContainerSpec) -> Vec<VolumeMount> {
    let mount = |name: String, path: &str| VolumeMount {
        name,
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    };
    let storage = spec
        .volumes
        .iter()
        .map(|volume| mount(volume_name(&volume.name, &spec.name), &volume.path));
    let scratch = spec
        .scratch
        .iter()
        .enumerate()
        .map(|(index, scratch)| mount(scratch_name(index), &scratch.path));
    storage.chain(scratch).collect()
}

/// `<container>-<storage>` without the container: a volume of a Pod has at most 63 characters.
fn volume_name(claim: &str, container: &str) -> String {
    let storage = claim
        .strip_prefix(container)
        .and_then(|rest| rest.strip_prefix('-'))
        .unwrap_or(claim);
    format!("storage-{storage}")
}

fn scratch_name(index: usize) -> String {
    format!("scratch-{index}")
}

fn in_memory((index, scratch): (usize, &Scratch)) -> Volume {
    Volume {
        name: scratch_name(index),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(bytes(scratch.size_bytes)),
        }),
        ..Volume::default()
    }
}

fn toleration(toleration: &crate::api::Toleration) -> Toleration {
    Toleration {
        key: toleration.key.clone(),
        operator: Some(toleration.operator.as_str().to_owned()),
        value: toleration.value.clone(),
        effect: toleration.effect.map(|effect| effect.as_str().to_owned()),
        toleration_seconds: toleration.toleration_seconds,
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
