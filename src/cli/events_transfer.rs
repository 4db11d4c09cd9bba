//! `events export` and `events import`: the ledger, or a range of it, as a file.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    CliError, Session,
    audit_verify::{bar, show},
};
use crate::{
    app::archive::{self, Archive},
    record::{checkpoint::write_hash, note::VerifierKey},
    services::transfer::{self, Range},
};

#[derive(Debug, Args)]
pub struct Export {
    /// File to write; until it is complete, it is called FILE.partial
    file: PathBuf,
    /// First position
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Last position (inclusive) [default: the end]
    #[arg(long, value_name = "N")]
    to: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Import {
    /// Exported ledger that begins at position 0
    file: PathBuf,
    /// Public key it must be signed with, as printed by `audit key`. Repeatable
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<VerifierKey>,
}

pub async fn export(session: &Session, asked: Export) -> Result<(), CliError> {
    let stores = session.existing_stores().await?;
    let Archive { already, sink } = archive::begin(&asked.file).map_err(CliError::refused)?;
    let bar = bar(session.printer, "events");
    let range = Range { from: asked.from, to: asked.to };
    let done = transfer::export(&stores.audit, range, already, sink, &mut |done, of| show(&bar, done, of)).await;
    bar.finish_and_clear();
    let done = done?;
    let (size, root) = (done.checkpoint.size, write_hash(&done.checkpoint.root));
    if session.printer.json {
        return session.printer.document(&json!({
            "file": asked.file, "from": done.from, "events": done.events, "resumed": done.resumed, "size": size, "root": root,
        }));
    }
    let resumed =
        if done.resumed == 0 { String::new() } else { format!(" ({} of them in an earlier run)", done.resumed) };
    session.printer.print_line(format!(
        "Exported {} events{resumed} to {}\nroot {root}",
        done.events,
        asked.file.display()
    ))
}

pub async fn import(session: &Session, asked: Import) -> Result<(), CliError> {
    let open = || archive::lines(&asked.file);
    // Check the file before a new, empty ledger is created for it.
    drop(open().map_err(CliError::refused)?);
    let stores = session.stores().await?;
    let bar = bar(session.printer, "events {msg}");
    let mut show = |what, done, of| {
        bar.set_message(what);
        show(&bar, done, of);
    };
    let done = transfer::import(&stores.audit, &open, &asked.keys, stores.versions.program().version, &mut show).await;
    bar.finish_and_clear();
    let done = done?;
    let root = write_hash(&done.checkpoint.root);
    if session.printer.json {
        return session.printer.document(&json!({
            "events": done.events, "resumed": done.resumed, "root": root, "authentic": done.authentic,
        }));
    }
    let resumed =
        if done.resumed == 0 { String::new() } else { format!(" ({} of them in an earlier run)", done.resumed) };
    session.printer.print_line(format!("Imported {} events{resumed}\nroot {root}", done.events))?;
    if done.authentic {
        return Ok(());
    }
    session.printer.print_line(
        "The file is consistent, but its author was not checked; pass the ledger's key with --key to check it.",
    )
}
