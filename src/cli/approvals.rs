//! `approvals`: what waits because so much vanished at once that it may be an accident.

use clap::Subcommand;
use serde_json::json;

use super::{
    CliError, Session, ask,
    print::{cell, objects, time},
};
use crate::{projections::query::Query, services::sync::approve};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List them
    List {
        /// Those that were answered, too
        #[arg(long)]
        all: bool,
    },
    /// It was meant: the removals count
    Grant {
        /// The approval
        id: String,
    },
    /// It was not meant: the entries are put back
    Deny {
        /// The approval
        id: String,
    },
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    let stores = session.existing_stores().await?;
    let printer = session.printer;
    let (id, grant) = match command {
        Command::Grant { id } => (id, true),
        Command::Deny { id } => (id, false),
        Command::List { all } => {
            ask::refresh(&stores).await?;
            let status = (!all).then(|| "open".to_owned());
            let rows = ask::all(&stores, |page| Query::Approvals(status.clone(), page)).await?;
            if printer.json {
                return printer.document(&objects(&rows));
            }
            let table = rows.iter().map(|row| {
                let vanished = format!("{} of {}", cell(row, "removals"), cell(row, "live"));
                let asked = time(row, "requested_at");
                vec![cell(row, "approval"), cell(row, "status"), cell(row, "calendar"), vanished, asked]
            });
            let columns = ["approval", "status", "calendar", "vanished", "asked for"];
            return printer.table(&columns, table.collect(), "Nothing waits for an approval.");
        }
    };
    let context = session.operator(&stores);
    approve::answer(&stores.journal, &session.config.workspace, &id, grant, &context).await?;
    let word = if grant { "granted" } else { "denied" };
    if printer.json {
        return printer.document(&json!({"approval": id, "status": word}));
    }
    printer.print_line(format!("Approval {id} is {word}"))
}
