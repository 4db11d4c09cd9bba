//! `subject`: erases a person's data.

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Session, ask};
use crate::{
    domain::ids::SubjectId,
    services::people::{
        forget::{ErasureOutcome, erase},
        forget_outside::{RemainingCopies, RemainingEntry, remaining_copies},
    },
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Erase a person permanently, by destroying the key of everything recorded about them
    Erase {
        /// Subject id, as printed by `bookings show`
        id: String,
        /// Record the erasure even if nothing is known about them, so that they can never be added later
        #[arg(long)]
        unseen: bool,
    },
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    let Command::Erase { id, unseen } = command;
    let subject = SubjectId::new(id).map_err(CliError::usage)?;
    let stores = session.existing_stores().await?;
    let context = session.operator(&stores);
    let done = erase(&stores.journal, &session.config.workspace, &subject, unseen, &context).await?;
    ask::refresh(&stores).await?;
    let left = remaining_copies(&stores.journal, &*stores.models, &subject).await?;
    if session.printer.json {
        return session.printer.document(&json!({"erased": done, "left": left}));
    }
    session.printer.print_line(summary(&done, &left))
}

/// What was done, and what is out of reach.
fn summary(done: &ErasureOutcome, left: &RemainingCopies) -> String {
    let ErasureOutcome { subject, erased_at, by, repeated } = done;
    let at = erased_at.format("%Y-%m-%d %H:%M:%SZ");
    let head = if *repeated { "was already erased" } else { "has been erased" };
    let mut lines = vec![
        format!("{subject} {head}: the key was destroyed on {at}, as requested by {by}."),
        format!("Their {} booking(s) stay, without personal data.", left.bookings),
    ];
    let entries = |remaining: &[RemainingEntry]| -> Vec<String> {
        remaining
            .iter()
            .map(|s| format!("    {}  on {}:{}  entry {}", s.booking, s.connection, s.calendar, s.entry))
            .collect()
    };
    if !left.upcoming.is_empty() {
        lines.push("The running service replaces the text of these upcoming entries:".into());
        lines.extend(entries(&left.upcoming));
    }
    if !left.past.is_empty() {
        lines.push("Past entries are not changed; delete them by hand if they must go:".into());
        lines.extend(entries(&left.past));
    }
    lines.push("Out of our reach:".into());
    lines.extend(left.outside.iter().map(|what| format!("  - {what}")));
    lines.join("\n")
}
