//! ContainerSpec -> the body of a create: pure, and without a privilege to give.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, MountVolumeOptions,
    PortBinding, PortMap, RestartPolicy, RestartPolicyNameEnum, VolumeCreateRequest,
};

use crate::api::keys;
use crate::session::container::{ContainerSpec, Published, Transport, Volume};
use crate::session::facts::EngineId;

/// Label: `name=number,…` of the published ports. The bindings themselves do not say which of two
/// Passthrough ports is which.
pub(super) const PORTS: &str = "dillinger.dev/ports";

/// Processes and threads of one game. Java servers use some hundred; a fork bomb is stopped far below
/// what a host bears.
const PIDS: i64 = 2048;

/// Three files of 10 MB: a chatty game cannot fill the host's disk.
const LOG_FILE_SIZE: &str = "10m";
const LOG_FILES: &str = "3";

/// The body of `POST /containers/create`.
pub(super) fn body(spec: &ContainerSpec, engine: &EngineId, bind: IpAddr) -> ContainerCreateBody {
    let ContainerSpec {
        name: _,
        attempt,
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
        // The pull is an effect of its own, the questions are ours, and there is one host.
        on_cluster: _,
    } = spec;
    let mut labels: HashMap<String, String> =
        labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    labels.insert(keys::ENGINE.to_owned(), engine.0.clone());
    labels.insert(keys::ATTEMPT.to_owned(), attempt.to_string());
    if !ports.is_empty() {
        labels.insert(PORTS.to_owned(), port_label(ports));
    }
    let tmpfs = scratch
        .iter()
        .map(|s| {
            // uid and gid: a tmpfs over a directory of the image takes that directory's mode and
            // belongs to root otherwise. exec: as an emptyDir; games unpack and load libraries there.
            let options = format!(
                "rw,exec,nosuid,nodev,size={},uid={user},gid={group},mode=0770",
                s.size_bytes
            );
            (s.path.clone(), options)
        })
        .collect();
    ContainerCreateBody {
        user: Some(format!("{user}:{group}")),
        exposed_ports: Some(ports.iter().map(port_key).collect()),
        env: Some(env.iter().map(|(k, v)| format!("{k}={v}")).collect()),
        entrypoint: Some(command.clone()).filter(|c| !c.is_empty()),
        cmd: Some(args.clone()).filter(|a| !a.is_empty()),
        image: Some(image.clone()),
        labels: Some(labels),
        // What `docker stop` by hand and the daemon's own shutdown wait.
        stop_timeout: Some(i64::from(*grace_seconds)),
        host_config: Some(HostConfig {
            init: Some(*init),
            readonly_rootfs: Some(*read_only_root),
            privileged: Some(false),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            pids_limit: Some(PIDS),
            nano_cpus: Some(cpu_millis.saturating_mul(1_000_000)),
            memory: Some(*memory_bytes),
            // Memory and swap together: equal to memory means no swap.
            memory_swap: Some(*memory_bytes),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(HashMap::from([
                    ("max-size".to_owned(), LOG_FILE_SIZE.to_owned()),
                    ("max-file".to_owned(), LOG_FILES.to_owned()),
                ])),
            }),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            tmpfs: Some(tmpfs),
            mounts: Some(volumes.iter().map(|v| mount(v, engine)).collect()),
            port_bindings: Some(bindings(ports, bind)),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// The body of `POST /volumes/create`.
pub(super) fn volume(volume: &Volume, engine: &EngineId) -> VolumeCreateRequest {
    VolumeCreateRequest {
        name: Some(volume.name.clone()),
        driver: Some("local".to_owned()),
        labels: Some(volume_labels(volume, engine)),
        ..VolumeCreateRequest::default()
    }
}

fn volume_labels(volume: &Volume, engine: &EngineId) -> HashMap<String, String> {
    let mut labels: HashMap<String, String> = volume
        .labels
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    labels.insert(keys::ENGINE.to_owned(), engine.0.clone());
    labels
}

fn mount(volume: &Volume, engine: &EngineId) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(volume.name.clone()),
        target: Some(volume.path.clone()),
        read_only: Some(false),
        volume_options: Some(MountVolumeOptions {
            // A new volume takes content and owner of the image's directory.
            no_copy: Some(false),
            // Should the volume vanish before this create, the engine makes it again: still ours.
            labels: Some(volume_labels(volume, engine)),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

pub(super) fn transport_word(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}

fn port_key(port: &Published) -> String {
    format!("{}/{}", port.container_port, transport_word(port.transport))
}

fn bindings(ports: &[Published], bind: IpAddr) -> PortMap {
    let mut map = PortMap::new();
    for port in ports {
        map.entry(port_key(port))
            .or_default()
            .get_or_insert_with(Vec::new)
            .push(PortBinding {
                host_ip: Some(bind.to_string()),
                host_port: Some(port.host_port.to_string()),
            });
    }
    map
}

fn port_label(ports: &[Published]) -> String {
    let mut pairs: Vec<String> = ports
        .iter()
        .map(|p| format!("{}={}", p.name, p.host_port))
        .collect();
    // TCPUDP publishes one number twice.
    pairs.dedup();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::session::container::{OnCluster, Scratch};

    fn spec() -> ContainerSpec {
        ContainerSpec {
            name: "friday-0123456789".into(),
            attempt: 3,
            labels: BTreeMap::from([(keys::UID.to_owned(), "u-1".to_owned())]),
            image: "dillinger/testgame:1".into(),
            command: vec![],
            args: vec![],
            env: vec![("GAME_ID".into(), "chess".into())],
            user: 1000,
            group: 1001,
            read_only_root: true,
            init: true,
            cpu_millis: 1500,
            memory_bytes: 64 << 20,
            scratch: vec![Scratch {
                path: "/tmp".into(),
                size_bytes: 1 << 20,
            }],
            volumes: vec![Volume {
                name: "friday-0123456789-world".into(),
                path: "/data".into(),
                size_bytes: 1 << 30,
                labels: BTreeMap::from([(keys::STORAGE.to_owned(), "world".to_owned())]),
                class: None,
            }],
            ports: vec![
                published("game", 7777, 7001, Transport::Tcp),
                published("game", 7777, 7001, Transport::Udp),
            ],
            grace_seconds: 20,
            on_cluster: OnCluster::default(),
        }
    }

    fn published(name: &str, container: u16, host: u16, transport: Transport) -> Published {
        Published {
            name: name.into(),
            container_port: container,
            host_port: host,
            transport,
        }
    }

    fn made(spec: &ContainerSpec) -> (ContainerCreateBody, HostConfig) {
        let mut body = body(
            spec,
            &EngineId("e".repeat(32)),
            IpAddr::from([127, 0, 0, 1]),
        );
        let host = body.host_config.take().expect("a host config");
        (body, host)
    }

    #[test]
    fn every_container_drops_every_privilege_and_asks_for_none() {
        let (_, host) = made(&spec());
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.cap_add, None);
        assert_eq!(host.privileged, Some(false));
        assert_eq!(
            host.security_opt,
            Some(vec!["no-new-privileges:true".to_owned()])
        );
        assert_eq!(host.readonly_rootfs, Some(true));
        assert_eq!(
            (host.binds, host.devices, host.device_requests),
            (None, None, None)
        );
        assert_eq!(
            (host.network_mode, host.pid_mode, host.ipc_mode),
            (None, None, None)
        );
        assert_eq!(
            (host.userns_mode, host.uts_mode, host.cgroup_parent),
            (None, None, None)
        );
        assert_eq!(
            (host.sysctls, host.group_add, host.volumes_from),
            (None, None, None)
        );
    }

    #[test]
    fn limits_are_set_and_swap_is_off() {
        let (body, host) = made(&spec());
        assert_eq!(host.memory, Some(64 << 20));
        assert_eq!(host.memory_swap, host.memory);
        assert_eq!(host.nano_cpus, Some(1_500_000_000));
        assert_eq!(host.pids_limit, Some(PIDS));
        assert_eq!(body.stop_timeout, Some(20));
        assert_eq!(
            host.restart_policy.and_then(|p| p.name),
            Some(RestartPolicyNameEnum::NO)
        );
    }

    #[test]
    fn scratch_belongs_to_the_games_user() {
        let (body, host) = made(&spec());
        assert_eq!(body.user.as_deref(), Some("1000:1001"));
        assert_eq!(
            host.tmpfs.expect("tmpfs")["/tmp"],
            "rw,exec,nosuid,nodev,size=1048576,uid=1000,gid=1001,mode=0770"
        );
    }

    #[test]
    fn a_tcpudp_port_is_bound_twice_on_one_number_and_on_the_bind_address_alone() {
        let (body, host) = made(&spec());
        let map = host.port_bindings.expect("bindings");
        for key in ["7777/tcp", "7777/udp"] {
            let bound = map[key].clone().expect("bound");
            assert_eq!(bound.len(), 1);
            assert_eq!(bound[0].host_ip.as_deref(), Some("127.0.0.1"));
            assert_eq!(bound[0].host_port.as_deref(), Some("7001"));
        }
        assert_eq!(host.publish_all_ports, None);
        assert_eq!(body.labels.expect("labels")[PORTS], "game=7001");
    }

    #[test]
    fn the_images_own_entrypoint_and_command_stand_where_the_game_names_none() {
        let (body, _) = made(&spec());
        assert_eq!((body.entrypoint, body.cmd), (None, None));
        let (body, _) = made(&ContainerSpec {
            command: vec!["/game".into()],
            args: vec!["--fast".into()],
            ..spec()
        });
        assert_eq!(body.entrypoint, Some(vec!["/game".to_owned()]));
        assert_eq!(body.cmd, Some(vec!["--fast".to_owned()]));
    }

    #[test]
    fn containers_and_volumes_carry_the_engine() {
        let engine = EngineId("e".repeat(32));
        let (body, host) = made(&spec());
        let labels = body.labels.expect("labels");
        assert_eq!(labels[keys::ENGINE], engine.0);
        assert_eq!(labels[keys::ATTEMPT], "3");
        assert_eq!(labels[keys::UID], "u-1");
        let mounted = host.mounts.expect("mounts").remove(0);
        let options = mounted.volume_options.expect("options");
        assert_eq!(options.no_copy, Some(false));
        assert_eq!(options.labels.expect("labels")[keys::ENGINE], engine.0);
        let request = volume(&spec().volumes[0], &engine);
        assert_eq!(request.labels.expect("labels")[keys::ENGINE], engine.0);
    }
}
