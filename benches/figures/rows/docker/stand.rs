//! Where the Docker rows are run: a namespace with one Game, its sessions as an outside client makes and sees them,
//! and the engine's events.
//!
//! Everything waits for conditions, with generous limits. [`Stand::clear`] leaves no session and no container.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dillinger_runner::api::{GameSession, GameSessionSpec};
use dillinger_runner::clock::Clock;
use jiff::Timestamp;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::engine::{Engine, Events, LIMIT, Whose};
use crate::controller::{Controller, Options};
use crate::load::make_game;
use crate::watch::Observer;
use crate::world::World;

/// Name of the one Game of a stand.
const GAME: &str = "yard";
/// What a session's stop waits for at most; the test game ends at once.
pub const GRACE_SECONDS: i32 = 5;

pub struct Stand<'a> {
    pub world: &'a World,
    pub namespace: String,
    pub engine: Engine,
    pub events: Events,
    pub observer: Observer,
    pub sessions: Api<GameSession>,
    clock: Clock,
    posted: usize,
}

/// A session that was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    pub name: String,
    pub uid: String,
    /// Just before the request was sent.
    pub at: Instant,
    /// The same moment by the wall clock, to be held against a log.
    pub wall: Timestamp,
    /// When the answer was there.
    pub acked: Instant,
}

/// The test game: ready when it answers a line on its one port, keeps nothing, ends at once when told.
pub fn game(cpu: &str, memory: &str) -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": GAME},
        "spec": {
            "image": "dillinger/testgame:1",
            "imagePullPolicy": "IfNotPresent",
            "args": ["--tcp", "7777"],
            "ports": [{"name": "game", "containerPort": 7777, "protocol": "TCP"}],
            "readiness": {"exchange": {"port": "game", "send": "hello\n", "expect": "pong:hello"}},
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "startDeadlineSeconds": 600,
            "resources": {"limits": {"cpu": cpu, "memory": memory}},
        },
    })
}

impl<'a> Stand<'a> {
    /// A new namespace with this Game, on an engine without a container.
    pub async fn open(world: &'a World, stem: &str, game: Value) -> Result<Stand<'a>> {
        let engine = Engine::here()?;
        engine.clear().await?;
        let namespace = world.namespace(stem).await?;
        make_game(&world.client, &namespace, &game).await?;
        Ok(Stand {
            world,
            events: engine.follow(),
            engine,
            observer: Observer::start(&namespace).await?,
            sessions: Api::namespaced(world.client.clone(), &namespace),
            namespace,
            clock: Clock::system(),
            posted: 0,
        })
    }

    /// How this stand's controllers are started.
    pub fn options(&self) -> Options {
        Options::docker(&self.namespace)
    }

    pub async fn controller(&self) -> Result<Controller> {
        Controller::start(self.world, &self.options()).await
    }

    /// Posts one session, as kubectl would: without the finalizer.
    pub async fn post(&mut self) -> Result<Posted> {
        let mut posted = self.post_many(1).await?;
        posted.pop().context("one was posted")
    }

    /// Posts that many sessions at once.
    pub async fn post_many(&mut self, count: usize) -> Result<Vec<Posted>> {
        let first = self.posted;
        self.posted += count;
        let posts = (first..first + count).map(|number| self.post_one(format!("s-{number}")));
        futures::future::try_join_all(posts).await
    }

    async fn post_one(&self, name: String) -> Result<Posted> {
        let spec = json!({"gameRef": {"name": GAME}, "user": "alice"});
        let spec: GameSessionSpec = serde_json::from_value(spec).context("a session's spec")?;
        let wanted = GameSession::new(&name, spec);
        let (at, wall) = (Instant::now(), self.clock.now());
        let made = self
            .sessions
            .create(&PostParams::default(), &wanted)
            .await
            .with_context(|| format!("POST of session {name}"))?;
        let acked = Instant::now();
        let uid = made.uid().context("the API server gives a uid")?;
        Ok(Posted {
            name,
            uid,
            at,
            wall,
            acked,
        })
    }

    /// Waits until every session posted so far was Ready; when the last of these was.
    pub async fn until_ready(&self, of: &[Posted], limit: Duration) -> Result<Instant> {
        if let Err(error) = self.observer.until_ready(self.posted, limit).await {
            return Err(error.context(self.picture(of).await));
        }
        let ready = |posted: &Posted| {
            let seen = self.observer.seen(&posted.name);
            seen.and_then(|seen| seen.ready)
                .with_context(|| format!("session {} was not seen Ready", posted.name))
        };
        let last = of.iter().map(ready).collect::<Result<Vec<_>>>()?;
        last.into_iter().max().context("no session to wait for")
    }

    /// What the sessions that are not Ready say of themselves; some of them.
    async fn picture(&self, of: &[Posted]) -> String {
        let mut words = Vec::new();
        for posted in of {
            if self
                .observer
                .seen(&posted.name)
                .is_some_and(|s| s.ready.is_some())
            {
                continue;
            }
            words.push(match self.sessions.get(&posted.name).await {
                Ok(session) => {
                    let status = session.status.unwrap_or_default();
                    let said: Vec<String> = status
                        .conditions
                        .unwrap_or_default()
                        .into_iter()
                        .filter(|c| c.type_ == "Ready" || c.type_ == "Accepted")
                        .map(|c| format!("{} {}: {}", c.type_, c.reason, c.message))
                        .collect();
                    format!(
                        "{} {} {said:?}",
                        posted.name,
                        status.phase.unwrap_or_default()
                    )
                }
                Err(error) => format!("{} {error}", posted.name),
            });
            if words.len() == 5 {
                break;
            }
        }
        format!("not Ready: {}", words.join("; "))
    }

    /// Deletes these and waits until they and their containers are gone.
    pub async fn delete(&mut self, posted: &[Posted]) -> Result<()> {
        let deletes = posted.iter().map(async |posted| {
            self.sessions
                .delete(&posted.name, &DeleteParams::default())
                .await
                .with_context(|| format!("DELETE of session {}", posted.name))
        });
        futures::future::try_join_all(deletes).await?;
        self.observer.until_none(LIMIT).await?;
        self.events
            .when_all("destroy", posted.iter().map(|p| Whose::Session(&p.uid)))
            .await?;
        Ok(())
    }

    /// Ends the stand: no container is left, whoever made it.
    pub async fn close(self, controller: Controller) -> Result<()> {
        self.engine.until_empty().await?;
        drop(controller);
        Ok(())
    }
}
