//! The `holdfast` binary: every role of a node, and the command line to use and steer a cluster.
//!
//! What always holds: results on standard output, everything else on standard error; one clear line per failure;
//! exit codes as listed in `holdfast help`. Secrets are never arguments and never logged.

mod admin;
mod args;
mod bench;
mod connect;
mod failure;
mod files;
mod fsck;
mod mount;
mod output;
mod place;
mod progress;
mod remote;
mod server;
mod simulate;
mod trash;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use failure::{Failure, Outcome};
use output::Output;
use remote::Remote;

fn main() -> ExitCode {
    holdfast_support::memory::configure();
    let given: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let outcome = match mount::command_line(&given) {
        Some(line) => line.and_then(|line| run(Cli::parse_from(line))),
        None => run(Cli::parse_from(given)),
    };
    holdfast_support::telemetry::finish_logging();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output::warn(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(cli: Cli) -> Outcome<()> {
    match cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "holdfast", &mut std::io::stdout());
            Ok(())
        }
        Command::Init(args) => server::init(&args, Output { json: cli.json }),
        Command::Server(args) => server::run(&args),
        Command::Simulate(args) => simulate::run(&args, Output { json: cli.json }),
        Command::Mount(args) => mount::run(&args, &cli.connect),
        Command::Umount(args) => mount::umount(&args),
        command => client(command, &cli.connect, Output { json: cli.json }, cli.quiet),
    }
}

/// Commands that talk to a cluster.
fn client(command: Command, connect: &connect::ConnectArgs, output: Output, quiet: bool) -> Outcome<()> {
    let target = connect.target()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start worker threads: {error}")))?;
    let outcome = runtime.block_on(async {
        let remote = Remote::connect(target).await?;
        let outcome = tokio::select! {
            outcome = dispatch(command, &remote, output, quiet) => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::failed("interrupted")),
        };
        remote.close().await;
        outcome
    });
    // A thread may still sit in a read of a terminal or pipe: do not wait for it.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(command: Command, remote: &Remote, output: Output, quiet: bool) -> Outcome<()> {
    match command {
        Command::Put(args) => files::copy::put(remote, &args, output, quiet).await,
        Command::Get(args) => files::copy::get(remote, &args, output, quiet).await,
        Command::Cp(args) => files::copy::cp(remote, &args, output, quiet).await,
        Command::Ls(args) => files::ls::run(remote, &args, output).await,
        Command::Cat(args) => files::cat::run(remote, &args).await,
        Command::Mv(args) => files::mv::run(remote, &args).await,
        Command::Rm(args) => files::rm::run(remote, &args).await,
        Command::Mkdir(args) => files::mkdir::run(remote, &args).await,
        Command::Stat(args) => files::stat::run(remote, &args, output).await,
        Command::Du(args) => files::du::run(remote, &args, output).await,
        Command::Class(args) => files::class::run(remote, &args, output, quiet).await,
        Command::Trash(args) => trash::run(remote, &args, output).await,
        Command::Df => files::df::run(remote, output).await,
        Command::Tree(args) => files::tree::run(remote, &args, output).await,
        Command::Admin(command) => admin::run(remote, command, output).await,
        Command::Bench(args) => bench::run(remote, &args, output).await,
        Command::Fsck(args) => fsck::run(remote, &args, output, quiet).await,
        Command::Init(_)
        | Command::Server(_)
        | Command::Mount(_)
        | Command::Umount(_)
        | Command::Simulate(_)
        | Command::Completions { .. } => Ok(()),
    }
}
