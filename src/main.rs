//! Parses the flags, starts telemetry, runs one command, and says how it ended: 0 well, 1 failed, 2 wrong flags.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use dillinger_runner::config::{Cli, Command, EngineCommand, GameCommand};
use dillinger_runner::controller::abandon;
use dillinger_runner::together::{self, Service};
use dillinger_runner::{api, check};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Crd => {
            print!("{}", api::print_crds());
            Ok(())
        }
        Command::Engine(command) => engine(command),
        Command::Game(GameCommand::Check { file }) => check::file(&file),
        Command::Controller(flags) => return serve(Service::controller(*flags)),
        Command::Gateway(flags) => return serve(Service::gateway(flags)),
        Command::Run(flags) => return serve(Service::both(*flags)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ended(&error, 1),
    }
}

/// Runs it, if its flags are right.
fn serve(service: anyhow::Result<Service>) -> ExitCode {
    let done = match service {
        Ok(service) => together::serve(service),
        Err(error) => return ended(&error, 2),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ended(&error, 1),
    }
}

fn engine(command: EngineCommand) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().context("no thread")?;
    runtime.block_on(abandon::engine(command))
}

fn ended(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("dillinger-runner: {error:#}");
    ExitCode::from(code)
}
