//! What one controller process remembers of its engine, and loses with its death.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dillinger_runner::api::ImagePullPolicy;
use dillinger_runner::session::container::Transport;
use dillinger_runner::session::contract::PortTerms;
use dillinger_runner::session::observation::Image;
use dillinger_runner::session::ports::{self, ChosenPorts, NoPort};
use dillinger_runner::session::seen::Container;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Does, Engine};

/// A choice that no container took up is free again after this; so is a port that clashed.
const LASTS: Duration = Duration::from_secs(300);
/// The list of a connection stands for looks this long.
const LIST_LASTS: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Memory {
    /// Containers that are asked whether they are ready, by id.
    pub(super) asked: BTreeMap<String, Asked>,
    /// Events that our own calls will cause.
    pub(super) expected: BTreeSet<(String, Does)>,
    /// Sessions whose last look found nothing.
    pub(super) waiting: BTreeSet<String>,
    pub(super) pulls: BTreeMap<String, Pull>,
    pub(super) ports: Ports,
    listed: Option<(Instant, BTreeMap<String, Container>)>,
    /// Sessions whose stop was refused after it had been taken for sent.
    pub(super) refused: BTreeSet<String>,
    /// The engine was called away, and did not come back yet.
    pub(super) away: bool,
}

/// What is known of a container's readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    NotYet,
    NotReady,
    Ready,
}

pub(super) enum Pull {
    Running {
        before: u32,
    },
    Failed {
        times: u32,
        at: Timestamp,
        policy: ImagePullPolicy,
    },
}

impl Memory {
    /// Everything begins again with a list: the sessions whose only container runs.
    pub(super) fn connected(&mut self, running: BTreeMap<String, Container>) {
        self.away = false;
        self.listed = Some((Instant::now(), running));
    }

    pub(super) fn broken(&mut self) {
        self.away = true;
        self.listed = None;
        self.expected.clear();
    }

    /// What the last list says of this session's only container, which ran; it says so once.
    pub(super) fn take_listed(&mut self, uid: &str) -> Option<Container> {
        let (since, running) = self.listed.as_mut()?;
        if since.elapsed() >= LIST_LASTS || running.is_empty() {
            self.listed = None;
            return None;
        }
        running.remove(uid)
    }

    /// As far as the engine need not be asked.
    pub(super) fn image(&self, image: &str) -> Option<Image> {
        match self.pulls.get(image)? {
            Pull::Running { .. } => Some(Image::Pulling(String::new())),
            Pull::Failed {
                times,
                at,
                policy: ImagePullPolicy::Always,
            } => Some(failed(*times, *at)),
            Pull::Failed { .. } => None,
        }
    }

    /// What is said of an image that is not there.
    pub(super) fn missing(&self, image: &str) -> Image {
        match self.pulls.get(image) {
            Some(Pull::Running { .. }) => Image::Pulling(String::new()),
            Some(Pull::Failed { times, at, .. }) => failed(*times, *at),
            None => Image::Missing,
        }
    }

    /// False: one runs already.
    pub(super) fn begin_pull(&mut self, image: &str) -> bool {
        let before = match self.pulls.get(image) {
            Some(Pull::Running { .. }) => return false,
            Some(Pull::Failed { times, .. }) => *times,
            None => 0,
        };
        self.pulls
            .insert(image.to_owned(), Pull::Running { before });
        true
    }

    pub(super) fn end_pull(
        &mut self,
        image: &str,
        came: bool,
        at: Timestamp,
        policy: ImagePullPolicy,
    ) {
        let Some(Pull::Running { before }) = self.pulls.remove(image) else {
            return;
        };
        if !came {
            let times = before + 1;
            self.pulls
                .insert(image.to_owned(), Pull::Failed { times, at, policy });
        }
    }
}

fn failed(times: u32, at: Timestamp) -> Image {
    Image::Failed {
        times,
        at,
        message: "the registry has no such image".to_owned(),
    }
}

/// Choices that no container took up yet, and ports that clashed.
#[derive(Default)]
pub(super) struct Ports {
    in_flight: BTreeMap<String, InFlight>,
    shunned: BTreeMap<u16, Instant>,
}

struct InFlight {
    ports: BTreeSet<(u16, Transport)>,
    /// Starts of the engine until then.
    after: usize,
    renewed: Instant,
}

impl Ports {
    pub(super) fn choose(
        &mut self,
        engine: &Engine,
        uid: &str,
        wanted: &[PortTerms],
    ) -> Result<ChosenPorts, NoPort> {
        if wanted.is_empty() {
            return Ok(ChosenPorts::default());
        }
        let state = engine.lock();
        let now = Instant::now();
        let taken_up = |owner: &String, choice: &InFlight| {
            state
                .took_ports
                .get(owner)
                .is_some_and(|run| *run > choice.after)
        };
        self.in_flight.retain(|owner, choice| {
            now.saturating_duration_since(choice.renewed) < LASTS && !taken_up(owner, choice)
        });
        self.shunned
            .retain(|_, since| now.saturating_duration_since(*since) < LASTS);
        let live = state
            .containers
            .values()
            .filter(|c| c.is_live() && c.uid != uid);
        let bound = live
            .flat_map(|c| &c.spec.ports)
            .map(|p| (p.host_port, p.transport));
        let others = self.in_flight.iter().filter(|(owner, _)| *owner != uid);
        let chosen_before = others.flat_map(|(_, choice)| choice.ports.iter().copied());
        let taken: BTreeSet<(u16, Transport)> = bound.chain(chosen_before).collect();
        let chosen = ports::choose(
            uid,
            wanted,
            state.port_range.clone(),
            &|port, transport| taken.contains(&(port, transport)),
            &|port| self.shunned.contains_key(&port),
        )?;
        let ports = wanted
            .iter()
            .filter_map(|w| Some((*chosen.0.get(&w.name)?, w.protocol)))
            .flat_map(|(number, protocol)| {
                ports::transports(protocol)
                    .iter()
                    .map(move |t| (number, *t))
            })
            .collect();
        let choice = InFlight {
            ports,
            after: state.starts,
            renewed: now,
        };
        self.in_flight.insert(uid.to_owned(), choice);
        Ok(chosen)
    }

    pub(super) fn shun(&mut self, ports: &[u16]) {
        let now = Instant::now();
        self.shunned.extend(ports.iter().map(|port| (*port, now)));
    }

    pub(super) fn forget(&mut self, uid: &str) {
        self.in_flight.remove(uid);
    }
}
