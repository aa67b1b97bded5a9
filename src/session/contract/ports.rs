//! Ports and readiness of a Game: numbers in range, names that exist, patterns that compile.

use super::{PortTerms, Refusal};
use crate::api::{GamePort, GameSpec, PortPolicy, PortProtocol, Readiness};
use crate::session::pattern;
use crate::session::quoted::quoted;

/// The declared ports as they travel with a container.
pub(super) fn terms(game: &GameSpec) -> Result<Vec<PortTerms>, Refusal> {
    let mut terms: Vec<PortTerms> = Vec::with_capacity(game.ports.len());
    for port in &game.ports {
        let one = one(port)?;
        let twice = |field: &str, number: u16| {
            Err(Refusal::game(format!(
                "port {}: {field} {number} is used twice; use TCPUDP for one number on both protocols",
                quoted(&port.name)
            )))
        };
        for other in &terms {
            if other.name == one.name {
                return Err(Refusal::game(format!(
                    "port {} is declared twice",
                    quoted(&port.name)
                )));
            }
            match (one.container_port, one.host_port) {
                (Some(number), _) if other.container_port == Some(number) => {
                    return twice("containerPort", number);
                }
                (_, Some(number)) if other.host_port == Some(number) => {
                    return twice("hostPort", number);
                }
                _ => {}
            }
        }
        terms.push(one);
    }
    Ok(terms)
}

fn one(port: &GamePort) -> Result<PortTerms, Refusal> {
    let name = quoted(&port.name);
    let number = |field: &str, value: Option<i32>| {
        value
            .map(|value| {
                u16::try_from(value)
                    .ok()
                    .filter(|number| *number > 0)
                    .ok_or_else(|| {
                        Refusal::game(format!(
                            "port {name}: {field} {value} is not between 1 and 65535"
                        ))
                    })
            })
            .transpose()
    };
    let container_port = number("containerPort", port.container_port)?;
    let host_port = number("hostPort", port.host_port)?;
    let (wants_container, wants_host) = match port.port_policy {
        PortPolicy::Dynamic => (true, false),
        PortPolicy::Static => (true, true),
        PortPolicy::Passthrough => (false, false),
    };
    if wants_container != container_port.is_some() {
        return Err(Refusal::game(format!(
            "port {name}: containerPort is required, except with portPolicy Passthrough, which chooses it"
        )));
    }
    if wants_host != host_port.is_some() {
        return Err(Refusal::game(format!(
            "port {name}: hostPort goes with portPolicy Static, and only with it"
        )));
    }
    Ok(PortTerms {
        name: port.name.clone(),
        container_port,
        protocol: port.protocol,
        policy: port.port_policy,
        host_port,
    })
}

/// One way to ask, over a port that exists, with patterns that compile.
pub(super) fn check_readiness(game: &GameSpec, ports: &[PortTerms]) -> Result<(), Refusal> {
    let Some(readiness) = &game.readiness else {
        return Ok(());
    };
    let Readiness {
        period_seconds: _,
        timeout_seconds: _,
        log,
        tcp_socket,
        http_get,
        exec,
        exchange,
    } = readiness;
    let ways = [
        log.is_some(),
        tcp_socket.is_some(),
        http_get.is_some(),
        exec.is_some(),
        exchange.is_some(),
    ];
    if ways.into_iter().filter(|set| *set).count() != 1 {
        return Err(Refusal::game(
            "readiness: set exactly one of log, tcpSocket, httpGet, exec, exchange",
        ));
    }
    if let Some(log) = log {
        compiles("readiness.log.pattern", &log.pattern)?;
    }
    if let Some(probe) = tcp_socket {
        tcp("readiness.tcpSocket.port", &probe.port, ports)?;
    }
    if let Some(probe) = http_get {
        tcp("readiness.httpGet.port", &probe.port, ports)?;
    }
    if let Some(probe) = exec
        && (probe.command.is_empty() || probe.command.iter().any(|word| word.contains('\0')))
    {
        return Err(Refusal::game(
            "readiness.exec.command is empty or holds a NUL character",
        ));
    }
    if let Some(probe) = exchange {
        named("readiness.exchange.port", &probe.port, ports)?;
        compiles("readiness.exchange.expect", &probe.expect)?;
        if probe.send.is_some() == probe.send_hex.is_some() {
            return Err(Refusal::game(
                "readiness.exchange: set exactly one of send, sendHex",
            ));
        }
        if let Some(hex) = &probe.send_hex
            && (hex.is_empty() || hex.len() % 2 != 0 || !hex.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(Refusal::game(format!(
                "readiness.exchange.sendHex {} is not pairs of hexadecimal digits",
                quoted(hex)
            )));
        }
    }
    Ok(())
}

fn compiles(field: &str, text: &str) -> Result<(), Refusal> {
    pattern::searched(text).map(drop).map_err(|error| {
        Refusal::game(format!(
            "{field}, {}, does not compile: {error}",
            quoted(text)
        ))
    })
}

fn named<'p>(field: &str, name: &str, ports: &'p [PortTerms]) -> Result<&'p PortTerms, Refusal> {
    ports.iter().find(|port| port.name == name).ok_or_else(|| {
        Refusal::game(format!(
            "{field} {} names no port of the game",
            quoted(name)
        ))
    })
}

fn tcp(field: &str, name: &str, ports: &[PortTerms]) -> Result<(), Refusal> {
    match named(field, name, ports)?.protocol {
        PortProtocol::TCP | PortProtocol::TCPUDP => Ok(()),
        PortProtocol::UDP => Err(Refusal::game(format!(
            "{field} {} is a UDP port and must be a TCP one; use exchange to ask over UDP",
            quoted(name)
        ))),
    }
}
