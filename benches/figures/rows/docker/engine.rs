//! The world's Docker Engine as the rows see it: what happens on it and when, and what is left on it.
//!
//! Waits for events and for conditions, each with a generous limit; the error says what was seen.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use bollard::Docker;
use bollard::models::{ContainerSummary, EventMessage};
use bollard::query_parameters::{
    EventsOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use dillinger_runner::api::keys;
use dillinger_runner::clock::Clock;
use futures::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

/// Far above what a busy machine of two cores ever needed for anything here but many starts at once.
pub const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks, where there is no event to wait for.
const STEP: Duration = Duration::from_millis(20);

#[derive(Clone)]
pub struct Engine {
    pub docker: Docker,
    pub socket: PathBuf,
}

impl Engine {
    /// The world's; none outside a world.
    pub fn here() -> Result<Engine> {
        let host = std::env::var("DOCKER_HOST")
            .context("DOCKER_HOST is not set: these rows run inside tests/world")?;
        let socket = host
            .strip_prefix("unix://")
            .with_context(|| format!("DOCKER_HOST={host} is no socket"))?;
        Ok(Engine {
            docker: Docker::connect_with_host(&host)?.with_timeout(LIMIT),
            socket: PathBuf::from(socket),
        })
    }

    /// Everything that happens to containers from now on. The first event proves that it is followed.
    pub fn follow(&self) -> Events {
        let now = Clock::system().now();
        let since = format!("{}.{:09}", now.as_second(), now.subsec_nanosecond());
        let options = EventsOptionsBuilder::new()
            .since(&since)
            .filters(&HashMap::from([("type", vec!["container"])]))
            .build();
        let docker = self.docker.clone();
        let (sender, receiver) = unbounded_channel();
        let task = tokio::spawn(async move {
            let mut events = std::pin::pin!(docker.events(Some(options)));
            while let Some(event) = events.next().await {
                let told = match event {
                    Ok(event) => Event::read(event).map(Ok),
                    Err(error) => Some(Err(error.to_string())),
                };
                if let Some(told) = told
                    && sender.send(told).is_err()
                {
                    return;
                }
            }
        });
        Events {
            receiver,
            seen: Vec::new(),
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Containers in every state.
    pub async fn containers(&self) -> Result<Vec<ContainerSummary>> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        Ok(self.docker.list_containers(Some(options)).await?)
    }

    /// By force, with its anonymous volumes.
    pub async fn remove(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        self.docker
            .remove_container(id, Some(options))
            .await
            .with_context(|| format!("removing container {id}"))
    }

    /// Removes what a row that failed may have left; whoever made it is dead.
    pub async fn clear(&self) -> Result<()> {
        for container in self.containers().await? {
            let id = container.id.context("a container has an id")?;
            eprintln!("    removing container {id}, which an earlier row left");
            self.remove(&id).await?;
        }
        self.until_empty().await
    }

    /// Waits until no container is left, whoever made it.
    pub async fn until_empty(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let left = self.containers().await?;
            if left.is_empty() {
                return Ok(());
            }
            if began.elapsed() > LIMIT {
                let names: Vec<_> = left.into_iter().filter_map(|c| c.names).flatten().collect();
                bail!("after {LIMIT:?} containers are left: {names:?}");
            }
            tokio::time::sleep(STEP).await;
        }
    }
}

/// What happened to a container, and when it was heard of here.
#[derive(Clone, Debug)]
pub struct Event {
    pub at: Instant,
    /// `create`, `start`, `die`, `destroy`, …
    pub action: String,
    pub id: String,
    /// Of the session; None for a container of ours.
    pub uid: Option<String>,
}

impl Event {
    fn read(event: EventMessage) -> Option<Event> {
        let at = Instant::now();
        let actor = event.actor?;
        Some(Event {
            at,
            action: event.action?,
            id: actor.id?,
            uid: actor
                .attributes
                .and_then(|mut attributes| attributes.remove(keys::UID)),
        })
    }
}

/// Whose container an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    Session(&'a str),
    Container(&'a str),
}

impl Whose<'_> {
    fn is_of(self, event: &Event) -> bool {
        match self {
            Whose::Session(uid) => event.uid.as_deref() == Some(uid),
            Whose::Container(id) => event.id == id,
        }
    }
}

/// The engine's events since [`Engine::follow`]; ends with its drop.
pub struct Events {
    receiver: UnboundedReceiver<Result<Event, String>>,
    seen: Vec<Event>,
    _task: AbortOnDropHandle<()>,
}

impl Events {
    /// When this first happened to it; waits until it has.
    pub async fn when(&mut self, action: &str, whose: Whose<'_>) -> Result<Instant> {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let found = self
                .seen
                .iter()
                .find(|event| event.action == action && whose.is_of(event));
            if let Some(event) = found {
                return Ok(event.at);
            }
            match tokio::time::timeout_at(deadline, self.receiver.recv()).await {
                Ok(Some(Ok(event))) => self.seen.push(event),
                Ok(Some(Err(error))) => bail!("the engine's events broke off: {error}"),
                Ok(None) => bail!("the engine's events ended"),
                Err(_) => return Err(self.in_vain(action, whose)),
            }
        }
    }

    /// When this had happened to all of them.
    pub async fn when_all(
        &mut self,
        action: &str,
        all: impl IntoIterator<Item = Whose<'_>>,
    ) -> Result<Instant> {
        let mut last = None;
        for whose in all {
            let at = self.when(action, whose).await?;
            last = last.max(Some(at));
        }
        last.context("nothing to wait for")
    }

    /// Forgets what happened before: the list of a long run would be searched each time.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    fn in_vain(&self, action: &str, whose: Whose<'_>) -> anyhow::Error {
        let latest: Vec<String> = self
            .seen
            .iter()
            .rev()
            .take(12)
            .map(|e| {
                let id: String = e.id.chars().take(12).collect();
                format!("{} {id} {}", e.action, e.uid.as_deref().unwrap_or("-"))
            })
            .collect();
        anyhow!("no `{action}` of {whose:?} within {LIMIT:?}; the latest events: {latest:?}")
    }
}
