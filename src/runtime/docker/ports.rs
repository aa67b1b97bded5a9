//! Which host ports are taken: live containers of anybody, choices in flight, and recent clashes.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::models::{ContainerSummary, PortSummaryTypeEnum};

use crate::api::keys;
use crate::session::container::Transport;
use crate::session::contract::PortTerms;
use crate::session::ports::{self, ChosenPorts, NoPort, transports};

/// A port that clashed is held by something that the engine's list does not show.
const SHUNNED_FOR: Duration = Duration::from_secs(5 * 60);

/// A choice that nobody renewed and no container took up is free again.
const IN_FLIGHT_FOR: Duration = Duration::from_secs(5 * 60);

#[derive(Default)]
pub(super) struct Ports {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// By container id: what its live process is bound to, and the session that it belongs to.
    live: HashMap<String, Live>,
    /// By session uid.
    in_flight: HashMap<String, InFlight>,
    shunned: HashMap<u16, Instant>,
}

struct Live {
    uid: Option<String>,
    ports: BTreeSet<(u16, Transport)>,
}

struct InFlight {
    ports: BTreeSet<(u16, Transport)>,
    renewed: Instant,
}

impl Ports {
    fn locked(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole list of the engine's containers, at every (re)connection.
    pub(super) fn replace(&self, containers: &[ContainerSummary]) {
        let live = containers
            .iter()
            .filter_map(|c| Some((c.id.clone()?, bound(c))))
            .filter(|(_, live): &(String, Live)| !live.ports.is_empty())
            .collect::<HashMap<_, _>>();
        let mut table = self.locked();
        for taken_up in live.values().filter_map(|l| l.uid.as_deref()) {
            table.in_flight.remove(taken_up);
        }
        table.live = live;
    }

    /// One container started.
    pub(super) fn started(&self, container: &ContainerSummary) {
        let live = bound(container);
        if let (Some(id), false) = (container.id.clone(), live.ports.is_empty()) {
            let mut table = self.locked();
            // The choice is taken up: from here on the ports are taken for as long as it runs, and no longer.
            if let Some(uid) = &live.uid {
                table.in_flight.remove(uid);
            }
            table.live.insert(id, live);
        }
    }

    /// One container ended.
    pub(super) fn ended(&self, id: &str) {
        self.locked().live.remove(id);
    }

    pub(super) fn choose(
        &self,
        uid: &str,
        wanted: &[PortTerms],
        range: RangeInclusive<u16>,
    ) -> Result<ChosenPorts, NoPort> {
        self.choose_at(uid, wanted, range, Instant::now())
    }

    fn choose_at(
        &self,
        uid: &str,
        wanted: &[PortTerms],
        range: RangeInclusive<u16>,
        now: Instant,
    ) -> Result<ChosenPorts, NoPort> {
        if wanted.is_empty() {
            return Ok(ChosenPorts::default());
        }
        let mut table = self.locked();
        table
            .in_flight
            .retain(|_, f| now.saturating_duration_since(f.renewed) < IN_FLIGHT_FOR);
        table
            .shunned
            .retain(|_, since| now.saturating_duration_since(*since) < SHUNNED_FOR);
        // A session's own container and own earlier choice are not in its way.
        let taken: BTreeSet<(u16, Transport)> = table
            .live
            .values()
            .filter(|l| l.uid.as_deref() != Some(uid))
            .flat_map(|l| &l.ports)
            .chain(
                table
                    .in_flight
                    .iter()
                    .filter(|(owner, _)| *owner != uid)
                    .flat_map(|(_, f)| &f.ports),
            )
            .copied()
            .collect();
        let chosen = ports::choose(
            uid,
            wanted,
            range,
            &|port, transport| taken.contains(&(port, transport)),
            &|port| table.shunned.contains_key(&port),
        )?;
        let ports = wanted
            .iter()
            .filter_map(|w| Some((*chosen.0.get(&w.name)?, w.protocol)))
            .flat_map(|(number, protocol)| transports(protocol).iter().map(move |t| (number, *t)))
            .collect();
        table.in_flight.insert(
            uid.to_owned(),
            InFlight {
                ports,
                renewed: now,
            },
        );
        Ok(chosen)
    }

    pub(super) fn shun(&self, ports: &[u16]) {
        let now = Instant::now();
        self.locked()
            .shunned
            .extend(ports.iter().map(|port| (*port, now)));
    }

    pub(super) fn forget(&self, uid: &str) {
        self.locked().in_flight.remove(uid);
    }
}

fn bound(container: &ContainerSummary) -> Live {
    let ports = container
        .ports
        .iter()
        .flatten()
        .filter_map(|p| {
            let transport = match p.typ? {
                PortSummaryTypeEnum::TCP => Transport::Tcp,
                PortSummaryTypeEnum::UDP => Transport::Udp,
                // Not a transport that we publish on.
                PortSummaryTypeEnum::SCTP | PortSummaryTypeEnum::EMPTY => return None,
            };
            Some((p.public_port?, transport))
        })
        .collect();
    Live {
        uid: container
            .labels
            .as_ref()
            .and_then(|l| l.get(keys::UID))
            .cloned(),
        ports,
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::PortSummary;

    use super::*;
    use crate::api::{PortPolicy, PortProtocol};

    fn game(policy: PortPolicy, protocol: PortProtocol, number: Option<u16>) -> Vec<PortTerms> {
        vec![PortTerms {
            name: "game".into(),
            container_port: Some(7777),
            protocol,
            policy,
            host_port: number,
        }]
    }

    fn dynamic() -> Vec<PortTerms> {
        game(PortPolicy::Dynamic, PortProtocol::UDP, None)
    }

    fn running(id: &str, uid: Option<&str>, port: u16) -> ContainerSummary {
        ContainerSummary {
            id: Some(id.into()),
            labels: uid.map(|u| HashMap::from([(keys::UID.to_owned(), u.to_owned())])),
            ports: Some(vec![PortSummary {
                ip: Some("0.0.0.0".into()),
                private_port: 1,
                public_port: Some(port),
                typ: Some(PortSummaryTypeEnum::UDP),
            }]),
            ..ContainerSummary::default()
        }
    }

    fn number(ports: &Ports, uid: &str, range: RangeInclusive<u16>) -> Result<u16, NoPort> {
        Ok(ports.choose(uid, &dynamic(), range)?.0["game"])
    }

    #[test]
    fn two_sessions_never_hold_one_number_at_a_time() {
        let ports = Ports::default();
        let a = number(&ports, "a", 7000..=7001).expect("free");
        let b = number(&ports, "b", 7000..=7001).expect("free");
        assert_ne!(a, b);
        assert!(number(&ports, "c", 7000..=7001).is_err());
        ports.forget("a");
        assert_eq!(number(&ports, "c", 7000..=7001), Ok(a));
    }

    #[test]
    fn a_session_keeps_its_own_choice() {
        let ports = Ports::default();
        let first = number(&ports, "a", 7000..=7999);
        assert_eq!(number(&ports, "a", 7000..=7999), first);
        ports.started(&running("c1", Some("a"), first.clone().expect("free")));
        assert_eq!(number(&ports, "a", 7000..=7999), first);
    }

    #[test]
    fn a_strangers_live_container_holds_its_number_until_it_ends() {
        let ports = Ports::default();
        ports.replace(&[running("c1", None, 7000)]);
        assert!(number(&ports, "a", 7000..=7000).is_err());
        ports.ended("c1");
        assert_eq!(number(&ports, "a", 7000..=7000), Ok(7000));
    }

    #[test]
    fn a_number_is_free_as_soon_as_the_container_that_took_it_up_has_ended() {
        let ports = Ports::default();
        assert_eq!(number(&ports, "a", 7000..=7000), Ok(7000));
        ports.started(&running("c1", Some("a"), 7000));
        assert!(number(&ports, "b", 7000..=7000).is_err());
        ports.ended("c1");
        assert_eq!(number(&ports, "b", 7000..=7000), Ok(7000));
    }

    #[test]
    fn one_number_serves_both_transports_for_different_sessions() {
        let ports = Ports::default();
        ports.replace(&[running("c1", None, 7000)]);
        let tcp = game(PortPolicy::Dynamic, PortProtocol::TCP, None);
        assert!(ports.choose("a", &tcp, 7000..=7000).is_ok());
        let both = game(PortPolicy::Dynamic, PortProtocol::TCPUDP, None);
        assert!(ports.choose("b", &both, 7000..=7000).is_err());
    }

    #[test]
    fn a_number_that_clashed_is_shunned_for_five_minutes() {
        let ports = Ports::default();
        ports.shun(&[7000]);
        assert_eq!(number(&ports, "a", 7000..=7001), Ok(7001));
        ports.forget("a");
        ports.shun(&[7001]);
        assert!(number(&ports, "a", 7000..=7001).is_err());
        let later = Instant::now() + SHUNNED_FOR;
        assert!(ports.choose_at("a", &dynamic(), 7000..=7001, later).is_ok());
    }

    #[test]
    fn a_choice_that_nobody_took_up_is_free_again_after_a_while() {
        let ports = Ports::default();
        assert!(number(&ports, "a", 7000..=7000).is_ok());
        let later = Instant::now() + IN_FLIGHT_FOR;
        assert!(ports.choose_at("b", &dynamic(), 7000..=7000, later).is_ok());
    }

    #[test]
    fn a_game_without_ports_needs_none() {
        let ports = Ports::default();
        assert_eq!(
            ports.choose("a", &[], 7000..=7000),
            Ok(ChosenPorts::default())
        );
    }
}
