//! `approvals`: mass deletions that were held back, waiting for an operator.

use clap::Subcommand;
use serde_json::json;

use super::{
    CliError, Session, ask,
    print::{cell, objects, time},
};
use crate::{projections::query::Query, services::sync::approve};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the approvals that are waiting
    List {
        /// Include those already answered
        #[arg(long)]
        all: bool,
    },
    /// Approve: the deletions were meant, and are applied
    Grant {
        /// Approval id
        id: String,
    },
    /// Reject: the deletions were an accident, and the entries are put back
    Deny {
        /// Approval id
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
            let columns = ["approval", "status", "calendar", "removed", "requested"];
            let none = if all { "There are no approvals." } else { "No approvals are waiting." };
            return printer.table(&columns, table.collect(), none);
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
