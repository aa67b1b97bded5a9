//! What `inspect` says -> the container in words that fit every runtime. Pure.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummary,
    PortBinding, PortMap,
};
use jiff::Timestamp;

use super::create::{PORTS, transport_word};
use crate::api::{Endpoint, keys};
use crate::runtime::parse_terms;
use crate::session::container::Transport;
use crate::session::contract::PortTerms;
use crate::session::ports::transports;
use crate::session::quoted::{plain, quoted};
use crate::session::seen::{Container, ContainerId, Exit, Made};

/// Characters of the engine's words on a start that are kept: they may name any file or variable of the game.
const LONGEST_WORDS: usize = 1024;

/// Characters of a name that are kept; ours have 63 at most.
const LONGEST_NAME: usize = 128;

/// A container as `inspect` shows it; what must be asked besides (readiness, log) is not in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Inspected {
    Created(Container, Made),
    Running(Container),
    Paused(Container),
    Going,
    Exited(Container, Exit),
}

/// One published port of a container, by the Game's name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) transport: Transport,
    /// Address of the host that it is bound to; may be unspecified (every address).
    pub(super) address: IpAddr,
    pub(super) port: u16,
}

/// What the engine does not say about itself in an `inspect`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// Where players reach this engine's ports.
    pub(super) advertise: &'a str,
    pub(super) node_name: Option<&'a str>,
}

/// What an inspect says. Err: it is not understood, in words.
pub(super) fn inspected(
    inspect: &ContainerInspectResponse,
    place: Place<'_>,
) -> Result<Inspected, String> {
    let state = inspect.state.as_ref().ok_or("it has no state")?;
    use ContainerStateStatusEnum as Status;
    let status = state.status.ok_or("its state has no status")?;
    match status {
        Status::DEAD | Status::REMOVING => Ok(Inspected::Going),
        Status::RUNNING | Status::STOPPING => Ok(Inspected::Running(container(inspect, place)?)),
        Status::PAUSED => Ok(Inspected::Paused(container(inspect, place)?)),
        Status::CREATED => {
            let container = container(inspect, place)?;
            let made = made(state, inspect);
            Ok(Inspected::Created(container, made))
        }
        Status::EXITED => Ok(Inspected::Exited(container(inspect, place)?, exit(state))),
        // We set no restart policy: somebody else changed the container.
        Status::RESTARTING => {
            Err("it is restarting by itself, which this program never asks for".into())
        }
        Status::EMPTY => Err("its status is empty".into()),
    }
}

/// Labels of the container.
pub(super) fn labels(inspect: &ContainerInspectResponse) -> Option<&HashMap<String, String>> {
    inspect.config.as_ref()?.labels.as_ref()
}

/// The bindings that the container was made with.
fn made_bindings(inspect: &ContainerInspectResponse) -> Option<&PortMap> {
    inspect.host_config.as_ref()?.port_bindings.as_ref()
}

/// The ports of the Game's terms as they are bound on the host, in the Game's order, TCP first.
pub(super) fn bindings(inspect: &ContainerInspectResponse, ports: &[PortTerms]) -> Vec<Binding> {
    match made_bindings(inspect) {
        Some(map) => named_bindings(map, labels(inspect), ports),
        None => Vec::new(),
    }
}

fn named_bindings(
    map: &PortMap,
    labels: Option<&HashMap<String, String>>,
    ports: &[PortTerms],
) -> Vec<Binding> {
    let named = labels.and_then(|l| l.get(PORTS)).map(String::as_str);
    let mut bindings = Vec::new();
    for port in ports {
        // Passthrough: the container's number is the host's.
        let inside = port
            .container_port
            .or_else(|| number_in_label(named?, &port.name));
        for transport in transports(port.protocol) {
            let Some(inside) = inside else { continue };
            let key = format!("{inside}/{}", transport_word(*transport));
            // We bind one address; an engine may list it once a family.
            let bound = map.get(&key).into_iter().flatten().flatten().next();
            if let Some(bound) = bound
                && let Some(number) = bound.host_port.as_deref().and_then(|p| p.parse().ok())
            {
                bindings.push(Binding {
                    name: port.name.clone(),
                    transport: *transport,
                    address: bound
                        .host_ip
                        .as_deref()
                        .and_then(|ip| ip.parse().ok())
                        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
                    port: number,
                });
            }
        }
    }
    bindings
}

/// A running container as a list shows it: all but when it was started.
pub(super) fn listed(summary: &ContainerSummary, place: Place<'_>) -> Option<Container> {
    let labels = summary.labels.as_ref()?;
    let terms = parse_terms(labels.get(keys::CONTRACT).map(String::as_str));
    let mut map = PortMap::new();
    for port in summary.ports.iter().flatten() {
        let (Some(kind), Some(public)) = (port.typ, port.public_port) else {
            continue;
        };
        map.entry(format!("{}/{kind}", port.private_port))
            .or_default()
            .get_or_insert_with(Vec::new)
            .push(PortBinding {
                host_ip: port.ip.clone(),
                host_port: Some(public.to_string()),
            });
    }
    Some(Container {
        id: ContainerId(summary.id.clone()?),
        name: named(summary.names.as_ref()?.first()?),
        attempt: labels.get(keys::ATTEMPT)?.parse().ok()?,
        created: Timestamp::from_second(summary.created?).ok()?,
        started: None,
        image: summary.image.clone()?,
        image_id: summary.image_id.clone(),
        node_name: place.node_name.map(str::to_owned),
        endpoints: terms
            .as_ref()
            .map(|t| {
                endpoints(
                    &named_bindings(&map, Some(labels), &t.ports),
                    place.advertise,
                )
            })
            .unwrap_or_default(),
        terms,
    })
}

fn number_in_label(label: &str, name: &str) -> Option<u16> {
    label
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .find(|(n, _)| *n == name)
        .and_then(|(_, number)| number.parse().ok())
}

fn container(inspect: &ContainerInspectResponse, place: Place<'_>) -> Result<Container, String> {
    let labels = labels(inspect).ok_or("it has no labels")?;
    let attempt = labels
        .get(keys::ATTEMPT)
        .ok_or_else(|| format!("it has no label {}", keys::ATTEMPT))?;
    let attempt = attempt
        .parse()
        .map_err(|_| format!("its label {} is {}", keys::ATTEMPT, quoted(attempt)))?;
    let terms = parse_terms(labels.get(keys::CONTRACT).map(String::as_str));
    let endpoints = terms
        .as_ref()
        .map(|t| endpoints(&bindings(inspect, &t.ports), place.advertise))
        .unwrap_or_default();
    let state = inspect.state.as_ref();
    Ok(Container {
        id: ContainerId(inspect.id.clone().ok_or("it has no id")?),
        name: named(inspect.name.as_deref().unwrap_or_default()),
        attempt,
        created: inspect
            .created
            .as_deref()
            .and_then(instant)
            .ok_or("it has no time of creation")?,
        started: state
            .and_then(|s| s.started_at.as_deref())
            .and_then(instant),
        image: inspect
            .config
            .as_ref()
            .and_then(|c| c.image.clone())
            .unwrap_or_default(),
        image_id: inspect.image.clone().filter(|i| !i.is_empty()),
        node_name: place.node_name.map(str::to_owned),
        endpoints,
        terms,
    })
}

/// An engine puts a slash before a name.
fn named(name: &str) -> String {
    plain(name.trim_start_matches('/'), LONGEST_NAME)
}

pub(super) fn endpoints(bindings: &[Binding], advertise: &str) -> Vec<Endpoint> {
    bindings
        .iter()
        .map(|b| Endpoint {
            name: b.name.clone(),
            protocol: transport_word(b.transport).to_uppercase(),
            host: advertise.to_owned(),
            port: i32::from(b.port),
        })
        .collect()
}

/// An engine writes year 1 for "never".
fn instant(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>()
        .ok()
        .filter(|t| *t > Timestamp::UNIX_EPOCH)
}

fn made(state: &ContainerState, inspect: &ContainerInspectResponse) -> Made {
    let error = state.error.as_deref().unwrap_or_default().trim();
    let code = state.exit_code.unwrap_or_default();
    if error.is_empty() && code == 0 {
        return Made::Fresh;
    }
    if says_port_is_taken(error) {
        return Made::PortClash(ports_named(error, inspect), plain(error, LONGEST_WORDS));
    }
    if error.is_empty() {
        return Made::Failed(format!("the start ended with exit code {code}"));
    }
    Made::Failed(plain(error, LONGEST_WORDS))
}

/// The words of several engines: Docker's own table of ports, the kernel's bind (proxy on Linux and BSD),
/// Docker Desktop.
fn says_port_is_taken(error: &str) -> bool {
    let error = error.to_ascii_lowercase();
    [
        "port is already allocated",
        "address already in use",
        "ports are not available",
        "port is already in use",
    ]
    .iter()
    .any(|words| error.contains(words))
}

/// Those host ports of the container that the words name, as `:7001` with no digit after it.
fn ports_named(error: &str, inspect: &ContainerInspectResponse) -> Vec<u16> {
    let mut own: Vec<u16> = made_bindings(inspect)
        .into_iter()
        .flat_map(|map| map.values().flatten().flatten())
        .filter_map(|b| b.host_port.as_deref()?.parse().ok())
        .collect();
    own.sort_unstable();
    own.dedup();
    own.retain(|port| {
        let needle = format!(":{port}");
        error
            .match_indices(&needle)
            .any(|(at, _)| !error[at + needle.len()..].starts_with(|c: char| c.is_ascii_digit()))
    });
    own
}

fn exit(state: &ContainerState) -> Exit {
    Exit {
        code: state.exit_code.and_then(|c| i32::try_from(c).ok()),
        oom_killed: state.oom_killed.unwrap_or_default(),
        finished: state.finished_at.as_deref().and_then(instant),
        error: state.error.clone().unwrap_or_default(),
        ready_in_log: false,
        last_lines: String::new(),
        engine_started: None,
        interrupted: None,
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
