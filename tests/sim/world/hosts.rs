//! Where controllers run: each of their lives, and what befalls their host, their engine and their clocks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dillinger_runner::api::{Exposure, RuntimeKind};
use dillinger_runner::clock::Clock;
use dillinger_runner::controller::client::WatchAges;
use dillinger_runner::controller::gate::{Point, Stops};
use dillinger_runner::controller::jitter::Jitter;
use dillinger_runner::controller::run::Setup;
use dillinger_runner::runtime::Runtime;
use dillinger_runner::runtime::pod::{PodConfig, PodRuntime};
use dillinger_runner::session::observation::Owner;
use dillinger_runner::telemetry::health::Health;
use dillinger_runner::telemetry::metrics::Metrics;
use futures::future::BoxFuture;
use jiff::SignedDuration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::NAMESPACE;
use crate::apiserver::Server;
use crate::clock::SimClock;
use crate::cluster::Cluster;
use crate::engine::Engine;
use crate::faults::{Fault, Outage, Position, Whose};
use crate::history::{History, What};
use crate::process::Process;
use crate::striking::Striking;

/// Between the death of a controller and the start of the next.
const RESTART: Duration = Duration::from_millis(700);
/// Two lead beside each other for so long at most.
const RIVALRY: Duration = Duration::from_secs(60);
/// A process sweeps so long after it began, and then so often.
const FIRST_SWEEP: Duration = Duration::from_secs(60);
const SWEEPS: Duration = Duration::from_secs(605);
/// So long an engine takes for its restart.
const ENGINE_RESTART: Duration = Duration::from_secs(3);

/// Everything that a controller needs around it; a copy is the same.
#[derive(Clone)]
pub(super) struct Host {
    pub server: Arc<Server>,
    pub engine: Arc<Engine>,
    /// Where games run, if not on the engine.
    pub cluster: Option<Arc<Cluster>>,
    pub striking: Striking,
    /// Of the API server.
    pub world_clock: SimClock,
    /// Of controllers and engine.
    pub clock: SimClock,
    pub history: History,
    pub over: CancellationToken,
    /// Controllers ask the Lease who leads.
    pub elect: bool,
    /// Some write panics.
    pub panics: bool,
    pub running: Running,
}

/// The processes that run; a copy is the same.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<Vec<Runs>>>);

struct Runs {
    name: String,
    /// How it is told to end.
    stop: CancellationToken,
    began: Instant,
}

impl Running {
    /// When one of them sweeps next.
    pub fn next_sweep(&self) -> Option<Instant> {
        let now = Instant::now();
        let next = |began: Instant| {
            let first = began + FIRST_SWEEP;
            let passed = now.saturating_duration_since(first);
            let times = passed.as_nanos().div_ceil(SWEEPS.as_nanos());
            first + SWEEPS * u32::try_from(times).expect("a simulation is short")
        };
        self.lock().iter().map(|one| next(one.began)).min()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Runs>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Panics where the script says so.
struct Panics {
    striking: Striking,
    /// Writes of the processes before this one.
    before: u64,
}

impl Stops for Panics {
    fn at(&self, n: u64, _: &'static str, point: Point) -> BoxFuture<'_, ()> {
        let at = match point {
            Point::Before => Position::Before,
            Point::Between => Position::Between,
            Point::After => Position::After,
        };
        assert!(!self.striking.panics(self.before + n, at), "scripted");
        Box::pin(std::future::ready(()))
    }
}

impl Host {
    /// Runs a controller, and another one after each of its deaths.
    pub async fn supervise(self, name: &'static str) {
        let mut kills = self.striking.kills();
        for life in 1.. {
            let process = Process::new(format!("{name}{life}"));
            let stop = CancellationToken::new();
            self.running.lock().push(Runs {
                name: process.name().to_owned(),
                stop: stop.clone(),
                began: Instant::now(),
            });
            let mut running = tokio::spawn(self.setup(&process).parts().run(stop.clone()));
            tokio::select! {
                () = self.over.cancelled() => {}
                () = process.died() => {}
                _ = kills.changed() => {}
                _ = &mut running => {}
            }
            process.kill();
            // What is left of it does nothing any more; it is told to end so that it costs nothing.
            stop.cancel();
            running.abort();
            self.running.lock().retain(|one| one.name != process.name());
            if self.over.is_cancelled() {
                return;
            }
            let what = What::Died(process.name().to_owned());
            self.history.add(self.clock.elapsed(), "world", what);
            tokio::time::sleep(RESTART).await;
        }
    }

    /// Does what the script wants beside a call of this process.
    pub fn happens(&self, fault: &Fault, process: &Process) {
        let what = What::Note(fault.to_string());
        self.history.add(self.clock.elapsed(), "world", what);
        match fault {
            Fault::Engine { does, .. } => match &self.cluster {
                None => self.strikes_engine(*does),
                Some(cluster) => cluster.strike(*does),
            },
            Fault::Clock { seconds, whose, .. } => {
                let by = SignedDuration::from_secs(*seconds);
                self.clock.jump(by);
                if *whose == Whose::All {
                    self.world_clock.jump(by);
                }
            }
            Fault::Terminate { .. } => {
                let running = self.running.lock();
                let own = running.iter().filter(|one| one.name == process.name());
                own.for_each(|one| one.stop.cancel());
            }
            Fault::Pause { .. } => {
                tokio::spawn(self.clone().supervise("controller-b"));
            }
            // A claim that nobody renews lapses within two seconds: none leads beside another for as long as this.
            Fault::Rival { .. } => {
                let over = self.over.child_token();
                let rival = Host {
                    over: over.clone(),
                    ..self.clone()
                };
                tokio::spawn(rival.supervise("controller-b"));
                tokio::spawn(async move {
                    tokio::time::sleep(RIVALRY).await;
                    over.cancel();
                });
            }
            Fault::Unelected
            | Fault::Crash { .. }
            | Fault::Fail { .. }
            | Fault::Event { .. }
            | Fault::GoneAtStart { .. }
            | Fault::GoneAtBookmark { .. }
            | Fault::Away { .. }
            | Fault::Restore { .. }
            | Fault::Pace { .. }
            | Fault::Panic { .. } => {}
        }
    }

    fn strikes_engine(&self, does: Outage) {
        let engine = self.engine.clone();
        // Whoever took it away already brings it back.
        if !engine.is_up() {
            return;
        }
        let after = match does {
            Outage::Away { ms } | Outage::Frozen { ms } => Duration::from_millis(ms),
            Outage::RestartsLive | Outage::RestartsEmpty | Outage::DiesEmpty => ENGINE_RESTART,
        };
        match does {
            Outage::Away { .. } | Outage::RestartsLive | Outage::DiesEmpty => engine.crash(),
            Outage::Frozen { .. } => engine.freeze(),
            Outage::RestartsEmpty => engine.shut_down(),
        }
        let turns = engine.turns();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            // So does whoever took it away meanwhile.
            if engine.turns() != turns {
                return;
            }
            match does {
                Outage::Away { .. } | Outage::RestartsLive => engine.start_up(true),
                Outage::Frozen { .. } => engine.thaw(),
                Outage::RestartsEmpty | Outage::DiesEmpty => engine.start_up(false),
            }
        });
    }

    fn setup(&self, process: &Process) -> Setup {
        let cluster = self
            .server
            .object("namespaces", "", "kube-system")
            .expect("a cluster has it");
        let wall = self.clock.clone();
        let striking = self.striking.of(process);
        let stops = || -> Arc<dyn Stops> {
            Arc::new(Panics {
                before: striking.writes().len() as u64,
                striking: striking.clone(),
            })
        };
        let ages = WatchAges::default();
        let client = self.server.client_with(process, ages.clone());
        let owner = Owner {
            cluster: cluster["metadata"]["uid"]
                .as_str()
                .expect("a uid")
                .to_owned(),
            controller: "dillinger-runner".to_owned(),
        };
        let kind = match self.cluster {
            None => RuntimeKind::Docker,
            Some(_) => RuntimeKind::Pod,
        };
        let runtime: Arc<dyn Runtime> = match kind {
            RuntimeKind::Docker => self.engine.door(process.clone(), striking.clone()),
            RuntimeKind::Pod => {
                let ages = ages.clone();
                PodRuntime::new(PodConfig {
                    client: client.clone(),
                    owner: owner.clone(),
                    namespaces: Vec::new(),
                    port_range: 7000..=8000,
                    node_port_range: 30_000..=30_999,
                    exposure: Exposure::HostPort,
                    age: Arc::new(move |kind, namespace| ages.age(kind, namespace)),
                })
            }
        };
        Setup {
            client,
            stops: self.panics.then(stops),
            runtime,
            kind,
            owner,
            provision_deadline: Duration::from_secs(3600),
            namespaces: Vec::new(),
            lease_namespace: NAMESPACE.to_owned(),
            elect: self.elect,
            identity: process.name().to_owned(),
            clock: Clock::new(move || wall.now()),
            jitter: Jitter::none(),
            metrics: Arc::new(Metrics::new()),
            health: Health::new(),
            ages,
        }
    }
}
