//! What a run on the simulated runtime lies in: a fresh namespace with a Game, a journal, a controller that leads, an
//! observer. Nothing of an earlier run is in it.

use std::time::Duration;

use anyhow::Context;

use super::Bench;
use crate::controller::{Controller, Options};
use crate::load::{self, LIMIT, Load, Maker, Posted};
use crate::watch::Observer;

pub struct Bed {
    pub namespace: String,
    pub options: Options,
    pub controller: Controller,
    pub observer: Observer,
    load: Load,
    names: Vec<String>,
}

impl Bed {
    /// A fresh one whose containers are ready at their start.
    pub async fn open(bench: &Bench, stem: &str) -> anyhow::Result<Bed> {
        let world = &bench.world;
        let namespace = world.namespace(stem).await?;
        load::make_game(&world.client, &namespace, &load::simulated_game(GAME)).await?;
        let options = Options::simulated(world, &namespace, Duration::ZERO);
        let observer = Observer::start(&namespace).await?;
        let controller = Controller::start(world, &options).await?;
        let load = Load {
            client: world.client.clone(),
            namespace: namespace.clone(),
            game: GAME.to_owned(),
            maker: Maker::Kubectl,
            stem: String::new(),
        };
        Ok(Bed {
            namespace,
            options,
            controller,
            observer,
            load,
            names: Vec::new(),
        })
    }

    /// Sessions whose names begin with `stem`, which no other load of this bed has.
    pub fn load(&self, maker: Maker, stem: &str) -> Load {
        Load {
            maker,
            stem: stem.to_owned(),
            ..self.load.clone()
        }
    }

    /// A paced load, from its first arrival until all are Ready.
    pub async fn paced(
        &mut self,
        load: &Load,
        rate: f64,
        lasts: Duration,
        seed: u64,
    ) -> anyhow::Result<Vec<Posted>> {
        let posted = load.paced(rate, lasts, seed).await?;
        self.all_ready(posted).await
    }

    /// A burst, from its first request until all are Ready.
    pub async fn burst(&mut self, load: &Load, count: usize) -> anyhow::Result<Vec<Posted>> {
        let posted = load.burst(count).await?;
        self.all_ready(posted).await
    }

    async fn all_ready(&mut self, posted: Vec<Posted>) -> anyhow::Result<Vec<Posted>> {
        self.names.extend(posted.iter().map(|p| p.name.clone()));
        let waited = self.observer.until_ready(self.names.len(), LIMIT).await;
        self.hold(waited)?;
        Ok(posted)
    }

    /// Deletes every session and waits until all are gone. Measured by nobody, unless they look.
    pub async fn empty(&mut self) -> anyhow::Result<()> {
        self.load.delete(std::mem::take(&mut self.names)).await?;
        let waited = self.observer.until_none(LIMIT).await;
        self.hold(waited)
    }

    /// Ends the run: nothing of it is left on the API server but the namespace.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.empty().await?;
        self.controller.alive()?;
        self.controller.kill()
    }

    /// A failed wait tells what the controller said.
    pub fn hold<T>(&mut self, waited: anyhow::Result<T>) -> anyhow::Result<T> {
        self.controller.alive()?;
        waited.with_context(|| self.controller.report("waited in vain"))
    }
}

const GAME: &str = "arena";
