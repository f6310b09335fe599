//! The command line: one binary, its roles are sub-commands. Results go to standard output, everything else to
//! standard error. Exit status: 0 done; 1 it failed, or met what it should report; 2 wrong usage.

mod bench;
mod bounds;
mod database;
mod demo;
mod doctor;
mod enrollment_tokens;
mod enrollments;
mod import;
mod keys;
mod listed;
mod meters;
mod migrate;
mod openapi;
mod portal_tokens;
mod progress;
mod range;
mod rehearsal;
mod rollups;
mod serve;
mod simulate;
mod sql_roles;
mod target;
mod verify;

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use crate::cli::database::DatabaseArgs;
pub use crate::cli::serve::ServeArgs;
use crate::observe::{self, LogFormat};

/// A time-series metering database server on PostgreSQL and TimescaleDB.
///
/// Devices post readings over HTTP; Meterbase keeps exact figures per hour, day and month, by provider, customer, group
/// and device. Without DATABASE_URL it runs a private PostgreSQL of its own under a data directory.
#[derive(Debug, Parser)]
#[command(name = "meterbase", version, max_term_width = 110, after_long_help = AFTER_HELP)]
struct Cli {
    /// How log lines look
    #[arg(
        long,
        global = true,
        env = "METERBASE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "pretty",
        display_order = 900
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  meterbase serve                              a server with a database of its own
  meterbase keys create --scope admin          a key for it
  DATABASE_URL=postgres://... meterbase serve  a server on your PostgreSQL

Every option can be given as the environment variable that its help names. RUST_LOG says what is logged.
Exit status: 0 done; 1 it failed, or met what it should report; 2 wrong usage.";

/// Each is described where its arguments are.
#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<ServeArgs>),
    Migrate(migrate::MigrateArgs),
    Keys(keys::KeysArgs),
    EnrollmentTokens(enrollment_tokens::EnrollmentTokensArgs),
    Enrollments(enrollments::EnrollmentsArgs),
    PortalTokens(portal_tokens::PortalTokensArgs),
    SqlRoles(sql_roles::SqlRolesArgs),
    Demo(demo::DemoArgs),
    Import(Box<import::ImportArgs>),
    Simulate(simulate::SimulateArgs),
    Doctor(doctor::DoctorArgs),
    Verify(verify::VerifyArgs),
    Rollups(rollups::RollupsArgs),
    Bench(bench::BenchArgs),
    /// Print the OpenAPI document of the HTTP API
    Openapi,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// What was asked makes no sense; exit status 2.
    Usage(String),
    /// It could not be done; exit status 1.
    Failed(String),
    /// It was done, and what it met is already printed; exit status 1.
    Reported,
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    observe::start_logging(cli.log_format);
    // Fails only when there is one already, which does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return exit(Err(Failure::Failed(format!("cannot start the runtime: {error}")))),
    };
    exit(runtime.block_on(async { cli.command.run(stop_signal()?).await }))
}

/// Twice the processors and some: sorting and writing out thousands of readings keeps a thread for milliseconds, and the
/// system lets others' requests go on beside it where tasks of one thread would wait.
fn threads() -> usize {
    2 * std::thread::available_parallelism().map_or(2, usize::from) + 2
}

impl Command {
    async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        match self {
            Self::Serve(args) => args.run(stop).await,
            Self::Migrate(args) => until(stop, args.run()).await,
            Self::Keys(args) => until(stop, args.run()).await,
            Self::EnrollmentTokens(args) => until(stop, args.run()).await,
            Self::Enrollments(args) => until(stop, args.run()).await,
            Self::PortalTokens(args) => until(stop, args.run()).await,
            Self::SqlRoles(args) => until(stop, args.run()).await,
            Self::Demo(args) => args.run(stop).await,
            Self::Import(args) => until(stop, args.run()).await,
            Self::Simulate(args) => until(stop, args.run()).await,
            Self::Doctor(args) => until(stop, args.run()).await,
            Self::Verify(args) => args.run(stop).await,
            Self::Rollups(args) => until(stop, args.run()).await,
            Self::Bench(args) => args.run(stop).await,
            Self::Openapi => openapi::run(),
        }
    }
}

/// Cancelled by SIGINT and SIGTERM.
fn stop_signal() -> std::io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}

/// Drops the work when a signal comes: a database that it started is stopped in order by that.
pub async fn until<T>(stop: CancellationToken, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match stop.run_until_cancelled(work).await {
        Some(done) => done,
        None => Err(Failure::Failed("interrupted".to_owned())),
    }
}

fn exit(done: Result<(), Failure>) -> ExitCode {
    let (message, status) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Reported) => return ExitCode::FAILURE,
        Err(Failure::Failed(message)) => (message, ExitCode::FAILURE),
        Err(Failure::Usage(message)) => (message, ExitCode::from(2)),
    };
    say(&format!("{} {message}", if std::io::stderr().is_terminal() { "\x1b[1;31merror:\x1b[0m" } else { "error:" }));
    status
}

/// Writes a line to standard error. That nobody reads it is no reason to fail.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes a result to standard output.
pub fn print(result: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{result}").and_then(|()| out.flush()) {
        // Whoever read it has seen enough: `meterbase openapi | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// Writes a result to standard output as JSON for programs.
pub fn print_json(result: &impl serde::Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(result)?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// A command and all its sub-commands, by their whole names.
    fn all(command: &clap::Command, above: &str) -> Vec<(String, clap::Command)> {
        let name = format!("{above}{}", command.get_name());
        let below = command.get_subcommands().flat_map(|sub| all(sub, &format!("{name} ")));
        [(name.clone(), command.clone())].into_iter().chain(below).collect()
    }

    #[test]
    fn every_command_and_option_has_help_and_every_option_is_an_environment_variable() {
        let mut cli = Cli::command();
        cli.build();
        for (name, mut command) in all(&cli, "").into_iter().filter(|(name, _)| !name.contains("help")) {
            assert!(command.get_about().is_some(), "{name}");
            let help = command.render_long_help().to_string();
            let arguments =
                command.get_arguments().filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()));
            for argument in arguments {
                let id = argument.get_id();
                assert!(argument.get_help().is_some(), "{name}: {id} has no help");
                if argument.is_positional() {
                    continue;
                }
                let variable = argument.get_env().unwrap_or_else(|| panic!("{name}: {id} has no environment variable"));
                assert!(help.contains(variable.to_str().unwrap()), "{name}: {id}'s variable is not shown");
            }
        }
    }

    #[test]
    fn clap_finds_no_fault() {
        Cli::command().debug_assert();
    }
}
