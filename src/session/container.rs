//! Contract -> ContainerSpec: an allow-list type that cannot express a privilege.
//!
//! There is no field here for a capability, a device, a host path, a host namespace or a
//! security option: both runtimes drop everything, always.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::contract::{Contract, Piece, Placement, Text};
use super::facts::Engine;
use super::observation::Observation;
use super::ports::{ChosenPorts, transports};
use crate::api::{ImagePullPolicy, PortPolicy, Readiness, keys};

/// Everything that a runtime may vary in one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    pub name: String,
    pub attempt: i32,
    pub labels: BTreeMap<String, String>,
    pub image: String,
    /// Empty: the image's own entrypoint.
    pub command: Vec<String>,
    /// Empty: the image's own, where `command` is empty too.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub user: i64,
    pub group: i64,
    pub read_only_root: bool,
    pub init: bool,
    pub cpu_millis: i64,
    pub memory_bytes: i64,
    pub scratch: Vec<Scratch>,
    pub volumes: Vec<Volume>,
    pub ports: Vec<Published>,
    /// Seconds between the request to stop and the kill.
    pub grace_seconds: i32,
    pub on_cluster: OnCluster,
}

/// What only a cluster is told: a Docker runtime pulls by itself, asks the game by itself, and has one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnCluster {
    pub pull_policy: ImagePullPolicy,
    pub readiness: Option<Readiness>,
    pub placement: Placement,
    /// Every port of the game takes whatever public number there is.
    pub any_port: bool,
}

/// A tmpfs, counted in the memory limit, gone with every stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratch {
    pub path: String,
    pub size_bytes: i64,
}

/// A volume that belongs to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// `<container name>-<storage name>`.
    pub name: String,
    pub path: String,
    pub size_bytes: i64,
    pub labels: BTreeMap<String, String>,
    /// StorageClass on a cluster; None: the cluster's default.
    pub class: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    Tcp,
    Udp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub name: String,
    pub container_port: u16,
    pub host_port: u16,
    pub transport: Transport,
}

/// Longest name of a container: a DNS label.
const LONGEST_NAME: usize = 63;

/// Hex digits of the uid's hash in a name.
const HASH_DIGITS: usize = 10;

/// Name of a session's container on every runtime: `<session>-<first 10 hex of sha256(uid)>`, at most 63
/// characters, never the attempt. A session's name has at most 52; a longer one is cut.
pub fn name(session: &str, uid: &str) -> String {
    let room = LONGEST_NAME - HASH_DIGITS - 1;
    let mut end = session.len().min(room);
    while !session.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{}", &session[..end], uid_hash(uid))
}

/// First 10 hex digits of the uid's sha256.
fn uid_hash(uid: &str) -> String {
    let mut hex = String::with_capacity(HASH_DIGITS);
    for byte in Sha256::digest(uid.as_bytes()).iter().take(HASH_DIGITS / 2) {
        write!(hex, "{byte:02x}").expect("writing to a String never fails");
    }
    hex
}

/// The names of the volumes that a contract needs, in the Game's order.
pub fn volume_names(container: &str, contract: &Contract) -> Vec<String> {
    contract
        .storage
        .iter()
        .map(|storage| volume_name(container, &storage.name))
        .collect()
}

fn volume_name(container: &str, storage: &str) -> String {
    format!("{container}-{storage}")
}

/// The volumes that a contract needs, whether they exist or not.
pub fn volumes(o: &Observation, contract: &Contract, engine: &Engine) -> Vec<Volume> {
    contract
        .storage
        .iter()
        .map(|storage| {
            let mut labels = owner_labels(o, engine);
            labels.insert(keys::STORAGE.to_owned(), storage.name.clone());
            Volume {
                name: volume_name(&o.session.container_name, &storage.name),
                path: storage.path.clone(),
                size_bytes: storage.size_bytes,
                labels,
                class: contract.placement.storage_class_name.clone(),
            }
        })
        .collect()
}

/// What container and volumes of a session have in common: whose they are.
fn owner_labels(o: &Observation, engine: &Engine) -> BTreeMap<String, String> {
    [
        (keys::CLUSTER, &o.owner.cluster),
        (keys::CONTROLLER, &o.owner.controller),
        (keys::ENGINE, &engine.id.0),
        (keys::NAMESPACE, &o.session.namespace),
        (keys::SESSION, &o.session.name),
        (keys::UID, &o.session.uid),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.clone()))
    .collect()
}

/// The container of one attempt. `ports` is the choice over this contract's ports: a port that has no
/// number in it is not published and expands to nothing.
pub fn spec(
    o: &Observation,
    contract: &Contract,
    ports: &ChosenPorts,
    engine: &Engine,
    attempt: i32,
) -> ContainerSpec {
    let mut labels = owner_labels(o, engine);
    let terms =
        serde_json::to_string(&contract.terms).expect("terms are plain strings and numbers");
    for (key, value) in [
        (keys::ATTEMPT, attempt.to_string()),
        (keys::GAME, contract.game.clone()),
        (keys::CONTRACT, terms),
        (keys::OLD_TYPE, "game-session".to_owned()),
        (keys::OLD_GAME_ID, contract.game_id.clone()),
        (keys::OLD_SESSION_ID, contract.session_id.clone()),
        (keys::OLD_USER_ID, contract.user_id.clone()),
        (keys::OLD_CREATED, o.now.to_string()),
    ] {
        labels.insert(key.to_owned(), value);
    }
    let expand = |text: &Text| filled(text, ports);
    let mut env: Vec<(String, String)> = contract
        .env
        .iter()
        .map(|(name, value)| (name.clone(), expand(value)))
        .collect();
    for (name, value) in [
        ("GAME_ID", &contract.game_id),
        ("SESSION_ID", &contract.session_id),
        ("USER_ID", &contract.user_id),
    ] {
        env.push((name.to_owned(), value.clone()));
    }
    ContainerSpec {
        name: o.session.container_name.clone(),
        attempt,
        labels,
        image: contract.image.clone(),
        command: contract.command.iter().map(expand).collect(),
        args: contract.args.iter().map(expand).collect(),
        env,
        user: contract.user,
        group: contract.group,
        read_only_root: contract.read_only_root,
        init: contract.init,
        cpu_millis: contract.cpu_millis,
        memory_bytes: contract.memory_bytes,
        scratch: contract
            .scratch
            .iter()
            .map(|scratch| Scratch {
                path: scratch.path.clone(),
                size_bytes: scratch.size_bytes,
            })
            .collect(),
        volumes: volumes(o, contract, engine),
        ports: published(contract, ports),
        grace_seconds: o
            .session
            .grace_seconds
            .unwrap_or(contract.terms.termination_grace_period_seconds)
            // Less than nothing is for ever, on an engine.
            .max(0),
        on_cluster: OnCluster {
            pull_policy: contract.image_pull_policy,
            readiness: contract.terms.readiness.clone(),
            placement: contract.placement.clone(),
            any_port: any_port(contract),
        },
    }
}

/// Every port of the game takes whatever public number there is, other than its own inside.
pub fn any_port(contract: &Contract) -> bool {
    let mut ports = contract.terms.ports.iter();
    ports.all(|port| port.policy == PortPolicy::Dynamic)
}

fn published(contract: &Contract, ports: &ChosenPorts) -> Vec<Published> {
    contract
        .terms
        .ports
        .iter()
        .filter_map(|port| Some((port, *ports.0.get(&port.name)?)))
        .flat_map(|(port, host_port)| {
            transports(port.protocol)
                .iter()
                .map(move |transport| Published {
                    name: port.name.clone(),
                    container_port: port.container_port.unwrap_or(host_port),
                    host_port,
                    transport: *transport,
                })
        })
        .collect()
}

fn filled(text: &Text, ports: &ChosenPorts) -> String {
    text.0
        .iter()
        .map(|piece| match piece {
            Piece::Literal(literal) => literal.clone(),
            Piece::Port(name) => ports.0.get(name).map(u16::to_string).unwrap_or_default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::session::contract::tests::{resolved, surroundings};

    /// The container of attempt 3, with the ports numbered from 7000 in the Game's order.
    fn made(session: Value, game: Value) -> ContainerSpec {
        let contract = resolved(session, game).unwrap();
        let (o, engine) = surroundings(&contract);
        let numbers = contract.terms.ports.iter().zip(7000..);
        let ports = numbers
            .map(|(port, number)| (port.name.clone(), number))
            .collect();
        spec(&o, &contract, &ChosenPorts(ports), &engine, 3)
    }

    #[test]
    fn the_volumes_of_a_contract_are_named_after_its_container_in_the_games_order() {
        let storage = json!({"storage": [
            {"name": "world", "mountPath": "/data"}, {"name": "mods", "mountPath": "/mods"},
        ]});
        let contract = resolved(json!({}), storage).unwrap();
        let names = volume_names("friday-0123456789", &contract);
        assert_eq!(names, ["friday-0123456789-world", "friday-0123456789-mods"]);
        let (o, engine) = surroundings(&contract);
        let made: Vec<String> = volumes(&o, &contract, &engine)
            .into_iter()
            .map(|volume| volume.name)
            .collect();
        assert_eq!(made, volume_names(&o.session.container_name, &contract));
    }

    #[test]
    fn ports_are_published_and_named_by_their_public_number() {
        let spec = made(
            json!({}),
            json!({
                "ports": [
                    {"name": "game", "containerPort": 8303, "protocol": "TCPUDP"},
                    {"name": "own-one", "portPolicy": "Passthrough"},
                    {"name": "query", "containerPort": 8304, "protocol": "TCP"},
                ],
                "args": ["-port=$(PORT_GAME)", "$(PORT_OWN_ONE)"],
                "env": [{"name": "QUERY", "value": "$(PORT_QUERY)/$(GAME_ID)"}],
            }),
        );
        let published: Vec<(&str, u16, u16, Transport)> = spec
            .ports
            .iter()
            .map(|p| (p.name.as_str(), p.container_port, p.host_port, p.transport))
            .collect();
        assert_eq!(
            published,
            [
                ("game", 8303, 7000, Transport::Tcp),
                ("game", 8303, 7000, Transport::Udp),
                ("own-one", 7001, 7001, Transport::Udp),
                ("query", 8304, 7002, Transport::Tcp),
            ]
        );
        assert_eq!(spec.args, ["-port=7000", "7001"]);
        let env: Vec<(&str, &str)> = spec
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            env,
            [
                ("QUERY", "7002/wesnoth"),
                ("GAME_ID", "wesnoth"),
                ("SESSION_ID", "friday"),
                ("USER_ID", "alice"),
            ]
        );
    }

    #[test]
    fn storage_is_named_and_labelled_after_its_session() {
        let spec = made(
            json!({}),
            json!({
                "storage": [{"name": "world", "mountPath": "/data", "size": "2Gi"}],
                "scratch": [{"mountPath": "/tmp", "sizeLimit": "1Mi"}],
            }),
        );
        assert_eq!(spec.name, "friday-a24a7f55f2");
        let [volume] = &spec.volumes[..] else {
            panic!("one volume: {:?}", spec.volumes)
        };
        assert_eq!(volume.name, "friday-a24a7f55f2-world");
        assert_eq!(
            (volume.path.as_str(), volume.size_bytes),
            ("/data", 2 << 30)
        );
        let keys: Vec<&str> = volume.labels.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "dillinger.dev/cluster",
                "dillinger.dev/controller",
                "dillinger.dev/engine",
                "dillinger.dev/namespace",
                "dillinger.dev/session",
                "dillinger.dev/storage",
                "dillinger.dev/uid",
            ]
        );
        assert_eq!(
            spec.scratch,
            [Scratch {
                path: "/tmp".into(),
                size_bytes: 1 << 20
            }]
        );
    }

    #[test]
    fn grace_is_the_sessions_else_the_games() {
        let contract = resolved(json!({}), json!({"terminationGracePeriodSeconds": 9})).unwrap();
        let (mut o, engine) = surroundings(&contract);
        let grace =
            |o: &Observation| spec(o, &contract, &ChosenPorts::default(), &engine, 0).grace_seconds;
        assert_eq!(grace(&o), 9);
        o.session.grace_seconds = Some(0);
        assert_eq!(grace(&o), 0);
    }

    #[test]
    fn the_name_is_the_sessions_and_ten_digits_of_its_uid() {
        // printf u-1 | sha256sum
        assert_eq!(name("friday", "u-1"), "friday-a24a7f55f2");
        assert_eq!(name(&"a".repeat(52), "u-1").len(), 63);
    }

    proptest! {
        #[test]
        fn a_name_has_at_most_63_bytes_and_tells_uids_apart(session in ".*", a in ".*", b in ".*") {
            let one = name(&session, &a);
            prop_assert!(one.len() <= 63);
            prop_assert_eq!(one == name(&session, &b), a == b);
        }
    }
}
