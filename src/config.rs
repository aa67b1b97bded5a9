//! Raw flags and environment -> [`Config`], once: nobody downstream reads a flag or a variable again.
//!
//! Every flag has an environment variable, `DILLINGER_` and its name in capitals. Nothing here blocks,
//! except that the Pod's own namespace is read from its file.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::api::{Exposure, RuntimeKind};

mod commands;
pub mod gateway;
#[cfg(feature = "simulate")]
pub mod simulation;

pub use commands::{EngineCommand, EngineFlags, GameCommand};

/// Makes one game container true to each GameSession, and writes what it sees back.
#[derive(Debug, Parser)]
#[command(name = "dillinger-runner", version, about, long_about = None, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the sessions of a cluster and run their containers.
    Controller(Box<Flags>),
    /// Serve sessions over REST: the old runner's calls, live events, logs. Reads and writes the resources of a cluster.
    Gateway(gateway::AloneFlags),
    /// Both of these in one process, for one machine.
    Run(Box<gateway::BothFlags>),
    /// Print the CustomResourceDefinitions as YAML.
    Crd,
    /// Show the engine that holds the containers, or declare a lost one as abandoned.
    #[command(subcommand)]
    Engine(EngineCommand),
    /// Look at Games before anybody plays them.
    #[command(subcommand)]
    Game(GameCommand),
}

/// The flags of `controller`, as written.
#[derive(Clone, Debug, Args)]
pub struct Flags {
    /// Where containers may run, separated by commas: Docker (the Docker Engine of this controller), Pod (the cluster
    /// that holds the sessions). Where neither session nor Game choose, the first one.
    #[arg(
        long,
        env = "DILLINGER_RUNTIMES",
        value_delimiter = ',',
        default_value = "Docker",
        value_name = "RUNTIME,…"
    )]
    pub runtimes: Vec<String>,

    /// Name in the label dillinger.dev/controller of all that this controller makes. Two controllers with
    /// one name on one engine and one cluster take each other's place.
    #[arg(
        long,
        env = "DILLINGER_CONTROLLER_NAME",
        default_value = "dillinger-runner"
    )]
    pub controller_name: String,

    /// Host ports that games may get, first-last.
    #[arg(
        long,
        env = "DILLINGER_PORT_RANGE",
        default_value = "7000-8000",
        value_name = "FIRST-LAST"
    )]
    pub port_range: String,

    /// How the ports of a Pod reach players where its Game does not say: HostPort (ports of its node, out of the port
    /// range), NodePort or LoadBalancer (a Service for each session), or None (at the Pod's own address).
    #[arg(
        long,
        env = "DILLINGER_POD_EXPOSURE",
        default_value = "HostPort",
        value_name = "HostPort|NodePort|LoadBalancer|None"
    )]
    pub pod_exposure: String,

    /// Ports that Services of sessions may get, first-last: the cluster's --service-node-port-range, or a part of it.
    #[arg(
        long,
        env = "DILLINGER_NODE_PORT_RANGE",
        default_value = "30000-32767",
        value_name = "FIRST-LAST"
    )]
    pub node_port_range: String,

    /// Address of this host on which a Docker Engine's game ports are published; 0.0.0.0 for all.
    #[arg(long, env = "DILLINGER_BIND_ADDRESS", default_value = "127.0.0.1")]
    pub bind_address: IpAddr,

    /// Host name or address that players are told (status.address) of games on a Docker Engine. Default: the bind
    /// address; with 0.0.0.0 or [::] as the bind address it must be set. A Pod has the address of its node.
    #[arg(long, env = "DILLINGER_ADVERTISE_ADDRESS", value_name = "HOST")]
    pub advertise_address: Option<String>,

    /// Address of health (/healthz, /readyz), /metrics and PUT /log-level. Port 0 takes a free one.
    #[arg(
        long,
        env = "DILLINGER_ADMIN_ADDRESS",
        default_value = "127.0.0.1:3003"
    )]
    pub admin_address: SocketAddr,

    /// Act only while holding the Lease of the engine, so that a second controller can stand by.
    #[arg(
        long,
        env = "DILLINGER_LEADER_ELECT",
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "true|false"
    )]
    pub leader_elect: bool,

    /// Namespace of the Lease. Default: the Pod's own namespace, outside a Pod "default".
    #[arg(long, env = "DILLINGER_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// Namespaces whose sessions and Games are served, separated by commas. Default: all.
    #[arg(
        long,
        env = "DILLINGER_WATCH_NAMESPACES",
        value_delimiter = ',',
        value_name = "NAMESPACE,…"
    )]
    pub watch_namespaces: Vec<String>,

    /// Seconds that a session may take until it has a container (pulls, ports, a missing Game) before it fails.
    #[arg(
        long,
        env = "DILLINGER_PROVISION_DEADLINE",
        default_value_t = 3600,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(i32).range(1..=604_800)
    )]
    pub provision_deadline: i32,

    /// File with the token of a gateway: who shows it at the admin address may read the logs of games. Default: none, nobody may.
    #[arg(long, env = "DILLINGER_GATEWAY_TOKEN_FILE", value_name = "FILE")]
    pub gateway_token_file: Option<PathBuf>,

    #[command(flatten)]
    pub logs: LogFlags,

    /// Docker Engine to use: unix:///path or tcp://host:port. Default: DOCKER_HOST, else /var/run/docker.sock.
    #[arg(long, env = "DILLINGER_DOCKER_HOST", value_name = "URL")]
    pub docker_host: Option<String>,

    #[cfg(feature = "simulate")]
    #[command(flatten)]
    pub simulation: simulation::SimulationFlags,
    /// Collector that gets a trace of each look (OTLP over plain HTTP, no TLS; /v1/traces is appended), such as
    /// http://127.0.0.1:4318. Default: none, no traces.
    #[cfg(feature = "otlp")]
    #[arg(long, env = "DILLINGER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// How a process logs, whatever it serves.
#[derive(Clone, Debug, Args)]
pub struct LogFlags {
    /// One line of text or one JSON object per log entry.
    #[arg(long, env = "DILLINGER_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// Log level (off, error, warn, info, debug, trace), or directives such as "warn,dillinger_runner=debug,kube=info".
    /// PUT /log-level on the controller's admin address changes it while running.
    #[arg(long, env = "DILLINGER_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// The flags, checked and resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Not empty, each once, in the order of the flag.
    pub runtimes: Vec<RuntimeKind>,
    pub controller_name: String,
    pub port_range: RangeInclusive<u16>,
    pub pod_exposure: Exposure,
    pub node_port_range: RangeInclusive<u16>,
    pub bind_address: IpAddr,
    pub advertise_address: String,
    pub admin_address: SocketAddr,
    pub leader_elect: bool,
    pub lease_namespace: String,
    /// Empty: all.
    pub watch_namespaces: Vec<String>,
    pub provision_deadline: Duration,
    pub gateway_token_file: Option<PathBuf>,
    pub log_format: LogFormat,
    pub log_level: String,
    /// None: the runtime's default.
    pub docker_host: Option<String>,
    /// Folder of Docker's credentials file.
    pub docker_config: Option<PathBuf>,
    /// What stands in for every runtime; None: nothing does.
    #[cfg(feature = "simulate")]
    pub simulation: Option<simulation::Simulation>,
    /// None: no traces.
    #[cfg(feature = "otlp")]
    pub otlp_endpoint: Option<String>,
}

/// Why the flags make no configuration. Each names the flag, the value and what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("--runtimes: \"{0}\" is not a runtime of this version; it knows: Docker, Pod")]
    UnknownRuntime(String),
    #[error("--runtimes: name at least one runtime")]
    NoRuntime,
    #[error("{flag}: \"{text}\" is not FIRST-LAST with 1 <= FIRST <= LAST <= 65535")]
    PortRange { flag: &'static str, text: String },
    #[error("--pod-exposure: \"{0}\" is not HostPort, NodePort, LoadBalancer or None")]
    PodExposure(String),
    #[error(
        "--advertise-address: set it, since --bind-address {0} is no address that players can reach"
    )]
    Advertise(IpAddr),
    #[error("--advertise-address: \"{0}\" is neither an IP address nor a host name")]
    AdvertiseName(String),
    #[error("{flag}: \"{value}\" is not a valid name (a-z, 0-9 and -, at most 63)")]
    Name { flag: &'static str, value: String },
    #[error(
        "--gateway-address {0} is reached from other machines: --auth=kubernetes or --auth=passthrough must say who calls"
    )]
    OpenGateway(SocketAddr),
    #[error("--own-sessions-only: without --auth nobody is known, and nobody has sessions")]
    WhoseSessions,
    #[error(
        "--cors-origins: \"{0}\" is no origin such as https://games.example or http://localhost:3001"
    )]
    Origin(String),
    #[error("--controller-url: \"{0}\" is not http://HOST:PORT")]
    ControllerUrl(String),
    #[error("--docker-host: \"{0}\" starts with neither unix:// nor tcp:// nor http://")]
    DockerHost(String),
    #[cfg(feature = "otlp")]
    #[error(
        "--otlp-endpoint: \"{0}\" does not start with http:// (there is no TLS to a collector)"
    )]
    OtlpEndpoint(String),
}

/// Where a Pod finds its own namespace.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

impl Flags {
    /// Checks and resolves the flags; the file of the Pod's namespace is the only thing read.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let own = own_namespace(Path::new(POD_NAMESPACE));
        self.resolve_in(own)
    }

    fn resolve_in(self, own_namespace: Option<String>) -> Result<Config, ConfigError> {
        let Flags {
            runtimes,
            controller_name,
            port_range,
            pod_exposure,
            node_port_range,
            bind_address,
            advertise_address,
            admin_address,
            leader_elect,
            lease_namespace,
            watch_namespaces,
            provision_deadline,
            gateway_token_file,
            logs,
            docker_host,
            #[cfg(feature = "simulate")]
            simulation,
            #[cfg(feature = "otlp")]
            otlp_endpoint,
        } = self;
        check_name("--controller-name", &controller_name)?;
        let watch_namespaces = names("--watch-namespaces", watch_namespaces)?;
        let lease_namespace = lease_namespace
            .or(own_namespace)
            .unwrap_or_else(|| "default".to_owned());
        check_name("--lease-namespace", &lease_namespace)?;
        let docker_host = docker_host_or_environment(docker_host)?;
        Ok(Config {
            runtimes: parse_runtimes(&runtimes)?,
            controller_name,
            port_range: parse_range("--port-range", &port_range)?,
            pod_exposure: parse_exposure(&pod_exposure)?,
            node_port_range: parse_range("--node-port-range", &node_port_range)?,
            bind_address,
            advertise_address: advertised(advertise_address, bind_address)?,
            admin_address,
            leader_elect,
            lease_namespace,
            watch_namespaces,
            provision_deadline: Duration::from_secs(provision_deadline.unsigned_abs().into()),
            gateway_token_file,
            log_format: logs.log_format,
            log_level: logs.log_level,
            docker_host,
            docker_config: docker_config(),
            #[cfg(feature = "simulate")]
            simulation: simulation.resolve(),
            #[cfg(feature = "otlp")]
            otlp_endpoint: collector(otlp_endpoint)?,
        })
    }
}

impl EngineFlags {
    /// The namespaces to look into; empty: all.
    pub fn namespaces(&self) -> Result<Vec<String>, ConfigError> {
        names("--watch-namespaces", self.watch_namespaces.clone())
    }

    /// Where the Docker Engine is; None: the runtime's default.
    pub fn docker_host(&self) -> Result<Option<String>, ConfigError> {
        docker_host_or_environment(self.docker_host.clone())
    }
}

/// The Pod's own namespace; None outside a Pod.
fn own_namespace(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let name = text.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn parse_runtimes(words: &[String]) -> Result<Vec<RuntimeKind>, ConfigError> {
    let mut kinds = Vec::new();
    for word in words.iter().map(|word| word.trim()) {
        let kind = if word.eq_ignore_ascii_case("docker") {
            RuntimeKind::Docker
        } else if word.eq_ignore_ascii_case("pod") {
            RuntimeKind::Pod
        } else {
            return Err(ConfigError::UnknownRuntime(word.to_owned()));
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        return Err(ConfigError::NoRuntime);
    }
    Ok(kinds)
}

fn parse_exposure(word: &str) -> Result<Exposure, ConfigError> {
    Exposure::ALL
        .into_iter()
        .find(|exposure| word.eq_ignore_ascii_case(exposure.as_str()))
        .ok_or_else(|| ConfigError::PodExposure(word.to_owned()))
}

fn parse_range(flag: &'static str, text: &str) -> Result<RangeInclusive<u16>, ConfigError> {
    let refuse = || ConfigError::PortRange {
        flag,
        text: text.to_owned(),
    };
    let (first, last) = text.split_once('-').ok_or_else(refuse)?;
    let first: u16 = first.trim().parse().map_err(|_| refuse())?;
    let last: u16 = last.trim().parse().map_err(|_| refuse())?;
    if first == 0 || first > last {
        return Err(refuse());
    }
    Ok(first..=last)
}

fn advertised(flag: Option<String>, bind: IpAddr) -> Result<String, ConfigError> {
    match flag {
        Some(host) if host.parse::<IpAddr>().is_ok() || is_host_name(&host) => Ok(host),
        Some(host) => Err(ConfigError::AdvertiseName(host)),
        None if bind.is_unspecified() => Err(ConfigError::Advertise(bind)),
        None => Ok(bind.to_string()),
    }
}

fn is_host_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !text.is_empty()
        && text.len() <= 63
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn names(flag: &'static str, values: Vec<String>) -> Result<Vec<String>, ConfigError> {
    let mut names = Vec::new();
    for value in values {
        let value = value.trim().to_owned();
        if value.is_empty() {
            continue;
        }
        check_name(flag, &value)?;
        if !names.contains(&value) {
            names.push(value);
        }
    }
    Ok(names)
}

fn check_name(flag: &'static str, value: &str) -> Result<(), ConfigError> {
    if is_label(value) && !value.chars().any(|c| c.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(ConfigError::Name {
        flag,
        value: value.to_owned(),
    })
}

/// The flag, else Docker's own variable.
fn docker_host_or_environment(flag: Option<String>) -> Result<Option<String>, ConfigError> {
    let own = || std::env::var("DOCKER_HOST").ok();
    let host = flag.or_else(own).filter(|url| !url.is_empty());
    let known = ["unix://", "tcp://", "http://"];
    match host {
        Some(url) if !known.iter().any(|scheme| url.starts_with(scheme)) => {
            Err(ConfigError::DockerHost(url))
        }
        Some(_) | None => Ok(host),
    }
}

/// An empty one is none.
#[cfg(feature = "otlp")]
fn collector(endpoint: Option<String>) -> Result<Option<String>, ConfigError> {
    match endpoint.filter(|url| !url.is_empty()) {
        Some(url) if !url.starts_with("http://") => Err(ConfigError::OtlpEndpoint(url)),
        endpoint => Ok(endpoint),
    }
}

/// Folder of the user's Docker credentials file: DOCKER_CONFIG, else `~/.docker`.
fn docker_config() -> Option<PathBuf> {
    let set = std::env::var_os("DOCKER_CONFIG").filter(|path| !path.is_empty());
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker"));
    set.map(PathBuf::from).or_else(home)
}

#[cfg(test)]
mod tests;
