//! `attempts`: calls made to calendars and sources, and retries of those given up.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    CliError, Session, ask,
    past::AsOfOption,
    print::{cell, object, objects, time},
};
use crate::{
    projections::query::{AttemptFilter, Query},
    services::operators::reprocess::{ReprocessTarget, reprocess},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List calls, newest first
    List(List),
    /// List dead letters: calls and deliveries given up, waiting for an operator
    Dead,
    /// Show one call
    Show {
        /// Attempt id
        id: String,
    },
    /// Retry a call or delivery that was given up
    Reprocess {
        /// Id of an attempt, a link or a delivery
        id: String,
    },
}

#[derive(Debug, Args)]
pub struct List {
    /// Only failed calls
    #[arg(long)]
    failed: bool,
    /// Only calls for this link
    #[arg(long)]
    link: Option<String>,
    /// Only calls through this connection
    #[arg(long)]
    connection: Option<String>,
    /// Maximum number of rows
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    then: AsOfOption,
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    let then = if let Command::List(List { then, .. }) = &command { *then } else { AsOfOption::default() };
    let stores = then.stores(session, &["attempts", "links", "connections"]).await?;
    let printer = session.printer;
    match command {
        Command::List(List { failed, link, connection, limit, then: _ }) => {
            let status = failed.then(|| "fail".to_owned());
            let filter = AttemptFilter { status, link, connection, direction: None };
            let rows = ask::first(&stores, limit, |page| Query::Attempts(filter.clone(), page)).await?;
            if printer.json {
                return printer.document(&objects(&rows));
            }
            let table = rows.iter().map(|row| {
                let what = format!("{} {}", cell(row, "direction"), cell(row, "operation"));
                let wrong = [cell(row, "error_class"), cell(row, "error_summary")].join(" ");
                vec![cell(row, "attempt"), time(row, "started_at"), what, cell(row, "status"), wrong.trim().to_owned()]
            });
            printer.table(&["attempt", "started", "what", "status", "error"], table.collect(), "No matching attempts.")
        }
        Command::Dead => {
            let rows = ask::all(&stores, Query::DeadLetters).await?;
            if printer.json {
                return printer.document(&objects(&rows));
            }
            let table = rows.iter().map(|row| {
                let columns = ["letter", "kind", "error_class", "error_summary"];
                let mut cells: Vec<String> = columns.iter().map(|name| cell(row, name)).collect();
                cells.push(time(row, "dead_at"));
                cells
            });
            printer.table(&["id", "kind", "class", "error", "since"], table.collect(), "No dead letters.")
        }
        Command::Show { id } => {
            let rows = ask::rows(&stores, &Query::Attempt(id.clone())).await?;
            let row = rows.first().ok_or_else(|| CliError::refused(format!("there is no attempt {id}")))?;
            if printer.json {
                return printer.document(&object(row));
            }
            let fields = row.cells().map(|(name, _)| vec![name.replace('_', " "), cell(row, name)]);
            printer.table(&["field", "value"], fields.filter(|f| !f[1].is_empty()).collect(), "")
        }
        Command::Reprocess { id } => {
            let done = reprocess(&stores.journal, &id, &session.operator(&stores)).await?;
            let (kind, name) = match &done {
                ReprocessTarget::Link(link) => ("link", link.to_string()),
                ReprocessTarget::Delivery(delivery) => ("delivery", delivery.clone()),
            };
            if printer.json {
                return printer.document(&json!({"kind": kind, "id": name}));
            }
            printer.print_line(format!("Retry of {kind} {name} requested; the running service will carry it out"))
        }
    }
}
