//! Which host ports a container gets: pure choice over what is taken.
//!
//! The choice is a hash of the session's uid and the port's name, so that it stays the same over restarts
//! and resumes; the next number on a clash.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};

use super::container::Transport;
use super::contract::PortTerms;
use crate::api::{PortPolicy, PortProtocol};

/// Host number for each port of the Game, by name; a TCPUDP port has one number on both protocols.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChosenPorts(pub BTreeMap<String, u16>);

/// Nothing is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPort {
    /// Names the port, the range or the static number, and what to do.
    pub message: String,
}

/// The transports that a protocol stands for, TCP first.
pub fn transports(protocol: PortProtocol) -> &'static [Transport] {
    match protocol {
        PortProtocol::UDP => &[Transport::Udp],
        PortProtocol::TCP => &[Transport::Tcp],
        PortProtocol::TCPUDP => &[Transport::Tcp, Transport::Udp],
    }
}

/// Chooses a host number for every port in `wanted`: static ones as declared, the others from `range`.
///
/// `taken` says what live containers and choices in flight hold; `shunned` what clashed a short while ago.
///
/// # Errors
/// A static number is in use, or the range has no number left.
pub fn choose(
    uid: &str,
    wanted: &[PortTerms],
    range: RangeInclusive<u16>,
    taken: &dyn Fn(u16, Transport) -> bool,
    shunned: &dyn Fn(u16) -> bool,
) -> Result<ChosenPorts, NoPort> {
    let mut chosen = BTreeMap::new();
    let free = |number: u16, port: &PortTerms| {
        !shunned(number) && transports(port.protocol).iter().all(|t| !taken(number, *t))
    };
    for port in wanted {
        let (PortPolicy::Static, Some(number)) = (port.policy, port.host_port) else {
            continue;
        };
        if !free(number, port) {
            return Err(NoPort {
                message: format!(
                    "host port {number} ({}), which the game fixes for its port {:?}, is in use on this engine; end what uses it, or choose another hostPort in the Game",
                    protocol_name(port.protocol),
                    port.name,
                ),
            });
        }
        chosen.insert(port.name.clone(), number);
    }
    for port in wanted {
        if chosen.contains_key(&port.name) {
            continue;
        }
        let suits = |number: u16| {
            free(number, port)
                && !chosen.values().any(|other| *other == number)
                && (port.policy != PortPolicy::Passthrough || !listened_on(number, port, wanted))
        };
        match from_hash(uid, &port.name, &range).find(|number| suits(*number)) {
            Some(number) => {
                chosen.insert(port.name.clone(), number);
            }
            None => {
                return Err(NoPort {
                    message: format!(
                        "no free {} port from {} to {} for the game's port {:?}; end other sessions, or widen the controller's --port-range",
                        protocol_name(port.protocol),
                        range.start(),
                        range.end(),
                        port.name,
                    ),
                });
            }
        }
    }
    Ok(ChosenPorts(chosen))
}

/// Another port of the same container listens on this number inside it.
fn listened_on(number: u16, port: &PortTerms, wanted: &[PortTerms]) -> bool {
    wanted
        .iter()
        .any(|other| other.name != port.name && other.container_port == Some(number))
}

/// Every number of the range once, beginning at the hash and wrapping around.
fn from_hash(
    uid: &str,
    name: &str,
    range: &RangeInclusive<u16>,
) -> impl Iterator<Item = u16> + use<> {
    let first = u64::from(*range.start());
    let count = u64::from(*range.end())
        .saturating_add(1)
        .saturating_sub(first);
    let mut hash = Sha256::new();
    hash.update(uid.as_bytes());
    hash.update([0]);
    hash.update(name.as_bytes());
    let start = hash
        .finalize()
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    (0..count).filter_map(move |step| {
        let offset = (start % count + step) % count;
        u16::try_from(first + offset).ok()
    })
}

fn protocol_name(protocol: PortProtocol) -> &'static str {
    match protocol {
        PortProtocol::UDP => "UDP",
        PortProtocol::TCP => "TCP",
        PortProtocol::TCPUDP => "TCP and UDP",
    }
}
