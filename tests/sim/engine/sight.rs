//! What a look shows of one container.

use dillinger_runner::api::{Endpoint, keys};
use dillinger_runner::runtime::parse_terms;
use dillinger_runner::session::container::Transport;
use dillinger_runner::session::contract::Terms;
use dillinger_runner::session::seen::{Answer, Container, ContainerId, Exit, Made, Seen};
use jiff::Timestamp;

use super::{Inside, Kept};

/// Where players reach this engine's games.
const ADVERTISED: &str = "127.0.0.1";

impl Kept {
    pub(super) fn terms(&self) -> Option<Terms> {
        parse_terms(self.spec.labels.get(keys::CONTRACT).map(String::as_str))
    }

    pub(super) fn container(&self, id: &str) -> Container {
        let terms = self.terms();
        Container {
            id: ContainerId(id.to_owned()),
            name: self.name.clone(),
            attempt: self.spec.attempt,
            created: self.created,
            started: self.started,
            image: self.spec.image.clone(),
            image_id: Some("sha256:0".to_owned()),
            node_name: Some("simulated".to_owned()),
            endpoints: terms
                .as_ref()
                .map(|t| self.endpoints(t))
                .unwrap_or_default(),
            terms,
        }
    }

    /// The ports that the terms name, in their order.
    fn endpoints(&self, terms: &Terms) -> Vec<Endpoint> {
        let of = |name: &str| {
            let own = self.spec.ports.iter().filter(move |p| p.name == name);
            own.map(|port| Endpoint {
                name: port.name.clone(),
                protocol: match port.transport {
                    Transport::Tcp => "TCP".to_owned(),
                    Transport::Udp => "UDP".to_owned(),
                },
                host: ADVERTISED.to_owned(),
                port: i32::from(port.host_port),
            })
            .collect::<Vec<_>>()
        };
        terms.ports.iter().flat_map(|p| of(&p.name)).collect()
    }

    /// All but what a game must be asked for.
    pub(super) fn seen(&self, id: &str, engine_started: Timestamp) -> Seen {
        let container = self.container(id);
        match &self.state {
            Inside::Created { error, clash } => {
                let made = match (error.is_empty(), clash.is_empty()) {
                    (true, _) => Made::Fresh,
                    (false, true) => Made::Failed(error.clone()),
                    (false, false) => Made::PortClash(clash.clone(), error.clone()),
                };
                Seen::Created(container, made)
            }
            Inside::Live { paused: true, .. } => Seen::Paused(container),
            Inside::Live { .. } => Seen::Running(container, Answer::NotAsked),
            Inside::Exited {
                finished,
                code,
                out_of_memory,
                error,
            } => {
                let readiness = container.terms.as_ref().and_then(|t| t.readiness.as_ref());
                let exit = Exit {
                    code: Some(*code),
                    oom_killed: *out_of_memory,
                    finished: Some(*finished),
                    error: error.clone(),
                    ready_in_log: self.was_ready && readiness.is_some_and(|r| r.log.is_some()),
                    engine_started: Some(engine_started),
                    ..Exit::default()
                };
                Seen::Exited(container, exit)
            }
            Inside::Going => Seen::Going,
        }
    }
}
