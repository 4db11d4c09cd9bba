//! Erasing a person: their key is destroyed, and with it everything ever sealed under it, in every copy.
//!
//! Order: record the intent, destroy the key, record that. After a crash in between, the same command, or the reactor
//! of any service on this ledger, completes it. Read models need no change: their texts are sealed.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    domain::{
        event,
        ids::{SubjectId, Version},
        operations::Event,
        personal,
    },
    ports::{
        event_store::ExpectedVersion,
        vault::{self, KeyState},
    },
    record::stream::StreamName,
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// Attempts to append the outcome when others append to the operations stream at the same time.
const TRIES_MAX: usize = 20;

/// Result of an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErasureOutcome {
    /// Id of the erased person.
    pub subject: String,
    /// When their key was destroyed.
    pub erased_at: DateTime<Utc>,
    /// Who requested it first.
    pub by: String,
    /// Whether it was already done before; then nothing was done now.
    pub repeated: bool,
}

/// What the ledger records about one subject's erasure.
#[derive(Default)]
struct ErasureHistory {
    asked_by: Option<String>,
    erased: Option<(String, DateTime<Utc>)>,
    version: Option<Version>,
}

/// Erases `subject`. Repeating it changes nothing, and completes an interrupted erasure.
///
/// # Errors
/// `NotFound` if nothing was ever sealed for them (a typing mistake would otherwise look like an erasure), unless
/// `unseen`, which ensures that nothing ever will be; `Vault` if the key may not be gone: call it again.
pub async fn erase(
    journal: &Journal,
    workspace: &str,
    subject: &SubjectId,
    unseen: bool,
    context: &Context,
) -> Result<ErasureOutcome, Error> {
    if *subject == personal::nobody() {
        return Err(Error::Invalid(format!("{subject} is not a person: it marks texts that are about nobody")));
    }
    let state = history(journal, workspace, subject).await?;
    if state.asked_by.is_none() && state.erased.is_none() && !unseen && !subject_exists(journal, subject).await? {
        return Err(Error::NotFound { what: "subject", id: subject.to_string() });
    }
    let by = match &state.asked_by {
        Some(by) => by.clone(),
        None => {
            let by = context.actor.id.clone();
            let asked = Event::SubjectErasureRequested { subject: subject.clone(), by: by.clone() };
            journal.append(&StreamName::operations(workspace), ExpectedVersion::Any, vec![asked], context).await?;
            by
        }
    };
    // A service may have completed it since we recorded our intent: it was still done on our request.
    let repeated = state.erased.is_some();
    Ok(ErasureOutcome { repeated, ..finish(journal, workspace, subject, &by, context).await? })
}

/// Whether anything was ever sealed for them. A key that this program cannot unwrap counts.
async fn subject_exists(journal: &Journal, subject: &SubjectId) -> Result<bool, Error> {
    match journal.vault.key(subject).await {
        Ok(KeyState::Unknown) => Ok(false),
        Ok(KeyState::Held(_) | KeyState::Destroyed(_)) | Err(vault::Failure::WrongMaster(_)) => Ok(true),
        Err(failure) => Err(failure.into()),
    }
}

/// Completes an erasure whose intent is recorded.
///
/// # Errors
/// As [`erase`].
pub async fn finish(
    journal: &Journal,
    workspace: &str,
    subject: &SubjectId,
    by: &str,
    context: &Context,
) -> Result<ErasureOutcome, Error> {
    let stream = StreamName::operations(workspace);
    // Done every time: an earlier call may have left a copy of the key in the database's log.
    journal.vault.destroy(subject, journal.clock().now()).await?;
    let KeyState::Destroyed(erased_at) = journal.vault.key(subject).await? else { return Err(Error::Busy) };
    for _ in 0..TRIES_MAX {
        let state = history(journal, workspace, subject).await?;
        if let Some((by, erased_at)) = state.erased {
            return Ok(ErasureOutcome { subject: subject.to_string(), erased_at, by, repeated: true });
        }
        let erased = Event::SubjectErased { subject: subject.clone(), by: by.to_owned(), erased_at };
        match journal.append(&stream, ExpectedVersion::after(state.version), vec![erased], context).await {
            Ok(_) => {
                let (subject, by) = (subject.to_string(), by.to_owned());
                return Ok(ErasureOutcome { subject, erased_at, by, repeated: false });
            }
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Busy)
}

async fn history(journal: &Journal, workspace: &str, subject: &SubjectId) -> Result<ErasureHistory, Error> {
    let mut found = ErasureHistory::default();
    for state in journal.stream(&StreamName::operations(workspace), Version(0)).await? {
        found.version = Some(state.recorded.version);
        match state.event {
            event::Event::Operations(Event::SubjectErasureRequested { subject: of, by }) if of == *subject => {
                found.asked_by.get_or_insert(by);
            }
            event::Event::Operations(Event::SubjectErased { subject: of, by, erased_at }) if of == *subject => {
                found.erased.get_or_insert((by, erased_at));
            }
            _ => {}
        }
    }
    Ok(found)
}
