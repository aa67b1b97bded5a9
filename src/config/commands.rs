//! What the commands for people take: nothing here is read by a service.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum GameCommand {
    /// Explain what the Games of a manifest will do, what is wrong with them and what is worth a thought. Needs no cluster;
    /// ends with 1 where something is wrong.
    Check {
        /// The manifest; - is standard input.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum EngineCommand {
    /// Print the engine that answers, and the sessions recorded on each engine.
    Show(EngineFlags),
    /// Declare that an engine and all it held is lost: annotates every session recorded on it.
    /// Their storage is gone with the engine; sessions that should run start anew.
    Abandon {
        /// Id of the engine, as `engine show` and `status.engine.id` name it.
        id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        flags: EngineFlags,
    },
}

/// What `engine show` and `engine abandon` need to know.
#[derive(Clone, Debug, Args)]
pub struct EngineFlags {
    /// Docker Engine to talk to: unix:///path or tcp://host:port. Default: DOCKER_HOST, else /var/run/docker.sock.
    #[arg(long, env = "DILLINGER_DOCKER_HOST", value_name = "URL")]
    pub docker_host: Option<String>,

    /// Name of the controller whose containers these are.
    #[arg(
        long,
        env = "DILLINGER_CONTROLLER_NAME",
        default_value = "dillinger-runner"
    )]
    pub controller_name: String,

    /// Namespaces to look into, separated by commas. Default: all.
    #[arg(
        long,
        env = "DILLINGER_WATCH_NAMESPACES",
        value_delimiter = ',',
        value_name = "NAMESPACE,…"
    )]
    pub watch_namespaces: Vec<String>,
}
