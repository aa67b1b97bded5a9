//! A stop: the wish Stopped → the engine's `die` event, and → the phase Stopped, against a bare `POST /stop` → the
//! same event. The test game ends at once when told.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use kube::api::{Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;

use super::bare::Bare;
use super::cold::millis;
use super::engine::{LIMIT, Whose};
use super::stand::{GRACE_SECONDS, Posted, Stand};

/// What one run saw, in milliseconds, an entry a pair.
#[derive(Default)]
pub struct Stop {
    pub bare: Vec<f64>,
    pub died: Vec<f64>,
    pub stopped: Vec<f64>,
}

impl Stop {
    /// Runs the pairs, alternated; starts, removals and the wait until Ready are not measured.
    pub async fn run(stand: &mut Stand<'_>, bare: &Bare, pairs: usize) -> Result<Stop> {
        let mut stop = Stop::default();
        for pair in 0..pairs {
            if pair % 2 == 0 {
                stop.bare(stand, bare).await?;
                stop.session(stand).await?;
            } else {
                stop.session(stand).await?;
                stop.bare(stand, bare).await?;
            }
        }
        Ok(stop)
    }

    async fn bare(&mut self, stand: &mut Stand<'_>, bare: &Bare) -> Result<()> {
        let started = bare.start().await?;
        let id = started.id.clone();
        stand.events.when("start", Whose::Container(&id)).await?;
        bare.until_answers(&started).await?;
        let began = Instant::now();
        let (stopped, died) = tokio::join!(
            bare.stop(&id, GRACE_SECONDS),
            stand.events.when("die", Whose::Container(&id))
        );
        stopped?;
        self.bare.push(millis(began, died?));
        stand.engine.remove(&id).await?;
        stand.events.when("destroy", Whose::Container(&id)).await?;
        stand.events.forget();
        Ok(())
    }

    async fn session(&mut self, stand: &mut Stand<'_>) -> Result<()> {
        let posted: [Posted; 1] = [stand.post().await?];
        stand.until_ready(&posted, LIMIT).await?;
        let [one] = &posted;
        // Open before the wish is written, so that it misses nothing.
        let version = stand
            .sessions
            .get_metadata(&one.name)
            .await?
            .metadata
            .resource_version
            .context("the API server gives a version")?;
        let only = WatchParams::default().fields(&format!("metadata.name={}", one.name));
        let mut watch = Box::pin(stand.sessions.watch(&only, &version).await?);
        let wish = Patch::Merge(json!({"spec": {"desiredState": "Stopped"}}));
        let began = Instant::now();
        stand
            .sessions
            .patch(&one.name, &PatchParams::default(), &wish)
            .await
            .with_context(|| format!("PATCH of session {}", one.name))?;
        let stopped = async {
            let mut phase = String::new();
            while let Some(event) = watch.try_next().await? {
                let seen = Instant::now();
                match event {
                    WatchEvent::Added(session) | WatchEvent::Modified(session) => {
                        phase = session.status.and_then(|s| s.phase).unwrap_or_default();
                        if phase == "Stopped" {
                            return Ok(seen);
                        }
                    }
                    WatchEvent::Bookmark(_) => {}
                    WatchEvent::Deleted(_) => bail!("session {} is gone", one.name),
                    WatchEvent::Error(status) => bail!("watch of session {}: {status:?}", one.name),
                }
            }
            bail!(
                "the watch of session {} ended at the phase {phase:?}",
                one.name
            )
        };
        let (stopped, died) = tokio::join!(
            tokio::time::timeout(LIMIT, stopped),
            stand.events.when("die", Whose::Session(&one.uid))
        );
        let stopped = stopped
            .with_context(|| format!("session {} is not Stopped within {LIMIT:?}", one.name))??;
        self.died.push(millis(began, died?));
        self.stopped.push(millis(began, stopped));
        stand.delete(&posted).await?;
        stand.events.forget();
        Ok(())
    }
}
