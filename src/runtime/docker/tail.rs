//! A session's log as its game writes it, for whoever may read it. Ends with the reader.

use futures::stream::{self, StreamExt};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::DockerRuntime;
use super::client::{CallError, Client};
use super::logs::reading;
use crate::runtime::{Log, LogRead};

/// Chunks that wait for a slow reader; then the engine waits.
const WAITING: usize = 16;

impl DockerRuntime {
    /// The log of the session's newest container; None: it has none on this engine.
    pub(super) async fn log_of(&self, uid: &str, read: LogRead) -> Result<Option<Log>, CallError> {
        // The engine lists the newest first.
        let Some(id) = self.ids_of(uid).await?.into_iter().next() else {
            return Ok(None);
        };
        follow(&self.client, id, read).map(Some)
    }
}

fn follow(client: &Client, id: String, read: LogRead) -> Result<Log, CallError> {
    let docker = client.docker()?;
    let options = reading(read.follow, &read.tail.to_string());
    let (sender, receiver) = mpsc::channel(WAITING);
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut log = std::pin::pin!(docker.logs(&id, Some(options)));
        while let Some(Ok(chunk)) = log.next().await {
            if sender.send(chunk.into_bytes()).await.is_err() {
                return;
            }
        }
    }));
    let stream = stream::unfold((receiver, task), |(mut receiver, task)| async move {
        let chunk = receiver.recv().await?;
        Some((chunk, (receiver, task)))
    });
    Ok(stream.boxed())
}
