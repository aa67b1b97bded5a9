//! Which host ports are taken: those of our living Pods, choices in flight, and recent clashes.
//!
//! A number that no other game has anywhere is preferred, so that the choice stays the same wherever the scheduler puts the
//! Pod. Where there is none, one will do that some nodes have free; the scheduler finds one of them.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::session::container::Transport;
use crate::session::contract::PortTerms;
use crate::session::ports::{self, ChosenPorts, NoPort, transports};

/// A port that clashed is held by something that is not ours.
const SHUNNED_FOR: Duration = Duration::from_secs(5 * 60);
/// A choice that no Pod took up is free again.
const IN_FLIGHT_FOR: Duration = Duration::from_secs(5 * 60);

#[derive(Default)]
pub(super) struct Ports(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// By session uid.
    in_flight: HashMap<String, (Instant, BTreeSet<(u16, Transport)>)>,
    shunned: HashMap<u16, Instant>,
}

impl Ports {
    /// `held`: how many living Pods of other sessions hold each; `nodes`: on how many nodes one number can be held.
    pub(super) fn choose(
        &self,
        uid: &str,
        wanted: &[PortTerms],
        range: RangeInclusive<u16>,
        held: HashMap<(u16, Transport), usize>,
        nodes: usize,
    ) -> Result<ChosenPorts, NoPort> {
        if wanted.is_empty() {
            return Ok(ChosenPorts::default());
        }
        let now = Instant::now();
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table
            .in_flight
            .retain(|_, (since, _)| now - *since < IN_FLIGHT_FOR);
        table.shunned.retain(|_, since| now - *since < SHUNNED_FOR);
        // A choice in flight may be held by its Pod already, and then counts twice: rather too careful.
        let mut holders = held;
        let others = table.in_flight.iter().filter(|(owner, _)| *owner != uid);
        for port in others.flat_map(|(_, (_, ports))| ports) {
            let count = holders.entry(*port).or_default();
            *count = (*count).max(1);
        }
        let count = |port, transport| holders.get(&(port, transport)).copied().unwrap_or(0);
        let pick = |most: usize| {
            ports::choose(
                uid,
                wanted,
                range.clone(),
                &|port, transport| count(port, transport) >= most,
                &|port| table.shunned.contains_key(&port),
            )
        };
        let chosen = pick(1).or_else(|none| if nodes > 1 { pick(nodes) } else { Err(none) })?;
        let ports = wanted
            .iter()
            .filter_map(|port| Some((*chosen.0.get(&port.name)?, port.protocol)))
            .flat_map(|(number, protocol)| transports(protocol).iter().map(move |t| (number, *t)))
            .collect();
        table.in_flight.insert(uid.to_owned(), (now, ports));
        Ok(chosen)
    }

    /// A Pod holds what was chosen, from here on for as long as it lives.
    pub(super) fn taken_up(&self, uid: &str) {
        self.forget(uid);
    }

    pub(super) fn shun(&self, ports: &[u16]) {
        let now = Instant::now();
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.shunned.extend(ports.iter().map(|port| (*port, now)));
    }

    pub(super) fn forget(&self, uid: &str) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.in_flight.remove(uid);
    }
}

/// Where a game has an address of its own, its ports have their own numbers.
pub(super) fn own(ports: &[PortTerms]) -> ChosenPorts {
    let numbered = ports
        .iter()
        .filter_map(|port| Some((port.name.clone(), port.container_port?)));
    ChosenPorts(numbered.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{PortPolicy, PortProtocol};

    const RANGE: RangeInclusive<u16> = 7000..=7001;

    fn port() -> [PortTerms; 1] {
        [PortTerms {
            name: "game".to_owned(),
            container_port: Some(7777),
            protocol: PortProtocol::UDP,
            policy: PortPolicy::Dynamic,
            host_port: None,
        }]
    }

    fn chosen(ports: &Ports, uid: &str, held: &[(u16, usize)], nodes: usize) -> Option<u16> {
        let held = held
            .iter()
            .map(|(number, count)| ((*number, Transport::Udp), *count))
            .collect();
        let chosen = ports.choose(uid, &port(), RANGE, held, nodes).ok()?;
        chosen.0.get("game").copied()
    }

    #[test]
    fn a_number_that_nobody_has_comes_before_one_that_a_node_has_free() {
        let ports = Ports::default();
        assert_eq!(chosen(&ports, "a", &[(7000, 1)], 5), Some(7001));
        ports.forget("a");
        assert_eq!(chosen(&ports, "a", &[(7001, 1)], 5), Some(7000));
    }

    #[test]
    fn a_number_is_used_on_as_many_nodes_as_there_are_and_no_more() {
        let ports = Ports::default();
        assert!(chosen(&ports, "a", &[(7000, 1), (7001, 1)], 2).is_some());
        ports.forget("a");
        assert_eq!(chosen(&ports, "a", &[(7000, 2), (7001, 2)], 2), None);
        assert_eq!(chosen(&ports, "a", &[(7000, 1), (7001, 1)], 1), None);
    }

    #[test]
    fn two_sessions_that_choose_at_once_get_two_numbers_and_each_keeps_its_own() {
        let ports = Ports::default();
        let (a, b) = (chosen(&ports, "a", &[], 1), chosen(&ports, "b", &[], 1));
        assert!(a.is_some() && b.is_some());
        assert_ne!(a, b);
        assert_eq!(chosen(&ports, "a", &[], 1), a);
        assert_eq!(chosen(&ports, "c", &[], 1), None);
    }

    #[test]
    fn what_clashed_is_not_chosen_for_a_while() {
        let ports = Ports::default();
        ports.shun(&[7000]);
        assert_eq!(chosen(&ports, "a", &[], 1), Some(7001));
        ports.forget("a");
        ports.shun(&[7001]);
        assert_eq!(chosen(&ports, "a", &[], 1), None);
    }
}
