//! What a run on a runtime without games lies in: a fresh namespace with a Game, a journal or kubelets, a controller that
//! leads, an observer. Nothing of an earlier run is in it. Waits are bounded, and a failed one tells what the controller said.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::Bench;
use crate::controller::{Controller, Metrics, Options};
use crate::kubelets::Kubelets;
use crate::load::{self, CLIENTS, LIMIT, Load, Maker, Posted, Times, milliseconds};
use crate::procfs::Cpu;
use crate::watch::Observer;
use crate::world::{ControlPlane, World};

/// What stands in for the machines that games run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file, inside the controller: no API server and no engine knows of a container.
    Simulated,
    /// Pods, on nodes that are objects only.
    Pods,
}

/// Nodes, where there are any.
const NODES: usize = 16;

impl Place {
    /// The id of a figure that is taken in both.
    pub fn id(self, of: &str) -> String {
        match self {
            Place::Simulated => of.to_owned(),
            Place::Pods => format!("pods.{of}"),
        }
    }
}

pub struct Bed {
    pub namespace: String,
    pub options: Options,
    pub controller: Controller,
    pub observer: Observer,
    kubelets: Option<Kubelets>,
    load: Load,
    names: Vec<String>,
}

/// A load with all its sessions Ready, and what it took.
pub struct Watched {
    pub posted: Vec<Posted>,
    pub times: Times,
    /// From the first POST until the last Ready.
    pub lasted: Duration,
    pub spent: Spent,
}

/// CPU, in milliseconds a session.
pub struct Spent {
    pub controller: f64,
    pub apiserver: f64,
    pub etcd: f64,
}

impl Watched {
    /// Sessions that became Ready a second.
    pub fn rate(&self) -> f64 {
        self.posted.len() as f64 / self.lasted.as_secs_f64()
    }
}

impl Bed {
    /// A fresh one whose containers are ready at their start.
    pub async fn open(bench: &Bench, stem: &str) -> anyhow::Result<Bed> {
        Bed::open_at(bench, stem, Place::Simulated).await
    }

    /// The same in this place.
    pub async fn open_at(bench: &Bench, stem: &str, place: Place) -> anyhow::Result<Bed> {
        let world = &bench.world;
        let namespace = world.namespace(stem).await?;
        load::make_game(&world.client, &namespace, &load::simulated_game(GAME)).await?;
        let (options, kubelets) = match place {
            Place::Simulated => {
                let options = Options::simulated(world, &namespace, Duration::ZERO);
                (options, None)
            }
            Place::Pods => {
                let kubelets = Kubelets::start(world, &namespace, NODES).await?;
                (Options::pods(&namespace), Some(kubelets))
            }
        };
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
            kubelets,
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

    /// Some sessions before those that are measured: the first of a process pay for its connections.
    pub async fn warm_up(&mut self, bench: &Bench, maker: Maker) -> anyhow::Result<()> {
        let load = self.load(maker, "warm");
        self.burst(bench, &load, 16).await?;
        bench.world.settle().await
    }

    /// A paced load, from its first arrival until all are Ready.
    pub async fn paced(
        &mut self,
        bench: &Bench,
        load: &Load,
        rate: f64,
        lasts: Duration,
        seed: u64,
    ) -> anyhow::Result<Watched> {
        let meter = Meter::read(&self.controller, &bench.world)?;
        let posted = load.paced(rate, lasts, seed).await;
        let posted = self.hold(posted)?;
        self.all_ready(bench, meter, posted).await
    }

    /// A burst, from its first request until all are Ready.
    pub async fn burst(
        &mut self,
        bench: &Bench,
        load: &Load,
        count: usize,
    ) -> anyhow::Result<Watched> {
        let meter = Meter::read(&self.controller, &bench.world)?;
        let posted = load.burst(count).await;
        let posted = self.hold(posted)?;
        self.all_ready(bench, meter, posted).await
    }

    async fn all_ready(
        &mut self,
        bench: &Bench,
        meter: Meter,
        posted: Vec<Posted>,
    ) -> anyhow::Result<Watched> {
        self.names.extend(posted.iter().map(|p| p.name.clone()));
        let waited = self.observer.until_ready(self.names.len(), LIMIT).await;
        self.hold(waited)?;
        let spent = meter.spent(&self.controller, &bench.world, posted.len())?;
        let times = Times::of(&posted, &self.observer)?;
        let first = posted
            .iter()
            .map(|p| p.sent)
            .min()
            .context("nothing was posted")?;
        let ready = posted
            .iter()
            .filter_map(|p| self.observer.seen(&p.name)?.ready);
        let last = ready.max().context("nothing was ready")?;
        Ok(Watched {
            times,
            lasted: last - first,
            spent,
            posted,
        })
    }

    /// What the controller counts.
    pub async fn metrics(&mut self) -> anyhow::Result<Metrics> {
        self.controller.alive()?;
        self.controller
            .metrics()
            .await
            .with_context(|| self.controller.report("no /metrics"))
    }

    /// Waits until the controller has looked at every session since its start; when that was seen.
    pub async fn until_looked_at(&mut self) -> anyhow::Result<Instant> {
        let count = self.sessions() as f64;
        let all = async |controller: &Controller| {
            controller.metrics().await.is_some_and(|m| {
                m.sum("dillinger_reconcile_total") >= count && m.sum("dillinger_queue_depth") == 0.0
            })
        };
        self.controller
            .until("every session was looked at", all)
            .await
    }

    /// A session that was posted by itself belongs to this bed.
    pub fn adopt(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.names.len()
    }

    /// Deletes every session and waits until all are gone.
    pub async fn empty(&mut self) -> anyhow::Result<()> {
        self.empty_by(CLIENTS).await
    }

    /// The same with so many requests at once. Their Pods may be there for longer.
    pub async fn empty_by(&mut self, clients: usize) -> anyhow::Result<()> {
        self.load
            .delete(std::mem::take(&mut self.names), clients)
            .await?;
        let waited = self.observer.until_none(LIMIT).await;
        self.hold(waited)
    }

    /// Waits until the garbage collector has taken the Pods of sessions that are gone; how many a second it took. None:
    /// there is no Pod.
    pub async fn collected(&mut self) -> anyhow::Result<Option<f64>> {
        let Some(kubelets) = &self.kubelets else {
            return Ok(None);
        };
        let (pods, began) = (kubelets.pods(), Instant::now());
        let waited = kubelets.until_none(LIMIT).await;
        let rate = pods as f64 / began.elapsed().as_secs_f64();
        self.hold(waited)?;
        Ok((pods > 0).then_some(rate))
    }

    /// What stands in for machines here.
    pub fn place(&self) -> Place {
        match self.kubelets {
            None => Place::Simulated,
            Some(_) => Place::Pods,
        }
    }

    /// Takes the Pods of sessions that are gone away at once, if there are any.
    pub async fn clear_pods(&mut self) -> anyhow::Result<()> {
        let Some(kubelets) = &self.kubelets else {
            return Ok(());
        };
        let cleared = kubelets.clear(LIMIT).await;
        self.hold(cleared)
    }

    /// Ends the run: nothing of it is left on the API server but the namespace.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.empty().await?;
        self.clear_pods().await?;
        self.controller.alive()?;
        self.controller.kill()?;
        match self.kubelets.take() {
            Some(kubelets) => kubelets.stop().await,
            None => Ok(()),
        }
    }

    /// A failed wait tells what the controller said.
    pub fn hold<T>(&mut self, waited: anyhow::Result<T>) -> anyhow::Result<T> {
        self.controller.alive()?;
        if let Some(kubelets) = &self.kubelets {
            kubelets.alive()?;
        }
        waited.map_err(|error| self.controller.report(&format!("{error:#}")))
    }
}

const GAME: &str = "arena";

/// CPU of all who work for a session, at one moment.
struct Meter {
    controller: Cpu,
    plane: ControlPlane,
}

impl Meter {
    fn read(controller: &Controller, world: &World) -> anyhow::Result<Meter> {
        Ok(Meter {
            controller: controller.cpu()?,
            plane: world.control_plane()?,
        })
    }

    fn spent(
        &self,
        controller: &Controller,
        world: &World,
        sessions: usize,
    ) -> anyhow::Result<Spent> {
        let now = Meter::read(controller, world)?;
        let plane = now.plane.since(&self.plane);
        let each = |used: Duration| milliseconds(used) / sessions as f64;
        Ok(Spent {
            controller: each(now.controller.since(&self.controller)),
            apiserver: each(plane.apiserver),
            etcd: each(plane.etcd),
        })
    }
}
