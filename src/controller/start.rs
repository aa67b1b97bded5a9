//! From a configuration to a controller that runs: telemetry, the admin port, the client, the runtime.
//!
//! Missing things (API server, definitions, engine) are waited for and named by `/readyz`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::client::{self, WatchAges};
use super::context::Context;
use super::gate::Stops;
use super::jitter::Jitter;
use super::log_port::{self, Token};
use super::pulse;
use super::run::Setup;
use super::scrape::scrape;
use crate::api::RuntimeKind;
use crate::clock::Clock;
use crate::config::Config;
#[cfg(feature = "simulate")]
use crate::config::simulation::Simulation;
use crate::runtime::Runtime;
use crate::runtime::docker::{DockerConfig, DockerRuntime};
use crate::runtime::pod::{PodConfig, PodRuntime};
#[cfg(feature = "simulate")]
use crate::runtime::simulated::{SimulatedConfig, SimulatedRuntime};
use crate::session::observation::Owner;
use crate::telemetry::admin::{self, Admin};
use crate::telemetry::health::Health;
use crate::telemetry::logs::LogLevel;
use crate::telemetry::metrics::Metrics;

/// Runs the controller until `stop`. Who shows `token` may read logs at the admin port.
pub async fn controller(
    config: Config,
    log_level: LogLevel,
    token: Option<Token>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let stops = stops()?;
    let (health, ages, metrics) = (
        Health::new(),
        WatchAges::default(),
        Arc::new(Metrics::new()),
    );
    let ctx: Arc<OnceLock<Arc<Context>>> = Arc::default();
    let listener = admin::listen(config.admin_address).await?;
    let address = listener
        .local_addr()
        .context("the admin port has no address")?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), %address, controller = config.controller_name, "starting"
    );
    let page = Admin {
        health: health.clone(),
        log_level: Some(log_level),
        beside: log_port::router(token, ctx.clone()),
        scrape: {
            let (ctx, health, ages) = (ctx.clone(), health.clone(), ages.clone());
            let metrics = metrics.clone();
            Arc::new(move || match ctx.get() {
                Some(ctx) => scrape(ctx, &health, &ages),
                None => metrics.encode(),
            })
        },
    };
    // Answers until the very end: a drain is to be seen too.
    let end = CancellationToken::new();
    let served = tokio::spawn(admin::serve(listener, page, end.clone()));

    let client = client::connect(&ages).await?;
    if let Some(cluster) = pulse::cluster(&client, &health, &stop).await {
        let owner = Owner {
            cluster,
            controller: config.controller_name.clone(),
        };
        let clock = Clock::system();
        let around = Around {
            client: &client,
            ages: &ages,
            owner: &owner,
            clock: &clock,
        };
        let mut runtimes = Vec::new();
        for kind in &config.runtimes {
            runtimes.push((*kind, runtime(*kind, &config, &around)?));
        }
        let mut runtimes = runtimes.into_iter();
        let (kind, runtime) = runtimes.next().context("no runtime is to be served")?;
        let setup = Setup {
            client,
            runtime,
            kind,
            owner,
            provision_deadline: config.provision_deadline,
            namespaces: config.watch_namespaces,
            lease_namespace: config.lease_namespace,
            elect: config.leader_elect,
            identity: identity(),
            clock,
            jitter: Jitter::random(),
            metrics,
            health,
            ages,
            stops,
        };
        let parts = setup.parts_beside(runtimes.next());
        let _ = ctx.set(parts.ctx.clone());
        parts.run(stop).await?;
    }
    end.cancel();
    served.await.context("the admin port failed")?;
    tracing::info!("stopped; games go on");
    Ok(())
}

/// What every runtime is made with.
struct Around<'a> {
    client: &'a kube::Client,
    ages: &'a WatchAges,
    owner: &'a Owner,
    clock: &'a Clock,
}

/// Where containers run, or what stands in for it.
fn runtime(
    kind: RuntimeKind,
    config: &Config,
    around: &Around<'_>,
) -> anyhow::Result<Arc<dyn Runtime>> {
    let Around {
        client,
        ages,
        owner,
        clock,
    } = *around;
    #[cfg(feature = "simulate")]
    if let Some(simulation) = &config.simulation {
        return simulated(config, simulation, owner, clock);
    }
    Ok(match kind {
        RuntimeKind::Docker => DockerRuntime::new(docker(config, owner, clock)),
        RuntimeKind::Pod => {
            let ages = ages.clone();
            PodRuntime::new(PodConfig {
                client: client.clone(),
                owner: owner.clone(),
                namespaces: config.watch_namespaces.clone(),
                port_range: config.port_range.clone(),
                node_port_range: config.node_port_range.clone(),
                exposure: config.pod_exposure,
                age: Arc::new(move |kind, namespace| ages.age(kind, namespace)),
            })
        }
    })
}

#[cfg(feature = "simulate")]
fn simulated(
    config: &Config,
    simulation: &Simulation,
    owner: &Owner,
    clock: &Clock,
) -> anyhow::Result<Arc<dyn Runtime>> {
    let file = simulation.file.display();
    tracing::warn!(%file, "SIMULATED: nothing real runs, this file stands in for the engine");
    let runtime = SimulatedRuntime::open(SimulatedConfig {
        file: simulation.file.clone(),
        ready_after: simulation.ready_after,
        owner: owner.clone(),
        advertise_address: config.advertise_address.clone(),
        clock: clock.clone(),
    });
    Ok(runtime.with_context(|| format!("--simulate: {file}"))?)
}

fn docker(config: &Config, owner: &Owner, clock: &Clock) -> DockerConfig {
    DockerConfig {
        host: config.docker_host.clone(),
        owner: owner.clone(),
        bind_address: config.bind_address,
        advertise_address: config.advertise_address.clone(),
        port_range: config.port_range.clone(),
        credentials: config.docker_config.clone(),
        clock: clock.clone(),
    }
}

/// A Docker runtime that is only asked and never made to run anything.
pub(super) fn docker_to_ask(host: Option<String>, owner: Owner) -> Arc<DockerRuntime> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    DockerRuntime::new(DockerConfig {
        host,
        owner,
        bind_address: loopback,
        advertise_address: loopback.to_string(),
        port_range: 1..=1,
        credentials: None,
        clock: Clock::system(),
    })
}

/// Host name, process and a random part: unique among all processes that may hold a Lease.
fn identity() -> String {
    use std::hash::{BuildHasher, RandomState};
    let host = std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty());
    let host = host.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    let host = host.unwrap_or_else(|| "host".to_owned());
    let pid = std::process::id();
    let random = RandomState::new().hash_one(pid);
    format!("{}-{pid}-{random:016x}", host.trim())
}

/// Cancelled by the first SIGTERM or SIGINT; the second ends the process at once.
pub fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut term = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
    let told = stop.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            if !first {
                tracing::warn!("told to stop twice: ending at once");
                std::process::exit(1);
            }
            tracing::info!("told to stop: looks under way end, games go on");
            told.cancel();
        }
    });
    Ok(stop)
}

#[cfg(feature = "failpoints")]
fn stops() -> anyhow::Result<Option<Arc<dyn Stops>>> {
    Ok(super::failpoints::Failpoints::from_environment()?)
}

#[cfg(not(feature = "failpoints"))]
fn stops() -> anyhow::Result<Option<Arc<dyn Stops>>> {
    Ok(None)
}
