//! Floor 4: the command line. One file per subcommand; `exit.rs` has the exit codes, `print.rs` tables and JSON.
//!
//! A command parses its arguments, calls a service and prints. `app.rs` wires what it works on.

mod approvals;
mod ask;
mod attempts;
mod audit;
mod audit_verify;
mod bookings;
mod bookings_import;
mod demo;
mod doctor;
mod events;
mod events_append;
mod events_filter;
mod events_transfer;
mod exit;
mod held;
mod key;
mod nats;
mod past;
mod print;
mod progress;
mod projections;
mod projections_show;
mod reconcile;
mod resync;
mod serve;
mod session;
mod simulate;
mod subject;
mod token;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::{
    app::machine,
    config::{Config, DEFAULT_FILE},
};
pub use exit::CliError;
use print::Printer;
use session::Session;

/// Keeps bookings and calendars in sync, with a verifiable history of every change.
#[derive(Debug, Parser)]
#[command(name = "syncledger", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Configuration file [default: ./syncledger.toml if present, otherwise built-in defaults]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Operator name recorded with this action
    #[arg(long, global = true, value_name = "NAME", default_value = "cli")]
    by: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve,
    /// Run a complete demo; nothing to install or configure
    Demo(demo::Arguments),
    /// Run randomised simulations with injected faults and crashes
    #[command(after_long_help = simulate::details())]
    Simulate(simulate::Arguments),
    /// Import, list and explain bookings
    #[command(subcommand)]
    Bookings(bookings::Command),
    /// Read, export or append to the ledger
    #[command(subcommand)]
    Events(events::Command),
    /// Seal and verify the ledger, and create proofs
    #[command(subcommand)]
    Audit(audit::Command),
    /// Inspect and rebuild the read models
    #[command(subcommand)]
    Projections(projections::Command),
    /// Preview what reconciliation would do
    #[command(subcommand)]
    Reconcile(reconcile::Command),
    /// Re-check bookings against their calendar entries
    #[command(subcommand)]
    Resync(resync::Command),
    /// List calls to calendars and sources, and retry those given up
    #[command(subcommand)]
    Attempts(attempts::Command),
    /// Grant or deny mass removals that were held back
    #[command(subcommand)]
    Approvals(approvals::Command),
    /// Accept or reject changes made in calendars that need a decision
    #[command(subcommand)]
    Held(held::Command),
    /// Erase a person's data
    #[command(subcommand)]
    Subject(subject::Command),
    /// Show or rotate the master key
    #[command(subcommand)]
    Key(key::Command),
    /// Publish events to NATS again
    #[command(subcommand)]
    Nats(nats::Command),
    /// Manage API tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Check configuration, databases, providers and clocks, and say what to fix
    Doctor,
}

/// Runs the program: parses the arguments, runs the command, and returns its exit code.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap treats help as an error, but it goes to standard output and exits with 0.
        Err(wrong) => {
            let code = if wrong.use_stderr() { CliError::usage("").code() } else { ExitCode::SUCCESS };
            drop(wrong.print());
            return code;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&CliError::refused(format!("cannot start threads: {error}"))),
    };
    match runtime.block_on(Box::pin(dispatch(cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => report(&stop),
    }
}

/// Prints the reason to standard error.
fn report(stop: &CliError) -> ExitCode {
    if let CliError::Refused(reason) | CliError::Usage(reason) = stop {
        // Standard error may be closed, too.
        drop(writeln!(std::io::stderr(), "syncledger: {}", print::clean(reason)));
    }
    stop.code()
}

async fn dispatch(cli: Cli) -> Result<(), CliError> {
    let Cli { common, command } = cli;
    let env = machine::environment();
    let printer = Printer::new(common.json, env.get("NO_COLOR").map(String::as_str));
    let file = configured(common.config.as_deref());
    let loaded = Config::load(file.as_deref(), &env);
    if let Command::Demo(arguments) = command {
        return demo::run(&arguments, &env, common.json).await;
    }
    if let Command::Simulate(arguments) = command {
        return simulate::run(&arguments, common.json);
    }
    if let Command::Doctor = command {
        return doctor::run(loaded, file.as_deref(), printer).await;
    }
    if let Command::Audit(audit::Command::Verify(asked)) = &command
        && let Some(file) = &asked.file
    {
        return audit_verify::file(printer, file, asked);
    }
    let session = Session::new(loaded?, env, common.by, printer);
    let outcome = run_command(&session, command).await;
    session.close().await;
    outcome
}

async fn run_command(session: &Session, command: Command) -> Result<(), CliError> {
    match command {
        Command::Serve => serve::run(session).await,
        Command::Bookings(command) => bookings::run(session, command).await,
        Command::Events(command) => events::run(session, command).await,
        Command::Audit(command) => audit::run(session, command).await,
        Command::Projections(command) => projections::run(session, command).await,
        Command::Reconcile(command) => reconcile::run(session, command).await,
        Command::Resync(command) => resync::run(session, command).await,
        Command::Attempts(command) => attempts::run(session, command).await,
        Command::Approvals(command) => approvals::run(session, command).await,
        Command::Held(command) => held::run(session, command).await,
        Command::Subject(command) => subject::run(session, command).await,
        Command::Key(command) => key::run(session, command).await,
        Command::Nats(command) => nats::run(session, command).await,
        Command::Token(command) => token::run(session, command).await,
        Command::Demo(_) | Command::Simulate(_) | Command::Doctor => Ok(()),
    }
}

/// The file given, or the default one if it exists.
fn configured(named: Option<&Path>) -> Option<PathBuf> {
    let usual = Path::new(DEFAULT_FILE);
    named.map(Path::to_path_buf).or_else(|| usual.exists().then(|| usual.to_path_buf()))
}
