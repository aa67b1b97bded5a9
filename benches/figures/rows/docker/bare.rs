//! The bare engine: containers made by create and start alone, from the very body that the controller sent.
//!
//! The body is the one that the proxy saw pass when a session was started through it. Changed are the name, the
//! host ports (of a range of their own), and the first word of each label's key, `yardstick` in place of
//! `dillinger`: as many labels of the same length, and no controller takes the container for its own.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::engine::{Engine, LIMIT};
use super::proxy::Call;

/// Host ports of bare containers: above the controller's, below those of outgoing connections.
const PORTS: std::ops::Range<u16> = 16_000..19_000;

const OURS: &str = "yardstick";
const THEIRS: &str = "dillinger";

/// Between two tries to get an answer.
const STEP: Duration = Duration::from_millis(5);

/// A container that was started.
pub struct Started {
    pub id: String,
    /// Just before the first call.
    pub began: Instant,
    /// On the host.
    pub port: u16,
}

pub struct Bare {
    engine: Engine,
    body: ContainerCreateBody,
    number: AtomicU16,
    /// As the controller's: its creates and starts wait for one of these, a core each.
    lanes: Semaphore,
}

impl Bare {
    /// From the create among these calls.
    pub fn of(engine: Engine, calls: &[Call]) -> Result<Bare> {
        let creates: Vec<&Call> = calls
            .iter()
            .filter(|call| call.kind() == "POST /containers/create")
            .collect();
        let [create] = creates[..] else {
            bail!("one create is to be recorded, and {} passed", creates.len());
        };
        let mut body: ContainerCreateBody =
            serde_json::from_slice(&create.body).context("the body of the recorded create")?;
        let labels = body.labels.take().context("it has labels")?;
        let labels = labels
            .into_iter()
            .map(|(key, value)| (key.replacen(THEIRS, OURS, 1), value))
            .collect();
        body.labels = Some(labels);
        let cores = std::thread::available_parallelism()?.get();
        Ok(Bare {
            engine,
            body,
            number: AtomicU16::new(0),
            lanes: Semaphore::new(cores),
        })
    }

    /// Name, host port and body of the next one, which is like the recorded one.
    fn next(&self) -> Result<(String, u16, ContainerCreateBody)> {
        let mut body = self.body.clone();
        let host = body.host_config.as_mut().context("it has a HostConfig")?;
        let mut bindings = host
            .port_bindings
            .iter_mut()
            .flat_map(|map| map.values_mut())
            .flatten()
            .flatten();
        let (Some(binding), None) = (bindings.next(), bindings.next()) else {
            bail!("a container with one port is to be recorded");
        };
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + number % (PORTS.end - PORTS.start);
        binding.host_port = Some(port.to_string());
        Ok((format!("bare-{number}"), port, body))
    }

    /// Creates and starts one container, as the controller does it with a session's: the two calls, each in a
    /// lane.
    pub async fn start(&self) -> Result<Started> {
        let (name, port, body) = self.next()?;
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let began = Instant::now();
        let docker = &self.engine.docker;
        let made = {
            let _lane = self.lanes.acquire().await?;
            docker
                .create_container(Some(options), body)
                .await
                .with_context(|| format!("bare create of {name}"))?
        };
        let _lane = self.lanes.acquire().await?;
        docker
            .start_container(&made.id, None::<StartContainerOptions>)
            .await
            .with_context(|| format!("bare start of {name}"))?;
        Ok(Started {
            id: made.id,
            began,
            port,
        })
    }

    /// Waits until the game behind it answers, as the controller waits for its own.
    pub async fn until_answers(&self, started: &Started) -> Result<()> {
        let answers = async {
            while answer(started.port).await.is_none() {
                tokio::time::sleep(STEP).await;
            }
        };
        tokio::time::timeout(LIMIT, answers)
            .await
            .with_context(|| format!("no answer at port {} within {LIMIT:?}", started.port))
    }

    /// `POST /stop`, which answers when the game has ended.
    pub async fn stop(&self, id: &str, grace_seconds: i32) -> Result<()> {
        let options = StopContainerOptionsBuilder::new().t(grace_seconds).build();
        self.engine
            .docker
            .stop_container(id, Some(options))
            .await
            .with_context(|| format!("bare stop of {id}"))
    }
}

/// The test game's answer to a line; None: not yet.
async fn answer(port: u16) -> Option<String> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.ok()?);
    stream.write_all(b"hello\n").await.ok()?;
    let mut line = String::new();
    // The engine's proxy takes connections before the game does, and closes them.
    let read = tokio::time::timeout(Duration::from_secs(1), stream.read_line(&mut line));
    read.await.ok()?.ok()?;
    (line == "pong:hello\n").then_some(line)
}
