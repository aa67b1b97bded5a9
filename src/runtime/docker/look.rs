//! One live look at a session's container: by its uid label in every state, and by its name.
//!
//! Never fails: doubt is a value. Absent is said only after the marker was read again, behind the list.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};

use super::client::{CallError, LOOK, Lane};
use super::parse::{self, Binding, Inspected, Place};
use super::probe::Target;
use super::{DockerRuntime, engine, logs};
use crate::api::keys;
use crate::runtime::Look;
use crate::session::facts::{Engine, EngineId};
use crate::session::quoted::plain;
use crate::session::seen::{Answer, Container, Doubt, Exit, Seen, select};

/// Characters of a stranger's image that are shown.
const SHOWN: usize = 256;

/// A look that ends in doubt.
enum Blind {
    Call(CallError),
    OtherEngine { recorded: String, found: String },
}

impl From<CallError> for Blind {
    fn from(error: CallError) -> Blind {
        Blind::Call(error)
    }
}

impl From<Blind> for Seen {
    fn from(blind: Blind) -> Seen {
        Seen::Unknown(match blind {
            Blind::Call(error) => Doubt::EngineUnreachable(error.to_string()),
            Blind::OtherEngine { recorded, found } => Doubt::EngineMismatch { recorded, found },
        })
    }
}

/// What was hit, with the bindings that a probe may need.
struct Hits {
    seen: Vec<Seen>,
    bindings: HashMap<String, Vec<Binding>>,
}

impl DockerRuntime {
    pub(super) async fn look_now(&self, look: &Look<'_>) -> Seen {
        let key = look.key;
        if let Some(seen) = self.in_last_list(look).await {
            return seen;
        }
        // One clock over all calls of the look: a hung engine costs 5 s, not 5 s each.
        let seen = match tokio::time::timeout(LOOK, self.gather(look)).await {
            Ok(Ok(hits)) => {
                let Hits { seen, bindings } = hits;
                self.complete(look, select(seen, look.attempt), &bindings)
                    .await
            }
            Ok(Err(blind)) => blind.into(),
            Err(_) => Blind::Call(CallError::Timeout(LOOK)).into(),
        };
        self.remember_waiting(&key.uid, &seen);
        seen
    }

    /// Right after a (re)connection, one list stands for the looks at all containers that run in it: a
    /// restart with many sessions does not inspect each.
    async fn in_last_list(&self, look: &Look<'_>) -> Option<Seen> {
        let listed = self.listed.take(&look.key.uid)?;
        if look.probe || !self.identity.is_watched() {
            return None;
        }
        let engine = self.identity.now(&self.client).await.ok()?;
        same(look.engine, &engine).ok()?;
        let container = parse::listed(&listed, self.place(&engine))?;
        if container.name != look.key.container_name || Some(container.attempt) != look.attempt {
            return None;
        }
        Some(Seen::Running(container, Answer::NotAsked))
    }

    async fn gather(&self, look: &Look<'_>) -> Result<Hits, Blind> {
        let engine = self.identity.now(&self.client).await?;
        same(look.engine, &engine)?;
        let (listed, named) = tokio::join!(
            self.ids_of(&look.key.uid),
            self.inspect(&look.key.container_name)
        );
        let (ids, named) = (listed?, named?);
        let mut found = Vec::new();
        let mut foreign = None;
        if let Some(inspect) = named {
            if uid(&inspect) == Some(look.key.uid.as_str()) {
                found.push(inspect);
            } else {
                foreign = Some(stranger(&inspect));
            }
        }
        for id in ids {
            if found.iter().any(|i| i.id.as_deref() == Some(id.as_str())) {
                continue;
            }
            // Not there any more: removed since the list.
            if let Some(inspect) = self.inspect(&id).await? {
                found.push(inspect);
            }
        }
        let mut hits = Hits {
            seen: Vec::new(),
            bindings: HashMap::new(),
        };
        for inspect in &found {
            let (seen, bindings) = self.hit(inspect, &engine);
            if let Some(container) = seen.container() {
                hits.bindings.insert(container.id.0.clone(), bindings);
            }
            hits.seen.push(seen);
        }
        if hits.seen.is_empty() {
            // The list came from whatever answered then; that it was the recorded engine is proved behind it.
            let engine = self.identity.prove(&self.client).await?;
            same(look.engine, &engine)?;
            hits.seen.extend(foreign.map(Seen::Foreign));
        }
        Ok(hits)
    }

    fn hit(&self, inspect: &ContainerInspectResponse, engine: &Engine) -> (Seen, Vec<Binding>) {
        let seen = match parse::inspected(inspect, self.place(engine)) {
            Err(why) => {
                let id = inspect.id.as_deref().unwrap_or_default();
                return (
                    Seen::Unknown(Doubt::EngineUnreachable(format!(
                        "container {} is not understood: {why}",
                        short(id)
                    ))),
                    Vec::new(),
                );
            }
            Ok(Inspected::Created(container, made)) => Seen::Created(container, made),
            Ok(Inspected::Running(container)) => Seen::Running(container, Answer::NotAsked),
            Ok(Inspected::Paused(container)) => Seen::Paused(container),
            Ok(Inspected::Going) => Seen::Going,
            Ok(Inspected::Exited(container, exit)) => Seen::Exited(container, exit),
        };
        let bindings = seen
            .container()
            .and_then(|c| c.terms.as_ref())
            .map(|terms| parse::bindings(inspect, &terms.ports))
            .unwrap_or_default();
        (seen, bindings)
    }

    /// Asks what an inspect does not say: whether the game is ready, and what its log ended with.
    async fn complete(
        &self,
        look: &Look<'_>,
        seen: Seen,
        bindings: &HashMap<String, Vec<Binding>>,
    ) -> Seen {
        match seen {
            Seen::Running(container, _) => {
                let bindings = bindings.get(&container.id.0).map_or(&[][..], Vec::as_slice);
                let answer = self.answer(look, &container, bindings).await;
                Seen::Running(container, answer)
            }
            Seen::Exited(container, exit) => {
                self.probes.end(&container.id.0);
                match self.obituary(&container, exit).await {
                    Ok(exit) => Seen::Exited(container, exit),
                    Err(error) => Blind::Call(error).into(),
                }
            }
            other @ (Seen::Unknown(_)
            | Seen::Foreign(_)
            | Seen::Absent
            | Seen::Created(..)
            | Seen::Paused(_)
            | Seen::Going) => other,
        }
    }

    async fn answer(&self, look: &Look<'_>, container: &Container, bindings: &[Binding]) -> Answer {
        let Some(terms) = &container.terms else {
            return Answer::CannotTell(format!("its label {} is not understood", keys::CONTRACT));
        };
        let Some(readiness) = &terms.readiness else {
            return Answer::Ready;
        };
        if !look.probe {
            let answer = self.probes.answer(&container.id.0);
            self.probes.end(&container.id.0);
            return answer.unwrap_or(Answer::NotAsked);
        }
        let targets = self.targets(bindings).await;
        let (hints, uid) = (self.hints.clone(), look.key.uid.clone());
        self.probes.ask(
            &look.key.uid,
            &container.id.0,
            readiness,
            &targets,
            move || hints.session(&uid),
        )
    }

    /// Where the published ports are reached from here: a port that is bound to every address is asked on the
    /// loopback, or on the engine's machine.
    async fn targets(&self, bindings: &[Binding]) -> Vec<Target> {
        let remote = match self.client.remote_host() {
            None => None,
            Some(host) => match host.parse() {
                Ok(address) => Some(address),
                Err(_) => tokio::net::lookup_host((host, 0))
                    .await
                    .ok()
                    .and_then(|mut found| found.next())
                    .map(|found| found.ip()),
            },
        };
        bindings
            .iter()
            .map(|b| Target {
                name: b.name.clone(),
                transport: b.transport,
                address: SocketAddr::new(reachable(b.address, remote), b.port),
            })
            .collect()
    }

    async fn obituary(&self, container: &Container, exit: Exit) -> Result<Exit, CallError> {
        let id = &container.id.0;
        let pattern = container
            .terms
            .as_ref()
            .and_then(|t| t.readiness.as_ref())
            .and_then(|r| r.log.as_ref())
            .and_then(|log| crate::session::pattern::searched(&log.pattern).ok());
        let ready_in_log = match pattern {
            None => false,
            Some(pattern) => unless_silent(logs::contains(&self.client, id, &pattern).await)?,
        };
        Ok(Exit {
            ready_in_log,
            // A log that another log driver keeps cannot be read: the exit is on record all the same.
            last_lines: unless_silent(logs::last_lines(&self.client, id).await)?,
            engine_started: engine::started(&self.client).await?,
            ..exit
        })
    }

    pub(super) async fn ids_of(&self, uid: &str) -> Result<Vec<String>, CallError> {
        let filters = HashMap::from([("label", vec![format!("{}={uid}", keys::UID)])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let listed = self
            .client
            .call(Lane::Look, LOOK, |d| async move {
                d.list_containers(Some(options)).await
            })
            .await?;
        Ok(listed.into_iter().filter_map(|c| c.id).collect())
    }

    async fn inspect(
        &self,
        id_or_name: &str,
    ) -> Result<Option<ContainerInspectResponse>, CallError> {
        let inspected = self
            .client
            .call(Lane::Look, LOOK, |d| async move {
                d.inspect_container(id_or_name, None::<InspectContainerOptions>)
                    .await
            })
            .await;
        match inspected {
            Ok(inspect) => Ok(Some(inspect)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn place<'a>(&'a self, engine: &'a Engine) -> Place<'a> {
        Place {
            advertise: &self.config.advertise_address,
            node_name: engine.name.as_deref(),
        }
    }
}

fn same(recorded: Option<&EngineId>, now: &Engine) -> Result<(), Blind> {
    match recorded {
        Some(recorded) if *recorded != now.id => Err(Blind::OtherEngine {
            recorded: recorded.0.clone(),
            found: now.id.0.clone(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// What an engine that answers cannot say is left out; one that does not answer is doubt.
fn unless_silent<T: Default>(answer: Result<T, CallError>) -> Result<T, CallError> {
    match answer {
        Ok(value) => Ok(value),
        Err(error) if error.is_silence() => Err(error),
        Err(_) => Ok(T::default()),
    }
}

fn uid(inspect: &ContainerInspectResponse) -> Option<&str> {
    parse::labels(inspect)?.get(keys::UID).map(String::as_str)
}

fn stranger(inspect: &ContainerInspectResponse) -> String {
    let id = inspect.id.as_deref().unwrap_or_default();
    let image = inspect
        .config
        .as_ref()
        .and_then(|c| c.image.as_deref())
        .unwrap_or_default();
    format!("container {}, image {}", short(id), plain(image, SHOWN))
}

/// As `docker ps` shows it.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn reachable(bound: IpAddr, remote: Option<IpAddr>) -> IpAddr {
    if !bound.is_unspecified() {
        return bound;
    }
    remote.unwrap_or(match bound {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_on_every_address_is_asked_on_the_loopback_or_the_engines_machine() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(reachable(ip("0.0.0.0"), None), ip("127.0.0.1"));
        assert_eq!(reachable(ip("::"), None), ip("::1"));
        assert_eq!(
            reachable(ip("0.0.0.0"), Some(ip("10.0.0.7"))),
            ip("10.0.0.7")
        );
        assert_eq!(
            reachable(ip("192.0.2.4"), Some(ip("10.0.0.7"))),
            ip("192.0.2.4")
        );
    }

    #[test]
    fn another_engine_is_a_mismatch_that_names_both() {
        let now = Engine {
            id: EngineId("new".into()),
            name: None,
        };
        assert!(same(None, &now).is_ok());
        assert!(same(Some(&EngineId("new".into())), &now).is_ok());
        let blind = same(Some(&EngineId("old".into())), &now).expect_err("another");
        assert_eq!(
            Seen::from(blind),
            Seen::Unknown(Doubt::EngineMismatch {
                recorded: "old".into(),
                found: "new".into()
            })
        );
    }

    #[test]
    fn a_log_that_cannot_be_read_is_left_out_and_silence_is_doubt() {
        let refused = CallError::Answer {
            status: 501,
            message: "no reader".into(),
        };
        assert_eq!(unless_silent::<String>(Err(refused)).expect("left out"), "");
        assert!(unless_silent::<String>(Err(CallError::Timeout(LOOK))).is_err());
    }
}
