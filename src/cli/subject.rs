//! `subject`: people whose words stand in the ledger, and forgetting them.

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
    /// Forget a person for good: destroy the key of everything that was ever recorded about them
    Erase {
        /// Whom; `bookings show` names the subject of a booking
        id: String,
        /// Also where nothing was ever recorded about them: then nothing ever will be
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
    let head = if *repeated { "was forgotten already" } else { "is forgotten" };
    let mut lines = vec![
        format!("{subject} {head}: the key was destroyed on {at}, asked for by {by}."),
        format!("Their {} booking(s) stay, without words.", left.bookings),
    ];
    let entries = |shown: &[RemainingEntry]| -> Vec<String> {
        shown
            .iter()
            .map(|s| format!("    {}  on {}:{}  entry {}", s.booking, s.connection, s.calendar, s.entry))
            .collect()
    };
    if !left.upcoming.is_empty() {
        lines.push("Entries still to come get other words as soon as the service runs:".into());
        lines.extend(entries(&left.upcoming));
    }
    if !left.past.is_empty() {
        lines.push("Entries of what is over are left as they are; remove them by hand if they must go:".into());
        lines.extend(entries(&left.past));
    }
    lines.push("Out of reach:".into());
    lines.extend(left.outside.iter().map(|what| format!("  - {what}")));
    lines.join("\n")
}
