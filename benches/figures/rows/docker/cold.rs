//! A cold session against the bare engine: POST → the engine's `start` event, against create and start of the same
//! body → the same event, alternated. What is made is removed between the measurements and not in them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::bare::{Bare, Started};
use super::engine::Whose;
use super::stand::{Posted, Stand};
use crate::controller::Controller;
use crate::procfs::{Cpu, pid_in};

/// Where the engine's own containerd says its pid.
const CONTAINERD: &str = "/run/docker/containerd/containerd.pid";

/// What one run saw, in milliseconds, an entry a pair.
#[derive(Default)]
pub struct Cold {
    pub bare: Vec<f64>,
    pub started: Vec<f64>,
    pub ready: Vec<f64>,
    pub cpu: CpuUsed,
}

/// CPU, in sum, from POST to Ready and from the bare create to the end of the bare start.
#[derive(Default)]
pub struct CpuUsed {
    pub controller: Duration,
    pub engine: Duration,
    pub engine_bare: Duration,
}

/// dockerd and its containerd. Shims, runc and the engine's port proxies are processes of their own and the same on
/// both sides; they are not in it.
pub struct EnginePids([u32; 2]);

impl EnginePids {
    pub fn of(stand: &Stand<'_>) -> Result<EnginePids> {
        let dockerd = pid_in(&stand.world.folder.join("dockerd.pid"))?;
        Ok(EnginePids([dockerd, pid_in(Path::new(CONTAINERD))?]))
    }

    fn cpu(&self) -> Result<[Cpu; 2]> {
        let [dockerd, containerd] = self.0;
        Ok([Cpu::of(dockerd)?, Cpu::of(containerd)?])
    }

    fn since(&self, earlier: &[Cpu; 2]) -> Result<Duration> {
        let now = self.cpu()?;
        Ok(now.iter().zip(earlier).map(|(n, e)| n.since(e)).sum())
    }
}

impl Cold {
    /// Runs the pairs, after one that is not counted. Every other pair begins with the bare engine.
    pub async fn run(
        stand: &mut Stand<'_>,
        controller: &Controller,
        bare: &Bare,
        pairs: usize,
    ) -> Result<Cold> {
        let engine = EnginePids::of(stand)?;
        Cold::default().bare(stand, bare, &engine).await?;
        Cold::default().session(stand, controller, &engine).await?;
        let mut cold = Cold::default();
        for pair in 0..pairs {
            if pair % 2 == 0 {
                cold.bare(stand, bare, &engine).await?;
                cold.session(stand, controller, &engine).await?;
            } else {
                cold.session(stand, controller, &engine).await?;
                cold.bare(stand, bare, &engine).await?;
            }
        }
        Ok(cold)
    }

    async fn bare(&mut self, stand: &mut Stand<'_>, bare: &Bare, pids: &EnginePids) -> Result<()> {
        let before = pids.cpu()?;
        let Started { id, began, .. } = bare.start().await?;
        let at = stand.events.when("start", Whose::Container(&id)).await?;
        self.cpu.engine_bare += pids.since(&before)?;
        self.bare.push(millis(began, at));
        stand.engine.remove(&id).await?;
        stand.events.when("destroy", Whose::Container(&id)).await?;
        stand.events.forget();
        Ok(())
    }

    async fn session(
        &mut self,
        stand: &mut Stand<'_>,
        controller: &Controller,
        pids: &EnginePids,
    ) -> Result<()> {
        let before = (pids.cpu()?, controller.cpu()?);
        let posted = stand.post().await?;
        let started = stand
            .events
            .when("start", Whose::Session(&posted.uid))
            .await?;
        let posted: [Posted; 1] = [posted];
        let ready = stand.until_ready(&posted, super::engine::LIMIT).await?;
        self.cpu.engine += pids.since(&before.0)?;
        self.cpu.controller += controller.cpu()?.since(&before.1);
        self.started.push(millis(posted[0].at, started));
        self.ready.push(millis(posted[0].at, ready));
        stand.delete(&posted).await?;
        stand.events.forget();
        Ok(())
    }
}

pub fn millis(from: Instant, to: Instant) -> f64 {
    to.duration_since(from).as_secs_f64() * 1e3
}
