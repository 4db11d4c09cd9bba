//! `held`: changes made in calendars that are waiting for an operator's decision.

use clap::Subcommand;
use serde_json::json;

use super::{
    CliError, Session, ask,
    print::{cell, objects, time},
};
use crate::{
    domain::ids::LinkId,
    projections::{
        Row,
        query::{LinkFilter, Query},
    },
    services::operators::answer::answer,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the changes that are waiting
    List,
    /// Accept the change and update the booking
    Accept {
        /// Link id
        link: String,
    },
    /// Reject the change and restore the entry
    Reject {
        /// Link id
        link: String,
    },
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    let stores = session.existing_stores().await?;
    let printer = session.printer;
    let (link, accept) = match command {
        Command::Accept { link } => (link, true),
        Command::Reject { link } => (link, false),
        Command::List => {
            ask::refresh(&stores).await?;
            let rows = ask::all(&stores, |page| Query::Links(LinkFilter::default(), page)).await?;
            let rows: Vec<Row> = rows.into_iter().filter(|row| row.text("held").is_some()).collect();
            if printer.json {
                return printer.document(&objects(&rows));
            }
            let table = rows.iter().map(|row| {
                let columns = ["link", "booking", "calendar", "held_words"];
                let mut cells: Vec<String> = columns.iter().map(|name| cell(row, name)).collect();
                cells.push(time(row, "held_until"));
                cells
            });
            let columns = ["link", "booking", "calendar", "reason", "until"];
            return printer.table(&columns, table.collect(), "No changes are waiting for a decision.");
        }
    };
    let id = LinkId::new(link).map_err(CliError::usage)?;
    answer(&stores.journal, &id, accept, &session.operator(&stores)).await?;
    if printer.json {
        return printer.document(&json!({"link": id, "accepted": accept}));
    }
    let what = if accept { "was accepted" } else { "was rejected: the entry will be restored" };
    printer.print_line(format!("The change on link {id} {what}; the running service will carry it out"))
}
