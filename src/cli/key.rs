//! `key`: shows and rotates the master key.

use clap::Subcommand;
use indicatif::ProgressBar;

use super::{CliError, Session};
use crate::services::people::rotate::{MasterKeyStatus, rotate, status};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show which master key is in use, and whether a rotation is in progress
    Status,
    /// Replace the master key with a new one and destroy the old one; services keep running. After an
    /// interruption, run it again to continue
    Rotate {
        /// Only add the new key to the file, to copy it to other machines first; run again without this flag to use it
        #[arg(long)]
        stage: bool,
    },
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    let stores = session.existing_stores().await?;
    let (rotation, file) = (&*stores.rotation, &*stores.master_file);
    let stage = match command {
        Command::Status => return print_status(session, &status(rotation, file).await?),
        Command::Rotate { stage } => stage,
    };
    let context = session.operator(&stores);
    let secrets = status(rotation, file).await?.standing.tables.values().flat_map(|t| t.values()).sum();
    let bar = ProgressBar::new(secrets);
    let workspace = &session.config.workspace;
    let done =
        rotate(&stores.journal, workspace, (rotation, file), stage, &context, &mut |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    let done = done?;
    if session.printer.json {
        return session.printer.document(&done);
    }
    let path = session.config.master_key_file.display();
    if done.staged {
        return session.printer.print_line(format!(
            "The new master key {} is now in {path} next to {}. Copy that file to every machine, then run key rotate again",
            done.to, done.from
        ));
    }
    let resumed = if done.resumed { " (an interrupted rotation was completed)" } else { "" };
    session.printer.print_line(format!(
        "The master key is now {}{resumed}: {} secrets were re-encrypted, and {} was destroyed.\n\
         Back up {path} separately from the database; older copies of it open only older backups.",
        done.to, done.rewrapped, done.from
    ))
}

fn print_status(session: &Session, keys: &MasterKeyStatus) -> Result<(), CliError> {
    if session.printer.json {
        return session.printer.document(keys);
    }
    let standing = &keys.standing;
    let none = || "none".to_owned();
    let mut fields = vec![
        vec!["in use".to_owned(), standing.current.clone().unwrap_or_else(none)],
        vec!["in the file, newest first".to_owned(), keys.file.join(", ")],
    ];
    for (table, under) in &standing.tables {
        let counts: Vec<String> = under.iter().map(|(id, count)| format!("{count} under {id}")).collect();
        fields.push(vec![table.replace('_', " "), if counts.is_empty() { none() } else { counts.join(", ") }]);
    }
    let rotating = match &standing.previous {
        Some(previous) => format!("in progress, from {previous}: run key rotate to complete it"),
        None if keys.file.len() > 1 => "staged or incomplete: run key rotate to continue".to_owned(),
        None => "none in progress".to_owned(),
    };
    fields.push(vec!["rotation".to_owned(), rotating]);
    session.printer.table(&["master key", ""], fields, "")
}
