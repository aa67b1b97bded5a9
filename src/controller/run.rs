//! The parts put together: watches, claim, triggers, loop. Runs until told to stop; the drain is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::backoff::Backoff;
use super::bucket::Bucket;
use super::cache::GameCache;
use super::claim::{Claim, Claims};
use super::client::WatchAges;
use super::context::{Context, DOUBT_REPORTS};
use super::events;
use super::feeds::{Synced, games_sink, hints, lead, sessions_sink};
use super::gate::{Gate, Stops};
use super::guard::Guarded;
use super::jitter::Jitter;
use super::keeper::{self, EngineNow, Keeper};
use super::lease::Leases;
use super::looks;
use super::memory::Memory;
use super::own_writes::OwnWrites;
use super::patch::Sessions;
use super::pulse;
use super::sweep::Sweep;
use super::triggers::Triggers;
use super::watches::Watch;
use crate::api::{Game, GameSession, RuntimeKind};
use crate::clock::Clock;
use crate::runtime::Runtime;
use crate::session::observation::Owner;
use crate::telemetry::health::{Health, Part};
use crate::telemetry::metrics::Metrics;

/// Longest drain at shutdown: calls under way end or are cut off, no game waits for it.
const DRAIN: Duration = Duration::from_secs(10);

/// What the controller is made of; tests pass their own.
pub struct Setup {
    pub client: Client,
    pub runtime: Arc<dyn Runtime>,
    pub kind: RuntimeKind,
    pub owner: Owner,
    pub provision_deadline: Duration,
    /// Empty: all.
    pub namespaces: Vec<String>,
    pub lease_namespace: String,
    pub elect: bool,
    /// Unique to this process.
    pub identity: String,
    pub clock: Clock,
    pub jitter: Jitter,
    pub metrics: Arc<Metrics>,
    pub health: Health,
    pub ages: WatchAges,
    pub stops: Option<Arc<dyn Stops>>,
}

/// A controller that is not running yet.
pub struct Parts {
    pub ctx: Arc<Context>,
    setup: Setup,
    served: Vec<Served>,
    events: events::Sender,
}

/// One runtime with what keeps the claim on its engine.
struct Served {
    kind: RuntimeKind,
    runtime: Arc<dyn Runtime>,
    keeper: Keeper,
    engine: watch::Sender<EngineNow>,
    /// Where it is shown that the engine is away.
    part: Part,
}

impl Setup {
    /// Puts the parts together; nothing is sent yet.
    pub fn parts(self) -> Parts {
        self.parts_beside(None)
    }

    /// The parts with a second runtime, which is of the other kind.
    pub fn parts_beside(self, beside: Option<(RuntimeKind, Arc<dyn Runtime>)>) -> Parts {
        let (client, clock, metrics) = (
            self.client.clone(),
            self.clock.clone(),
            self.metrics.clone(),
        );
        let mut all = vec![(self.kind, self.runtime.clone())];
        if let Some(beside) = beside {
            for part in [Part::Cluster, Part::ClusterLease] {
                self.health.needs(part);
            }
            all.push(beside);
        }
        let both = all.len() > 1;
        let leases = Arc::new(Leases::new(
            client.clone(),
            &self.lease_namespace,
            self.identity.clone(),
            clock.clone(),
        ));
        let (mut served, mut claims) = (Vec::new(), Vec::new());
        for (kind, runtime) in all {
            let (part, lease) = match kind {
                RuntimeKind::Pod if both => (Part::Cluster, Part::ClusterLease),
                RuntimeKind::Pod | RuntimeKind::Docker => (Part::Engine, Part::Lease),
            };
            let (publish, claim) = watch::channel(Claim::Standby);
            let (engine, engine_now) = watch::channel(None);
            claims.push((kind, claim));
            let keeper = Keeper {
                leases: leases.clone(),
                engine: engine_now,
                publish,
                health: self.health.clone(),
                part: lease,
                elect: self.elect,
                terms: AtomicU64::new(0),
            };
            served.push(Served {
                kind,
                runtime,
                keeper,
                engine,
                part,
            });
        }
        let claims = Claims::new(claims);
        let gate = Arc::new(Gate::new(
            claims.clone(),
            metrics.clone(),
            clock.clone(),
            self.stops.clone(),
        ));
        let (events, sender) = events::channel(
            client.clone(),
            clock.clone(),
            metrics.clone(),
            self.identity.clone(),
        );
        let provision = self.provision_deadline.as_secs();
        let ctx = Arc::new(Context {
            owner: self.owner.clone(),
            runtimes: served
                .iter()
                .map(|one| (one.kind, one.runtime.clone()))
                .collect(),
            served: served.iter().map(|one| one.kind).collect(),
            provision_deadline_seconds: i32::try_from(provision).unwrap_or(i32::MAX),
            process_started: clock.now(),
            clock,
            clock_trusted: AtomicBool::new(false),
            jitter: self.jitter.clone(),
            claims,
            sessions: Sessions::new(client, gate.clone(), metrics.clone()),
            gate,
            leases,
            cache: Arc::default(),
            games: Arc::new(GameCache::default()),
            own_writes: OwnWrites::default(),
            memory: Memory::default(),
            backoff: Backoff::new(self.jitter.clone()),
            triggers: Triggers::default(),
            events,
            metrics,
            doubt_reports: Bucket::new(DOUBT_REPORTS, DOUBT_REPORTS),
        });
        Parts {
            ctx,
            setup: self,
            served,
            events: sender,
        }
    }
}

impl Parts {
    /// Runs until `stop`, then drains, releases the claim and returns. Ends early, with an error, where a part
    /// died: a half-deaf controller is worse than one that is started again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Died> {
        let Parts {
            ctx,
            setup,
            served,
            events,
        } = self;
        let Setup {
            client,
            namespaces,
            health,
            ..
        } = &setup;
        // All end with `stop`, and with this future where that is dropped; the claim outlives the drain.
        let (mut tasks, release) = (JoinSet::new(), CancellationToken::new());
        let synced = Synced::new(watched(namespaces).len());
        for namespace in watched(namespaces) {
            let games = in_namespace::<Guarded<Game>>(client, namespace.as_deref());
            let sessions = in_namespace::<Guarded<GameSession>>(client, namespace.as_deref());
            let follow = setup
                .watch(Part::Games, "games")
                .follow(games, games_sink(&ctx, &synced));
            tasks.spawn(until(stop.clone(), follow));
            let follow = setup
                .watch(Part::Sessions, "gamesessions")
                .follow(sessions, sessions_sink(&ctx, &synced));
            tasks.spawn(until(stop.clone(), follow));
        }
        let mut kept = Vec::new();
        for one in served {
            let Served {
                kind,
                runtime,
                keeper,
                engine,
                part,
            } = one;
            let keeping = tokio::spawn(keeper.run(release.clone()));
            kept.push(AbortOnDropHandle::new(keeping));
            tasks.spawn(until(stop.clone(), hints(ctx.clone(), runtime.clone())));
            let engines = keeper::engines(runtime.clone(), part, health.clone(), engine);
            tasks.spawn(until(stop.clone(), engines));
            // What a session has on a cluster names its owner, and the garbage collector takes it.
            if kind == RuntimeKind::Docker {
                let sweep = Sweep {
                    ctx: ctx.clone(),
                    client: client.clone(),
                    kind,
                    runtime,
                    namespaces: namespaces.clone(),
                };
                tasks.spawn(sweep.run(stop.clone()));
            }
        }
        tasks.spawn(until(stop.clone(), lead(ctx.clone(), synced)));
        tasks.spawn(until(stop.clone(), events.run()));
        tasks.spawn(pulse::run(
            ctx.clone(),
            client.clone(),
            health.clone(),
            stop.clone(),
        ));
        let looks = looks::run(ctx, stop.clone());
        let drained = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        let died = async {
            let ended = tasks.join_next().await;
            if stop.is_cancelled() {
                std::future::pending::<()>().await;
            }
            ended
        };
        let mut outcome = Ok(());
        tokio::select! {
            () = looks => {}
            () = drained => tracing::warn!("shutdown: looks still under way are cut off"),
            ended = died => outcome = Err(Died::from(ended)),
        }
        stop.cancel();
        while let Some(ended) = tasks.join_next().await {
            if ended.is_err() {
                outcome = Err(Died::from(Some(ended)));
            }
        }
        release.cancel();
        for keeping in kept {
            if let Err(error) = keeping.await {
                outcome = Err(Died::from(Some(Err(error))));
            }
        }
        outcome
    }
}

/// A part of the controller ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("a part of the controller died: {0}")]
pub struct Died(String);

impl From<Option<Result<(), tokio::task::JoinError>>> for Died {
    fn from(ended: Option<Result<(), tokio::task::JoinError>>) -> Self {
        match ended {
            Some(Err(error)) => Died(error.to_string()),
            Some(Ok(())) | None => Died("it ended by itself".to_owned()),
        }
    }
}

impl Setup {
    fn watch(&self, part: Part, kind: &'static str) -> Watch {
        Watch {
            part,
            kind,
            health: self.health.clone(),
            ages: self.ages.clone(),
            jitter: self.jitter.clone(),
        }
    }
}

async fn until(stop: CancellationToken, task: impl Future<Output = ()>) {
    tokio::select! {
        () = task => {}
        () = stop.cancelled() => {}
    }
}

/// One watch a namespace; None: all of them with one.
fn watched(namespaces: &[String]) -> Vec<Option<String>> {
    if namespaces.is_empty() {
        return vec![None];
    }
    namespaces.iter().cloned().map(Some).collect()
}

fn in_namespace<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
