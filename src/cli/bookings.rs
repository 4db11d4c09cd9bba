//! `bookings`: import, list and show bookings, and tell their stories.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    CliError, Session, ask,
    bookings_import::{self, Import},
    past::AsOfOption,
    print::{cell, object, objects, time},
};
use crate::{
    domain::ids::{BookingId, LinkId},
    projections::{
        Row,
        bookings::slot_of,
        query::{BookingFilter, Query},
    },
    services::story,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Import a file or folder (.ics, .csv, .jsonl)
    Import(Import),
    /// List bookings by start time
    List(List),
    /// Show one booking and its links
    Show {
        /// Booking id
        id: String,
        #[command(flatten)]
        then: AsOfOption,
    },
    /// Explain what happened to a booking, why, and who caused it
    Story {
        /// Booking id
        id: String,
        #[command(flatten)]
        then: AsOfOption,
    },
}

#[derive(Debug, Args)]
pub struct List {
    /// Only bookings with this status
    #[arg(long, value_parser = ["tentative", "confirmed", "cancelled"])]
    status: Option<String>,
    /// Only bookings on this resource
    #[arg(long)]
    resource: Option<String>,
    /// Only bookings from this source
    #[arg(long)]
    source: Option<String>,
    /// Only bookings that end after this time (2026-03-01T00:00:00Z)
    #[arg(long)]
    from: Option<DateTime<Utc>>,
    /// Only bookings that begin before this time
    #[arg(long)]
    until: Option<DateTime<Utc>>,
    /// Maximum number of rows
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    then: AsOfOption,
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    match command {
        Command::Import(import) => bookings_import::run(session, import).await,
        Command::List(options) => list(session, options).await,
        Command::Show { id, then } => show(session, &id, then).await,
        Command::Story { id, then } => print_story(session, &id, then).await,
    }
}

async fn list(session: &Session, options: List) -> Result<(), CliError> {
    let List { status, resource, source, from, until, limit, then } = options;
    let stores = then.stores(session, &["bookings"]).await?;
    let filter = BookingFilter { status, resource, source, from, until };
    let rows = ask::first(&stores, limit, |page| Query::Bookings(filter.clone(), page)).await?;
    if session.printer.json {
        return session.printer.document(&objects(&rows));
    }
    let cut = rows.len() >= limit;
    let table = rows.iter().map(|row| {
        vec![cell(row, "booking"), slot(row), cell(row, "resource"), cell(row, "status"), cell(row, "title")]
    });
    let columns = ["booking", "when", "resource", "status", "title"];
    session.printer.table(&columns, table.collect(), "No matching bookings.")?;
    if cut { session.printer.print_line(format!("({limit} shown; use --limit to show more)")) } else { Ok(()) }
}

fn slot(row: &Row) -> String {
    slot_of(row).map(|slot| slot.to_string()).unwrap_or_default()
}

fn booking_id(id: &str) -> Result<BookingId, CliError> {
    BookingId::new(id).map_err(CliError::usage)
}

async fn show(session: &Session, id: &str, then: AsOfOption) -> Result<(), CliError> {
    let id = booking_id(id)?;
    let stores = then.stores(session, &["bookings", "links"]).await?;
    let rows = ask::rows(&stores, &Query::Booking(id.clone())).await?;
    let Some(booking) = rows.first() else {
        return Err(CliError::refused(format!("there is no booking {id}")));
    };
    let links = ask::rows(&stores, &Query::LinksOfBooking(id)).await?;
    if session.printer.json {
        return session.printer.document(&json!({"booking": object(booking), "links": objects(&links)}));
    }
    let wanted = [
        "booking",
        "resource",
        "status",
        "title",
        "notes",
        "customer_name",
        "customer_email",
        "customer_phone",
        "source",
        "source_ref",
        "subject",
        "revision",
    ];
    let mut fields: Vec<Vec<String>> = vec![vec!["when".into(), slot(booking)]];
    let filled =
        wanted.iter().map(|name| vec![name.replace('_', " "), cell(booking, name)]).filter(|f| !f[1].is_empty());
    fields.extend(filled);
    fields.push(vec!["registered".into(), time(booking, "registered_at")]);
    fields.push(vec!["changed".into(), time(booking, "changed_at")]);
    session.printer.table(&["field", "value"], fields, "")?;
    session.printer.print_line("")?;
    let rows = links.iter().map(|row| {
        let columns = ["link", "calendar", "status", "remote", "phase", "attention_words"];
        columns.iter().map(|name| cell(row, name)).collect()
    });
    let columns = ["link", "calendar", "status", "entry", "phase", "attention"];
    session.printer.table(&columns, rows.collect(), "It is not on any calendar.")
}

async fn print_story(session: &Session, id: &str, then: AsOfOption) -> Result<(), CliError> {
    let id = booking_id(id)?;
    let stores = session.existing_stores().await?;
    ask::refresh(&stores).await?;
    let rows = ask::rows(&stores, &Query::LinksOfBooking(id.clone())).await?;
    let links: Vec<LinkId> = rows.iter().filter_map(|row| LinkId::new(row.text("link")?).ok()).collect();
    let mut events = story::collect(&stores.journal, &id, &links).await?;
    if let Some(reach) = then.reach(&stores).await? {
        events.retain(|event| event.recorded.position < reach.events);
        if events.is_empty() {
            return Err(CliError::refused(format!("there was no booking {id} at that time")));
        }
    }
    let story = story::compose(&id, &events);
    if session.printer.json { session.printer.document(&story) } else { session.printer.print_line(story.to_string()) }
}
