//! Parses the flags, starts telemetry, runs one command, and says how it ended: 0 well, 1 failed, 2 wrong flags.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use dillinger_runner::api;
use dillinger_runner::config::{Cli, Command, Config, EngineCommand, Flags};
use dillinger_runner::controller::{abandon, start};
use dillinger_runner::telemetry::process::Process;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Crd => {
            print!("{}", api::print_crds());
            Ok(())
        }
        Command::Engine(command) => engine(command),
        Command::Controller(flags) => match configure(*flags) {
            Ok((config, process)) => controller(config, process),
            Err(error) => return ended(&error, 2),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ended(&error, 1),
    }
}

fn configure(flags: Flags) -> anyhow::Result<(Config, Process)> {
    let config = flags.resolve()?;
    let process = Process::start(&config)?;
    Ok((config, process))
}

fn controller(config: Config, process: Process) -> anyhow::Result<()> {
    // One thread carries thousands of sessions, and its memory lies together: more threads only cost.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().context("no thread")?;
    let done = runtime.block_on(start::controller(config, process.log_level.clone()));
    process.end();
    done
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
