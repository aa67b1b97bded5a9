//! The services of one process: the controller, the gateway, or both. One ends with the other, and both when told to.

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::config::gateway::{AloneFlags, BothFlags, GatewayConfig, controller_url, own_url};
use crate::config::{Config, Flags};
use crate::controller::log_port::Token;
use crate::controller::start;
use crate::gateway::serve;
use crate::telemetry::logs::LogLevel;
use crate::telemetry::process::Process;

/// What the process is to do, its flags checked and its logs set up.
pub struct Service {
    process: Process,
    kind: Kind,
}

enum Kind {
    Controller(Box<Config>, Option<Token>),
    Gateway(GatewayConfig, Option<(String, Option<Token>)>),
    Both(Box<Config>, GatewayConfig),
}

impl Service {
    pub fn controller(flags: Flags) -> anyhow::Result<Self> {
        let config = flags.resolve()?;
        let file = config.gateway_token_file.as_deref();
        let token = file.map(|file| Token::read("--gateway-token-file", file));
        let token = token.transpose()?;
        Ok(Service {
            process: Process::start(&config)?,
            kind: Kind::Controller(Box::new(config), token),
        })
    }

    pub fn gateway(flags: AloneFlags) -> anyhow::Result<Self> {
        let AloneFlags {
            gateway,
            controller_url: url,
            controller_token_file,
            logs,
        } = flags;
        let config = gateway.resolve()?;
        let url = url.as_deref().map(controller_url).transpose()?;
        let file = controller_token_file.as_deref();
        let token = file.map(|file| Token::read("--controller-token-file", file));
        let token = token.transpose()?;
        Ok(Service {
            process: Process::of_logs(logs.log_format, &logs.log_level)?,
            kind: Kind::Gateway(config, url.map(|url| (url, token))),
        })
    }

    pub fn both(flags: BothFlags) -> anyhow::Result<Self> {
        let BothFlags {
            controller,
            gateway,
        } = flags;
        let (config, gateway) = (controller.resolve()?, gateway.resolve()?);
        Ok(Service {
            process: Process::start(&config)?,
            kind: Kind::Both(Box::new(config), gateway),
        })
    }
}

/// Runs it until SIGTERM or SIGINT.
pub fn serve(service: Service) -> anyhow::Result<()> {
    let Service { process, kind } = service;
    // One thread carries thousands of sessions, and its memory lies together: more threads only cost.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().context("no thread")?;
    let level = process.log_level.clone();
    let done = runtime.block_on(async move {
        let stop = start::stop_on_signals()?;
        match kind {
            Kind::Controller(config, token) => start::controller(*config, level, token, stop).await,
            Kind::Gateway(config, backend) => serve::gateway(config, backend, stop).await,
            Kind::Both(config, gateway) => both(*config, gateway, level, stop).await,
        }
    });
    process.end();
    done
}

async fn both(
    config: Config,
    gateway: GatewayConfig,
    level: LogLevel,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if config.admin_address.port() == 0 {
        anyhow::bail!(
            "--admin-address {}: run needs to know the port",
            config.admin_address
        );
    }
    let token = match config.gateway_token_file.as_deref() {
        Some(file) => Token::read("--gateway-token-file", file)?,
        None => Token::random(),
    };
    let backend = (own_url(config.admin_address), Some(token.clone()));
    let controller = async {
        let done = start::controller(config, level, Some(token), stop.clone()).await;
        stop.cancel();
        done
    };
    let gateway = async {
        let done = serve::gateway(gateway, Some(backend), stop.clone()).await;
        stop.cancel();
        done
    };
    let (controller, gateway) = tokio::join!(controller, gateway);
    controller.and(gateway)
}
