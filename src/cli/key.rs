//! `key`: the master key, and putting another in its place.

use clap::Subcommand;
use indicatif::ProgressBar;

use super::{CliError, Session};
use crate::services::people::rotate::{MasterKeyStatus, rotate, status};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say which master key is in use, and whether a rotation is under way
    Status,
    /// Put a fresh master key in the place of the one before, which is destroyed; services go on meanwhile. After an
    /// interruption the same command goes on where it stood
    Rotate {
        /// Only put the fresh key into the file, to be taken to other machines first; called again, it is used
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
            "The fresh master key {} stands in {path} beside {}. Take that file to every machine, then rotate again",
            done.to, done.from
        ));
    }
    let resumed = if done.resumed { " (an interrupted rotation was ended)" } else { "" };
    session.printer.print_line(format!(
        "The master key is {} now{resumed}: {} secrets were wrapped anew, and {} is destroyed.\n\
         Back up {path} apart from the database; older copies of it open only older backups.",
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
        Some(previous) => format!("under way, from {previous}: end it with key rotate"),
        None if keys.file.len() > 1 => "staged, or not ended: key rotate goes on".to_owned(),
        None => "not under way".to_owned(),
    };
    fields.push(vec!["rotation".to_owned(), rotating]);
    session.printer.table(&["master key", ""], fields, "")
}
