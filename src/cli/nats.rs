//! `nats`: publishes a range of the ledger again.

use std::io::Write as _;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{CliError, Session};
use crate::{
    app,
    domain::ids::Position,
    services::relay::{self, Range, RepublishOptions, WINDOW},
};

/// Without a terminal, a progress line is written after this many events.
const LINE_EVENTS: u64 = 50_000;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publish events again with the same ids; the service can keep running
    Republish(Republish),
}

#[derive(Debug, Args)]
pub struct Republish {
    /// First position
    #[arg(long, value_name = "N")]
    from: u64,
    /// Last position (inclusive) [default: the last event]
    #[arg(long, value_name = "N")]
    to: Option<u64>,
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    let Command::Republish(Republish { from, to }) = command;
    let nothing = "NATS is not configured: add [nats] with a url";
    if session.config.nats.is_none() {
        return Err(CliError::usage(nothing));
    }
    let stores = session.existing_stores().await?;
    let end = stores.journal.store().end().await.map_err(CliError::refused)?.0;
    let until = to.map_or(end, |to| to.saturating_add(1).min(end));
    if to.is_some_and(|to| to < from) {
        return Err(CliError::usage("--to is before --from"));
    }
    if from >= until {
        return Err(CliError::refused(format!("there is no event at position {from}: the ledger has {end} events")));
    }
    let word = stores.clock.event_id().to_string();
    let Some((publisher, worker)) = app::nats::publisher(&session.config, &word).await? else {
        return Err(CliError::usage(nothing));
    };
    for differs in publisher.prepare().await.map_err(CliError::refused)? {
        drop(writeln!(std::io::stderr(), "syncledger: {differs}"));
    }
    let checkpoint = stores.checkpoints.load(&worker).await.map_err(CliError::refused)?;
    let range = Range { from: Position(from), until: Position(until) };
    let manner = RepublishOptions { window: WINDOW, word: &word, checkpoint };
    let bar = bar(session, until - from);
    let watched = session.printer.watched();
    let mut sent = 0_u64;
    let mut show = |_: Position| {
        sent += 1;
        bar.set_position(sent);
        if !watched && sent.is_multiple_of(LINE_EVENTS) {
            drop(writeln!(std::io::stderr(), "syncledger: {sent} of {} sent", until - from));
        }
    };
    let began = stores.clock.now();
    let done = relay::republish(&**stores.journal.store(), &*publisher, range, manner, &mut show).await;
    bar.finish_and_clear();
    let done = done.map_err(|error| {
        CliError::refused(format!("{error}; {sent} events were sent: continue with --from {}", from + sent))
    })?;
    let took = (stores.clock.now() - began).num_milliseconds();
    if session.printer.json {
        return session.printer.document(&json!({
            "from": from, "to": until - 1, "sent": done.sent, "renamed": done.renamed, "took_ms": took,
        }));
    }
    let (count, last) = (done.sent, until - 1);
    let renamed = match done.renamed {
        0 => String::new(),
        some => format!(
            "; the server still remembered {some} of them, so these have a new Nats-Msg-Id but the same event id"
        ),
    };
    session
        .printer
        .print_line(format!("Published {count} events again, positions {from} to {last}, in {took} ms{renamed}"))
}

fn bar(session: &Session, length: u64) -> ProgressBar {
    if !session.printer.watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} events  {per_sec}, {eta} left");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
