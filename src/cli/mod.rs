//! Floor 4: the command line. One file per subcommand; `exit.rs` has the exit codes, `print.rs` tables and JSON.
//!
//! A command parses, calls a service and prints. What it works on is put together by `app.rs`.

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

/// Keeps bookings and calendars aligned, and can prove what it did.
#[derive(Debug, Parser)]
#[command(name = "syncledger", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
struct Common {
    /// The configuration; syncledger.toml where that is there, else everything as by default
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Under which name an act is recorded
    #[arg(long, global = true, value_name = "NAME", default_value = "cli")]
    by: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve,
    /// Play the main job, everything embedded, with nothing to set up
    Demo(demo::Arguments),
    /// Play seeds of the whole loop under a virtual clock, with faults and crashes
    Simulate(simulate::Arguments),
    /// Import, list and explain bookings
    #[command(subcommand)]
    Bookings(bookings::Command),
    /// Read the ledger, or append to it
    #[command(subcommand)]
    Events(events::Command),
    /// Seal the ledger, check it, and prove what stands in it
    #[command(subcommand)]
    Audit(audit::Command),
    /// Look after the tables that are derived from the ledger
    #[command(subcommand)]
    Projections(projections::Command),
    /// Say what would be done, without doing it
    #[command(subcommand)]
    Reconcile(reconcile::Command),
    /// Have bookings and their entries compared again
    #[command(subcommand)]
    Resync(resync::Command),
    /// Calls that were made, and another try of those that were given up
    #[command(subcommand)]
    Attempts(attempts::Command),
    /// What waits for an operator's word because too much vanished at once
    #[command(subcommand)]
    Approvals(approvals::Command),
    /// People's changes in calendars that wait for an answer
    #[command(subcommand)]
    Held(held::Command),
    /// People whose words stand in the ledger
    #[command(subcommand)]
    Subject(subject::Command),
    /// The master key
    #[command(subcommand)]
    Key(key::Command),
    /// The feed of events
    #[command(subcommand)]
    Nats(nats::Command),
    /// API tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Check configuration, stores, providers and clocks, and say what to fix
    Doctor,
}

/// Runs the program: parses its arguments, does it, and says how it ended.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help is written to standard output and is no failure; clap says which is which.
        Err(wrong) => {
            let code = if wrong.use_stderr() { CliError::usage("").code() } else { ExitCode::SUCCESS };
            drop(wrong.print());
            return code;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&CliError::refused(format!("no threads can be started: {error}"))),
    };
    match runtime.block_on(Box::pin(dispatch(cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => report(&stop),
    }
}

/// Says why, to standard error.
fn report(stop: &CliError) -> ExitCode {
    if let CliError::Refused(reason) | CliError::Usage(reason) = stop {
        // Nobody may be listening there either.
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
    let session = Session { config: loaded?, env, by: common.by, printer };
    match command {
        Command::Serve => serve::run(&session).await,
        Command::Bookings(command) => bookings::run(&session, command).await,
        Command::Events(command) => events::run(&session, command).await,
        Command::Audit(command) => audit::run(&session, command).await,
        Command::Projections(command) => projections::run(&session, command).await,
        Command::Reconcile(command) => reconcile::run(&session, command).await,
        Command::Resync(command) => resync::run(&session, command).await,
        Command::Attempts(command) => attempts::run(&session, command).await,
        Command::Approvals(command) => approvals::run(&session, command).await,
        Command::Held(command) => held::run(&session, command).await,
        Command::Subject(command) => subject::run(&session, command).await,
        Command::Key(command) => key::run(&session, command).await,
        Command::Nats(command) => nats::run(&session, command).await,
        Command::Token(command) => token::run(&session, command).await,
        Command::Demo(_) | Command::Simulate(_) | Command::Doctor => Ok(()),
    }
}

/// The file that was named, or the usual one where it is there.
fn configured(named: Option<&Path>) -> Option<PathBuf> {
    let usual = Path::new(DEFAULT_FILE);
    named.map(Path::to_path_buf).or_else(|| usual.exists().then(|| usual.to_path_buf()))
}
