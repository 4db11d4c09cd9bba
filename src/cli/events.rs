//! `events`: the ledger as it is, stream by stream or whole, and as it grows.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Session, Stop,
    events_append::{self, Append},
    events_transfer::{self, Export, Import},
};
use crate::{
    app::Stores,
    domain::ids::{Position, Version},
    record::{
        codec,
        envelope::{Recorded, write_time},
        stream::StreamName,
        wrap::hex,
    },
};

/// Events read at once.
const PAGE_EVENTS: usize = 500;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read one stream: booking-uschedule.1001
    Read {
        /// The stream
        stream: String,
        /// From this version on
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u64,
        #[command(flatten)]
        how: How,
    },
    /// Read the whole ledger, in order; with --json, one event per line
    All {
        /// From this position on
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u64,
        /// Up to this position, itself included
        #[arg(long, value_name = "N")]
        to: Option<u64>,
        /// Only events of this type (booking.cancelled) or category (booking)
        #[arg(long = "type", value_name = "T")]
        kind: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Follow the ledger as it grows, until interrupted; with --json, one event per line
    Tail {
        /// From this position on; the present end where it is left out
        #[arg(long, value_name = "N")]
        from: Option<u64>,
        /// Only events of this type or category
        #[arg(long = "type", value_name = "T")]
        kind: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Append one event by hand, checked against its type
    Append(Append),
    /// Write the ledger, or a part of it, into a file that anybody can verify
    Export(Export),
    /// Bring an exported ledger back, into an empty one
    Import(Import),
}

#[derive(Debug, Clone, Copy, Args)]
pub struct How {
    /// Open personal texts; without it they are shown sealed, as they are stored
    #[arg(long)]
    open: bool,
}

pub async fn run(session: &Session, command: Command) -> Result<(), Stop> {
    match command {
        Command::Read { stream, from, how } => read(session, &stream, from, how).await,
        Command::All { from, to, kind, how } => all(session, from, to, kind.as_deref(), how).await,
        Command::Tail { from, kind, how } => tail(session, from, kind.as_deref(), how).await,
        Command::Append(append) => events_append::run(session, append).await,
        Command::Export(asked) => events_transfer::export(session, asked).await,
        Command::Import(asked) => events_transfer::import(session, asked).await,
    }
}

async fn read(session: &Session, stream: &str, from: u64, how: How) -> Result<(), Stop> {
    let stream = StreamName::parse(stream).map_err(Stop::usage)?;
    let stores = session.kept().await?;
    let mut next = Version(from);
    loop {
        let page = stores.journal.store().read_stream(&stream, next, PAGE_EVENTS).await.map_err(Stop::refused)?;
        if page.is_empty() && next.0 == from {
            return Err(Stop::refused(format!("stream {stream} has no event from version {from} on")));
        }
        let full = page.len() == PAGE_EVENTS;
        for recorded in page {
            next = recorded.version.next();
            print(session, &stores, recorded, how).await?;
        }
        if !full {
            return Ok(());
        }
    }
}

fn fits(recorded: &Recorded, kind: Option<&str>) -> bool {
    let Some(wanted) = kind else { return true };
    let actual = recorded.event.kind.as_str();
    actual == wanted || actual.split_once('.').is_some_and(|(category, _)| category == wanted)
}

async fn all(session: &Session, from: u64, to: Option<u64>, kind: Option<&str>, how: How) -> Result<(), Stop> {
    let stores = session.kept().await?;
    let mut next = Position(from);
    loop {
        let page = stores.journal.store().read_all(next, PAGE_EVENTS).await.map_err(Stop::refused)?;
        let full = page.len() == PAGE_EVENTS;
        for recorded in page {
            if to.is_some_and(|to| recorded.position.0 > to) {
                return Ok(());
            }
            next = recorded.position.next();
            if fits(&recorded, kind) {
                print(session, &stores, recorded, how).await?;
            }
        }
        if !full {
            return Ok(());
        }
    }
}

async fn tail(session: &Session, from: Option<u64>, kind: Option<&str>, how: How) -> Result<(), Stop> {
    let stores = session.kept().await?;
    let store = stores.journal.store();
    let mut next = match from {
        Some(from) => Position(from),
        None => store.end().await.map_err(Stop::refused)?,
    };
    loop {
        let page = tokio::select! {
            page = store.read_all(next, PAGE_EVENTS) => page.map_err(Stop::refused)?,
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
            if fits(&recorded, kind) {
                print(session, &stores, recorded, how).await?;
            }
        }
    }
}

async fn print(session: &Session, stores: &Stores, recorded: Recorded, how: How) -> Result<(), Stop> {
    let stored = || serde_json::from_str(&recorded.event.data).unwrap_or(Value::String(recorded.event.data.clone()));
    let data = if how.open { codec::to_data(&stores.journal.tell(recorded.clone()).await?.event) } else { stored() };
    if session.printer.json {
        return session.printer.line(&envelope(&recorded, data));
    }
    let Recorded { stream, version, position, event, .. } = &recorded;
    let (at, actor) = (short(event.recorded_at), &event.actor);
    let (origin, kind) = (event.origin.as_str(), &event.kind);
    session
        .printer
        .say(format!("{position:>8}  {at}  {kind}  {stream}@{version}  by {}:{} ({origin})", actor.kind, actor.id))?;
    session.printer.say(format!("{:>8}  {data}", ""))
}

fn short(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// An event as `schemas/envelope.v1.json` says.
fn envelope(recorded: &Recorded, data: Value) -> Value {
    let Recorded { stream, version, position, event, leaf } = recorded;
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
        "leaf": hex(leaf),
    })
}
