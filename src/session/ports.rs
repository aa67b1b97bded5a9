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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn port(name: &str, policy: PortPolicy, protocol: PortProtocol) -> PortTerms {
        PortTerms {
            name: name.to_owned(),
            container_port: (policy != PortPolicy::Passthrough).then_some(15000),
            protocol,
            policy,
            host_port: None,
        }
    }

    fn dynamic(name: &str) -> PortTerms {
        port(name, PortPolicy::Dynamic, PortProtocol::UDP)
    }

    fn fixed(name: &str, number: u16) -> PortTerms {
        PortTerms {
            host_port: Some(number),
            ..port(name, PortPolicy::Static, PortProtocol::TCP)
        }
    }

    const FREE: &dyn Fn(u16, Transport) -> bool = &|_, _| false;
    const UNSHUNNED: &dyn Fn(u16) -> bool = &|_| false;

    fn number(chosen: &Result<ChosenPorts, NoPort>, name: &str) -> u16 {
        chosen.as_ref().unwrap().0[name]
    }

    #[test]
    fn the_choice_is_the_same_each_time_and_differs_between_sessions() {
        let choose = |uid: &str| choose(uid, &[dynamic("game")], 7000..=8000, FREE, UNSHUNNED);
        assert_eq!(choose("u-1"), choose("u-1"));
        let numbers: std::collections::BTreeSet<u16> = (0..50)
            .map(|i| number(&choose(&format!("u-{i}")), "game"))
            .collect();
        assert!(
            numbers.len() > 40,
            "{} different numbers of 50",
            numbers.len()
        );
    }

    /// A game is found where it was, whatever version of the controller starts it again.
    #[test]
    fn the_number_of_a_session_is_the_same_in_every_version() {
        let of = |uid, name| from_hash(uid, name, &(20000..=29999)).next();
        assert_eq!(of("u-1", "game"), Some(24654));
        assert_eq!(of("u-2", "game"), Some(29942));
        assert_eq!(of("u-1", "query"), Some(27183));
    }

    #[test]
    fn a_taken_or_shunned_number_gives_way_to_the_next_one() {
        let wanted = [dynamic("game")];
        let first = number(&choose("u", &wanted, 7000..=8000, FREE, UNSHUNNED), "game");
        let next = if first == 8000 { 7000 } else { first + 1 };
        let taken = |n, _| n == first;
        let chosen = choose("u", &wanted, 7000..=8000, &taken, UNSHUNNED);
        assert_eq!(number(&chosen, "game"), next);
        let shunned = |n| n == first;
        let chosen = choose("u", &wanted, 7000..=8000, FREE, &shunned);
        assert_eq!(number(&chosen, "game"), next);
    }

    #[test]
    fn a_number_taken_on_the_other_protocol_is_free_unless_both_are_wanted() {
        let taken = |_, transport| transport == Transport::Tcp;
        let one = |protocol| {
            let wanted = [port("game", PortPolicy::Dynamic, protocol)];
            choose("u", &wanted, 7000..=7000, &taken, UNSHUNNED)
        };
        assert_eq!(number(&one(PortProtocol::UDP), "game"), 7000);
        assert!(one(PortProtocol::TCP).is_err());
        assert!(one(PortProtocol::TCPUDP).is_err());
    }

    #[test]
    fn when_nothing_is_free_the_message_names_port_range_and_remedy() {
        let taken = |_, _| true;
        let refused = choose("u", &[dynamic("game")], 7000..=7001, &taken, UNSHUNNED).unwrap_err();
        assert_eq!(
            refused.message,
            "no free UDP port from 7000 to 7001 for the game's port \"game\"; end other sessions, or widen the controller's --port-range"
        );
        #[allow(clippy::reversed_empty_ranges)]
        let empty = choose("u", &[dynamic("game")], 2..=1, FREE, UNSHUNNED);
        assert!(empty.is_err());
    }

    #[test]
    fn a_static_number_is_taken_as_it_is_or_not_at_all() {
        let wanted = [dynamic("other"), fixed("game", 7000)];
        let chosen = choose("u", &wanted, 7000..=7001, FREE, UNSHUNNED);
        assert_eq!(
            (number(&chosen, "game"), number(&chosen, "other")),
            (7000, 7001)
        );
        let taken = |n, _| n == 7000;
        assert_eq!(
            choose("u", &wanted, 7000..=7001, &taken, UNSHUNNED)
                .unwrap_err()
                .message,
            "host port 7000 (TCP), which the game fixes for its port \"game\", is in use on this engine; end what uses it, or choose another hostPort in the Game"
        );
    }

    #[test]
    fn a_passthrough_number_is_none_that_another_port_of_the_game_listens_on() {
        let wanted = [
            PortTerms {
                container_port: Some(7000),
                ..dynamic("a")
            },
            port("b", PortPolicy::Passthrough, PortProtocol::UDP),
        ];
        for uid in (0..20).map(|i| format!("u-{i}")) {
            let chosen = choose(&uid, &wanted, 7000..=7002, FREE, UNSHUNNED);
            assert_ne!(number(&chosen, "b"), 7000);
        }
    }

    proptest! {
        #[test]
        fn every_port_gets_its_own_free_number_of_the_range_if_there_is_one(
            uid in ".*",
            start in any::<u16>(),
            length in 0_u16..40,
            taken in proptest::collection::btree_set(any::<u16>(), 0..20),
            near in proptest::collection::btree_set(0_u16..40, 0..20),
            count in 0_usize..8,
        ) {
            let range = start..=start.saturating_add(length);
            let wanted: Vec<PortTerms> = (0..count).map(|i| dynamic(&format!("p{i}"))).collect();
            let used = |n: u16| taken.contains(&n) || near.contains(&n.wrapping_sub(start));
            let free = range.clone().filter(|n| !used(*n)).count();
            match choose(&uid, &wanted, range.clone(), &|n, _| used(n), UNSHUNNED) {
                Ok(chosen) => {
                    let numbers: std::collections::BTreeSet<u16> = chosen.0.values().copied().collect();
                    prop_assert_eq!(chosen.0.len(), count);
                    prop_assert_eq!(numbers.len(), count);
                    prop_assert!(numbers.iter().all(|n| range.contains(n) && !used(*n)));
                }
                Err(_) => prop_assert!(free < count),
            }
        }
    }
}
