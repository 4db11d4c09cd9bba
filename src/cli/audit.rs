//! `audit`: seal the ledger, verify it, and prove its contents to others.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    CliError, Session,
    audit_verify::{self, Verify},
};
use crate::{
    app::archive,
    domain::ids::EventId,
    record::checkpoint::write_hash,
    services::audit::{Continuity, Inclusion, Outcome, Side},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign a checkpoint over everything recorded so far
    Seal,
    /// Verify the whole ledger, or an exported file on its own; exits with 1 and the first fault if something is wrong
    Verify(Verify),
    /// Prove that an event is in the ledger, or that a later ledger continues an earlier one
    Prove(Prove),
    /// Print the public key that verifies checkpoints, and earlier keys
    Key {
        /// Create a new key first; checkpoints signed with older keys stay verifiable
        #[arg(long)]
        rotate: bool,
    },
}

#[derive(Debug, Args)]
pub struct Prove {
    /// Event id
    #[arg(required_unless_present = "consistency", conflicts_with = "consistency")]
    event: Option<String>,
    /// Prove that the ledger at NEW continues the ledger at OLD; each is a checkpoint file or a number of events
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"])]
    consistency: Vec<String>,
    /// Checkpoint to prove against [default: the newest]
    #[arg(long, value_name = "FILE", conflicts_with = "consistency")]
    checkpoint: Option<PathBuf>,
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    match command {
        Command::Seal => seal(session).await,
        Command::Verify(asked) => audit_verify::ledger(session, &asked).await,
        Command::Prove(asked) => match asked.consistency.as_slice() {
            [old, new] => consistency(session, old, new).await,
            _ => inclusion(session, &asked).await,
        },
        Command::Key { rotate } => key(session, rotate).await,
    }
}

async fn seal(session: &Session) -> Result<(), CliError> {
    let stores = session.existing_stores().await?;
    let outcome = stores.audit.seal(&session.operator(&stores)).await?;
    let (sealed, new) = match outcome {
        Outcome::Sealed(sealed) => (Some(sealed), true),
        Outcome::Nothing(sealed) => (sealed, false),
    };
    let Some(sealed) = sealed else { return Err(CliError::refused("the ledger is empty: there is nothing to seal")) };
    let (size, root) = (sealed.checkpoint.size, write_hash(&sealed.checkpoint.root));
    if session.printer.json {
        return session.printer.document(&json!({
            "sealed": new, "size": size, "root": root, "position": sealed.position, "checkpoint": sealed.note,
        }));
    }
    let heading = if new { "Sealed" } else { "Nothing new since this checkpoint:" };
    session.printer.print_line(format!("{heading} {size} events\n\n{}", sealed.note))
}

async fn key(session: &Session, rotate: bool) -> Result<(), CliError> {
    let stores = session.existing_stores().await?;
    let keys = stores.audit.keys();
    let signer = if rotate { keys.rotate().await } else { keys.signer().await };
    let signer = signer.map_err(CliError::refused)?;
    let known = keys.known().await.map_err(CliError::refused)?;
    if session.printer.json {
        let all: Vec<_> = known
            .iter()
            .map(|key| {
                json!({
                    "key": key.verifier.to_string(), "created_at": key.created_at, "retired_at": key.retired_at,
                })
            })
            .collect();
        return session.printer.document(&json!({ "key": signer.verifier().to_string(), "known": all }));
    }
    session.printer.print_line(signer.verifier().to_string())?;
    let before = known.iter().filter_map(|key| Some((key, key.retired_at?)));
    let before: Vec<Vec<String>> = before
        .map(|(key, at)| vec![key.verifier.to_string(), at.format("until %Y-%m-%d %H:%M:%SZ").to_string()])
        .collect();
    if before.is_empty() { Ok(()) } else { session.printer.table(&["before it", ""], before, "") }
}

async fn inclusion(session: &Session, asked: &Prove) -> Result<(), CliError> {
    let text = asked.event.as_deref().unwrap_or_default();
    let id = text.parse().map(EventId).map_err(|_| CliError::usage(format!("{text:?} is not an event id")))?;
    let checkpoint = asked.checkpoint.as_deref().map(archive::checkpoint).transpose().map_err(CliError::usage)?;
    let stores = session.existing_stores().await?;
    let proof = stores.audit.inclusion(id, checkpoint.as_ref().map(|it| it.note.as_str())).await?;
    if session.printer.json {
        return session.printer.document(&proof);
    }
    let Inclusion { event, stream, version, index, leaf, leaf_hash, proof, checkpoint, key, .. } = proof;
    let path = if proof.is_empty() { "  (the leaf is the root)".to_owned() } else { indented(&proof) };
    let key = key.map_or_else(String::new, |key| format!("\nVerify with\n  {key}"));
    session.printer.print_line(format!(
        "Event {event} ({stream}@{version}) is leaf {index} of the tree below.\n\n\
         Leaf\n  {leaf}\nLeaf hash\n  {leaf_hash}\nPath, the leaf's neighbour first\n{path}\n{checkpoint}{key}"
    ))
}

async fn consistency(session: &Session, old: &str, new: &str) -> Result<(), CliError> {
    let (old, new) = (side(old)?, side(new)?);
    let stores = session.existing_stores().await?;
    let proof = stores.audit.consistency(&old, &new).await?;
    if session.printer.json {
        return session.printer.document(&proof);
    }
    let Continuity { origin, old_size, old_root, new_size, new_root, proof } = proof;
    let path = if proof.is_empty() { "  (none is needed)".to_owned() } else { indented(&proof) };
    session.printer.print_line(format!(
        "{origin} with {new_size} events continues the one with {old_size}.\n\n\
         Root at {old_size}\n  {old_root}\nRoot at {new_size}\n  {new_root}\nPath\n{path}"
    ))
}

fn side(text: &str) -> Result<Side, CliError> {
    if let Ok(size) = text.parse() {
        return Ok(Side::Size(size));
    }
    archive::checkpoint(Path::new(text)).map(|kept| Side::Note(kept.note)).map_err(CliError::usage)
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
