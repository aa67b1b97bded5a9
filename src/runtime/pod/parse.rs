//! A Pod as the API server tells it -> what of it is kept, and that -> the container in words that fit every runtime. Pure.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::body::{EXPOSURE, GAME, PORTS, protocol};
use super::told::{self, PodTold, Status};
use crate::api::{Endpoint, Exposure, keys};
use crate::runtime::parse_terms;
use crate::session::container::Transport;
use crate::session::contract::PortTerms;
use crate::session::ports::transports;
use crate::session::reason::Reason;
use crate::session::seen::{Answer, Container, ContainerId, Doubt, Exit, Made, Seen};

/// Characters of the cluster's words that a message shows.
const TOLD: usize = 512;

/// What is kept of one Pod of ours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodSeen {
    /// UID of its session.
    pub(super) session: Arc<str>,
    pub(super) namespace: Arc<str>,
    pub(super) name: String,
    /// Its own UID.
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) attempt: Option<i32>,
    pub(super) created: Timestamp,
    pub(super) image: Arc<str>,
    pub(super) image_id: Option<Arc<str>>,
    /// Once it is bound.
    pub(super) node: Option<Arc<str>>,
    /// The annotation with the terms.
    pub(super) contract: Option<Arc<str>>,
    /// The annotation with the public ports.
    pub(super) ports: Option<String>,
    /// How they reach players.
    pub(super) exposure: Exposure,
    /// Its own address, while it has one.
    pub(super) address: Option<String>,
    /// The host ports that it holds on its node.
    pub(super) bound: Vec<(u16, Transport)>,
    /// Somebody deleted it.
    pub(super) terminating: bool,
    /// When its game began, also where it has ended.
    pub(super) started: Option<Timestamp>,
    pub(super) state: State,
}

/// Why a game ended whose Pod somebody deleted.
pub(super) const DELETED: &str = "Deleted";

/// How far it has come.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// Not running yet: what it waits for, and in whose words.
    Waiting(Reason, String),
    /// The scheduler found no node on which its host ports are free.
    NoFreePort(String),
    /// `ready`: as its kubelet says.
    Running {
        ready: bool,
    },
    Ended(Box<Exit>),
    /// Its kubelet does not say how it is.
    Lost,
}

/// What is known of the node that a Pod is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// It is not bound.
    None,
    /// It reports.
    Ready,
    /// It does not report, or there is none of this name.
    Away,
}

impl PodSeen {
    /// None: it carries no session's uid, and is not ours.
    pub(super) fn of(pod: &PodTold) -> Option<PodSeen> {
        let labels = pod.labels();
        let spec = pod.spec.as_ref();
        let mut containers = spec
            .and_then(|s| s.containers.as_ref())
            .into_iter()
            .flatten();
        let game = containers.find(|container| container.name == GAME);
        let silent = Status::default();
        let status = pod.status.as_ref().unwrap_or(&silent);
        let of_game = of_game(status);
        Some(PodSeen {
            session: labels.get(keys::UID)?.as_str().into(),
            namespace: pod.namespace().unwrap_or_default().into(),
            name: pod.name_any(),
            id: pod.uid().unwrap_or_default(),
            version: version(pod),
            attempt: labels.get(keys::ATTEMPT).and_then(|text| text.parse().ok()),
            created: pod
                .creation_timestamp()
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            image: game
                .and_then(|game| game.image.as_deref())
                .unwrap_or_default()
                .into(),
            image_id: of_game
                .and_then(|game| game.image_id.as_deref())
                .filter(|id| !id.is_empty())
                .map(Arc::from),
            node: spec
                .and_then(|spec| spec.node_name.as_deref())
                .map(Arc::from),
            contract: pod
                .annotations()
                .get(keys::CONTRACT)
                .map(|text| text.as_str().into()),
            ports: pod.annotations().get(PORTS).cloned(),
            exposure: exposure(pod.annotations().get(EXPOSURE)),
            address: status.pod_ip.clone(),
            bound: game.map(bound).unwrap_or_default(),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            started: started(status),
            state: state(status, deleted(pod).as_ref()),
        })
    }

    /// What it is to the plan, on a node like this and with players at this host. Whether a game that runs is ready is
    /// asked besides where the kubelet cannot say it.
    pub(super) fn seen(&self, node: Node, host: Option<&str>) -> Seen {
        let Some(attempt) = self.attempt else {
            return Seen::Unknown(Doubt::EngineUnreachable(format!(
                "Pod {} is not understood: it has no label {}",
                self.name,
                keys::ATTEMPT
            )));
        };
        let container = || self.container(attempt, host);
        let lost = || {
            let node = self.node.as_deref().unwrap_or_default().to_owned();
            Seen::Unknown(Doubt::NodeLost(node))
        };
        match (&self.state, node) {
            // How it ended was told before its node went away, or by those who gave the node up.
            (State::Ended(exit), _) => Seen::Exited(container(), (**exit).clone()),
            (_, Node::Away) | (State::Lost, _) => lost(),
            (State::Waiting(..) | State::NoFreePort(_) | State::Running { .. }, _)
                if self.terminating =>
            {
                Seen::Going
            }
            (State::Waiting(reason, words), _) => {
                Seen::Created(container(), Made::Awaited(*reason, words.clone()))
            }
            (State::NoFreePort(words), _) => {
                let mut clash: Vec<u16> = self.bound.iter().map(|(number, _)| *number).collect();
                clash.dedup();
                Seen::Created(container(), Made::PortClash(clash, words.clone()))
            }
            (State::Running { ready }, _) => {
                let answer = if *ready {
                    Answer::Ready
                } else {
                    Answer::NotReady("the game did not answer the kubelet's probe yet".to_owned())
                };
                Seen::Running(container(), answer)
            }
        }
    }

    fn container(&self, attempt: i32, host: Option<&str>) -> Container {
        let terms = parse_terms(self.contract.as_deref());
        let ports = terms.as_ref().map_or(&[][..], |terms| &terms.ports);
        Container {
            id: ContainerId(self.id.clone()),
            name: self.name.clone(),
            attempt,
            created: self.created,
            started: self.started,
            image: self.image.to_string(),
            image_id: self.image_id.as_deref().map(str::to_owned),
            node_name: self.node.as_deref().map(str::to_owned),
            endpoints: host.map_or_else(Vec::new, |host| self.endpoints(ports, host)),
            terms,
        }
    }

    /// The public numbers, by the Game's name for the port.
    fn numbers(&self) -> impl Iterator<Item = (&str, u16)> {
        let list = self.ports.as_deref().unwrap_or_default();
        list.split(',')
            .filter_map(|pair| pair.split_once('='))
            .filter_map(|(name, number)| Some((name, number.parse().ok()?)))
    }

    /// In the Game's order, TCP first.
    fn endpoints(&self, ports: &[PortTerms], host: &str) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        for port in ports {
            let Some((_, number)) = self.numbers().find(|(name, _)| *name == port.name) else {
                continue;
            };
            for transport in transports(port.protocol) {
                endpoints.push(Endpoint {
                    name: port.name.clone(),
                    protocol: protocol(*transport).to_owned(),
                    host: host.to_owned(),
                    port: number.into(),
                });
            }
        }
        endpoints
    }
}

/// A Pod without a word of it has host ports.
fn exposure(word: Option<&String>) -> Exposure {
    let mut all = Exposure::ALL.into_iter();
    all.find(|known| word.is_some_and(|word| word == known.as_str()))
        .unwrap_or(Exposure::HostPort)
}

fn bound(game: &told::Container) -> Vec<(u16, Transport)> {
    let port = |port: &told::Port| {
        let transport = match port.protocol.as_deref() {
            Some("UDP") => Transport::Udp,
            Some(_) | None => Transport::Tcp,
        };
        Some((u16::try_from(port.host_port?).ok()?, transport))
    };
    game.ports.iter().flatten().filter_map(port).collect()
}

/// When somebody asked for its deletion.
fn deleted(pod: &PodTold) -> Option<Timestamp> {
    let end = pod.metadata.deletion_timestamp.as_ref()?.0;
    let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
    let grace = jiff::SignedDuration::from_secs(grace);
    Some(end.checked_sub(grace).unwrap_or(end))
}

/// The version of an object, as a number that grows.
pub(super) fn version(pod: &PodTold) -> u64 {
    let text = pod.metadata.resource_version.as_deref();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn of_game(status: &Status) -> Option<&told::ContainerStatus> {
    let all = status.container_statuses.as_ref()?;
    all.iter().find(|container| container.name == GAME)
}

/// A kubelet tells 1970 of what never ran.
fn started(status: &Status) -> Option<Timestamp> {
    let state = of_game(status)?.state.as_ref()?;
    let running = state.running.as_ref().map(|running| running.started_at);
    let ended = state.terminated.as_ref().map(|end| end.started_at);
    let started = running.or(ended)??;
    (started > Timestamp::UNIX_EPOCH).then_some(started)
}

fn state(status: &Status, deleted: Option<&Timestamp>) -> State {
    let phase = status.phase.as_deref().unwrap_or_default();
    let game = of_game(status);
    let state = game.and_then(|game| game.state.as_ref());
    if let Some(end) = state.and_then(|state| state.terminated.as_ref()) {
        let finished = end.finished_at;
        // A game that ended before anybody asked for its deletion ended by itself.
        let asked_first = deleted.filter(|deleted| finished.is_none_or(|end| end >= **deleted));
        return State::Ended(Box::new(Exit {
            code: Some(end.exit_code.unwrap_or(0)),
            oom_killed: end.reason.as_deref() == Some("OOMKilled"),
            finished,
            error: end.message.clone().unwrap_or_default(),
            interrupted: outside(status, phase).or_else(|| asked_first.map(|_| DELETED.to_owned())),
            ..Exit::default()
        }));
    }
    if ["Failed", "Succeeded"].contains(&phase) {
        return State::Ended(Box::new(Exit {
            error: status.message.clone().unwrap_or_default(),
            interrupted: outside(status, phase).or_else(|| deleted.map(|_| DELETED.to_owned())),
            ..Exit::default()
        }));
    }
    if phase == "Unknown" {
        return State::Lost;
    }
    if state.is_some_and(|state| state.running.is_some()) {
        return State::Running {
            ready: game.is_some_and(|g| g.ready == Some(true) && g.started != Some(false)),
        };
    }
    let waiting = state.and_then(|state| state.waiting.as_ref());
    if let Some(waiting) = waiting
        && let Some(reason) = wrong(waiting.reason.as_deref().unwrap_or_default())
    {
        let word = waiting.reason.as_deref().unwrap_or_default();
        let words = waiting.message.as_deref().unwrap_or_default();
        return State::Waiting(reason, told(word, words));
    }
    match unscheduled(status) {
        Some(words) if words.contains("free ports") => State::NoFreePort(words),
        Some(words) => State::Waiting(Reason::Unschedulable, words),
        None => State::Waiting(Reason::Creating, String::new()),
    }
}

/// The cause where the end came from outside, in the cluster's word for it: refused by its kubelet (OutOfcpu, NodePorts,
/// NodeAffinity, …), evicted, preempted, drained, its node shut down or given up.
fn outside(status: &Status, phase: &str) -> Option<String> {
    if phase == "Failed"
        && let Some(reason) = status.reason.as_deref().filter(|word| !word.is_empty())
    {
        let words = status.message.as_deref().unwrap_or_default();
        return Some(told(reason, words));
    }
    let disrupted = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.kind == "DisruptionTarget" && condition.status == "True")?;
    let word = disrupted.reason.as_deref().unwrap_or("DisruptionTarget");
    Some(told(word, disrupted.message.as_deref().unwrap_or_default()))
}

/// What a container waits for that does not come by itself. Everything else is on its way.
fn wrong(word: &str) -> Option<Reason> {
    match word {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => Some(Reason::ImagePullFailed),
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "PreCreateHookError"
        | "PreStartHookError"
        | "CreatePodSandboxError" => Some(Reason::StartFailed),
        _ => None,
    }
}

/// The scheduler's words, where it found no node.
fn unscheduled(status: &Status) -> Option<String> {
    let scheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.kind == "PodScheduled")?;
    let nowhere = scheduled.status == "False"
        && ["Unschedulable", "SchedulingGated"]
            .contains(&scheduled.reason.as_deref().unwrap_or_default());
    nowhere.then(|| cut(scheduled.message.as_deref().unwrap_or_default()))
}

fn told(word: &str, words: &str) -> String {
    match words.trim() {
        "" => word.to_owned(),
        words => cut(&format!("{word}: {words}")),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TOLD).collect()
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
