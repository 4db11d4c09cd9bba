//! `events`: reads the ledger by stream or as a whole, and follows it as it grows.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::{
    CliError, Session,
    events_append::{self, Append},
    events_filter::Filter,
    events_transfer::{self, Export, Import},
};
use crate::{
    app::Stores,
    domain::ids::{Position, Version},
    ports::event_store::Failure,
    record::{
        codec,
        envelope::{StoredEvent, write_time},
        stream::StreamName,
    },
};

/// Events per read.
const PAGE_EVENTS: usize = 500;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read one stream, such as booking-uschedule.1001
    Read {
        /// Stream name
        stream: String,
        /// First version
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u64,
        /// Last version (inclusive)
        #[arg(long, value_name = "N")]
        to: Option<u64>,
        #[command(flatten)]
        pick: PageOptions,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        how: OpenOption,
    },
    /// Read the whole ledger in order; with --json, one event per line
    All {
        /// First position
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u64,
        /// Last position (inclusive)
        #[arg(long, value_name = "N")]
        to: Option<u64>,
        #[command(flatten)]
        pick: PageOptions,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        how: OpenOption,
    },
    /// Follow the ledger until interrupted; with --json, one event per line
    Tail {
        /// First position [default: the current end]
        #[arg(long, value_name = "N")]
        from: Option<u64>,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        how: OpenOption,
    },
    /// Append one event by hand, after checking it against its type
    Append(Append),
    /// Write the ledger, or a range of it, to a file that anyone can verify
    Export(Export),
    /// Restore an exported ledger into an empty one
    Import(Import),
}

#[derive(Debug, Clone, Copy, Args)]
pub struct OpenOption {
    /// Decrypt personal data; otherwise it is shown encrypted, as stored
    #[arg(long)]
    open: bool,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct PageOptions {
    /// Newest first
    #[arg(long)]
    reverse: bool,
    /// Maximum number of events
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    match command {
        Command::Read { stream, from, to, pick, filter, how } => {
            filter.check()?;
            let stream = StreamName::parse(&stream).map_err(CliError::usage)?;
            let stores = session.existing_stores().await?;
            let last = stores.journal.store().last(&stream).await.map_err(CliError::refused)?;
            let Some(end) = last.map(|last| last.version.next().0) else {
                return Err(CliError::refused(format!("there is no stream {stream}")));
            };
            if end <= from {
                return Err(CliError::refused(format!("stream {stream} ends before version {from}")));
            }
            let span = from..end.min(to.map_or(u64::MAX, |to| to.saturating_add(1)));
            let read = async |from, limit| stores.journal.store().read_stream(&stream, Version(from), limit).await;
            listed(session, &stores, span, pick, &filter, how, read).await
        }
        Command::All { from, to, pick, filter, how } => {
            filter.check()?;
            let stores = session.existing_stores().await?;
            let end = stores.journal.store().end().await.map_err(CliError::refused)?;
            let span = from..end.0.min(to.map_or(u64::MAX, |to| to.saturating_add(1)));
            let read = async |from, limit| stores.journal.store().read_all(Position(from), limit).await;
            listed(session, &stores, span, pick, &filter, how, read).await
        }
        Command::Tail { from, filter, how } => {
            filter.check()?;
            tail(session, from, &filter, how).await
        }
        Command::Append(append) => events_append::run(session, append).await,
        Command::Export(asked) => events_transfer::export(session, asked).await,
        Command::Import(asked) => events_transfer::import(session, asked).await,
    }
}

/// Prints the events of `span`, page by page, in the order that was asked for.
async fn listed(
    session: &Session,
    stores: &Stores,
    mut span: std::ops::Range<u64>,
    pick: PageOptions,
    filter: &Filter,
    how: OpenOption,
    read: impl AsyncFn(u64, usize) -> Result<Vec<StoredEvent>, Failure>,
) -> Result<(), CliError> {
    let mut left = pick.limit.unwrap_or(usize::MAX);
    while left > 0 && !span.is_empty() {
        let most = usize::try_from(span.end - span.start).unwrap_or(PAGE_EVENTS).min(PAGE_EVENTS);
        let first = if pick.reverse { span.end - most as u64 } else { span.start };
        let mut page = read(first, most).await.map_err(CliError::refused)?;
        if page.is_empty() {
            return Ok(());
        }
        if pick.reverse {
            span.end = first;
            page.reverse();
        } else {
            span.start += page.len() as u64;
        }
        for recorded in page.into_iter().filter(|recorded| filter.fits(recorded)).take(left) {
            left -= 1;
            print(session, stores, recorded, how).await?;
        }
    }
    Ok(())
}

async fn tail(session: &Session, from: Option<u64>, filter: &Filter, how: OpenOption) -> Result<(), CliError> {
    let stores = session.existing_stores().await?;
    let store = stores.journal.store();
    let mut next = match from {
        Some(from) => Position(from),
        None => store.end().await.map_err(CliError::refused)?,
    };
    loop {
        let page = tokio::select! {
            page = store.read_all(next, PAGE_EVENTS) => page.map_err(CliError::refused)?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        if page.is_empty() {
            tokio::select! {
                () = store.wait(next) => {}
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
        for recorded in page {
            next = recorded.position.next();
            if filter.fits(&recorded) {
                print(session, &stores, recorded, how).await?;
            }
        }
    }
}

async fn print(session: &Session, stores: &Stores, recorded: StoredEvent, how: OpenOption) -> Result<(), CliError> {
    let stored = || serde_json::from_str(&recorded.event.data).unwrap_or(Value::String(recorded.event.data.clone()));
    let data = if how.open { codec::to_data(&stores.journal.decode(recorded.clone()).await?.event) } else { stored() };
    if session.printer.json {
        return session.printer.line(&envelope(&recorded, data));
    }
    let StoredEvent { stream, version, position, event, .. } = &recorded;
    let (at, actor) = (short(event.recorded_at), &event.actor);
    let (origin, kind) = (event.origin.as_str(), &event.kind);
    session.printer.print_line(format!(
        "{position:>8}  {at}  {kind}  {stream}@{version}  by {}:{} ({origin})",
        actor.kind, actor.id
    ))?;
    session.printer.print_line(format!("{:>8}  {data}", ""))
}

fn short(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// An event in the format of `schemas/envelope.v1.json`.
fn envelope(recorded: &StoredEvent, data: Value) -> Value {
    let StoredEvent { stream, version, position, event, leaf } = recorded;
    json!({
        "id": event.id,
        "stream": stream.to_string(),
        "version": version,
        "position": position,
        "type": event.kind,
        "schema": event.schema,
        "recorded_at": write_time(event.recorded_at),
        "effective_at": write_time(event.effective_at),
        "actor": event.actor,
        "origin": event.origin,
        "correlation": event.correlation,
        "causation": event.causation,
        "data": data,
        "leaf": HEXLOWER.encode(leaf),
    })
}
