//! Replaces the master key while services run.
//!
//! Steps: add a new key to the file; mark it as current in the database; re-encrypt every secret with it; record that;
//! destroy the old key. After a crash the same command continues: file and database together show how far it got.
//! A service that meets an unknown key reads the file again.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    domain::{event, ids::Version, operations::Event},
    ports::{
        event_store::ExpectedVersion,
        master_keys::{MasterKeyFile, MasterKeyFileError},
        rotation::{Rotation, WrappingStatus},
    },
    record::stream::StreamName,
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// Secrets re-encrypted per transaction.
const BATCH_SECRETS: usize = 256;

/// State of the master keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MasterKeyStatus {
    /// Keys in the file, newest first, by their public names.
    pub file: Vec<String>,
    /// The state in the database.
    #[serde(flatten)]
    pub standing: WrappingStatus,
}

/// Result of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RotationOutcome {
    /// The old master key.
    pub from: String,
    /// The new master key.
    pub to: String,
    /// Secrets re-encrypted by this call.
    pub rewrapped: u64,
    /// Whether an earlier call had started it.
    pub resumed: bool,
    /// Whether the new key was only added to the file: call again to use it.
    pub staged: bool,
}

/// State of the master keys.
///
/// # Errors
/// The file or the database cannot be read.
pub async fn status(rotation: &dyn Rotation, file: &dyn MasterKeyFile) -> Result<MasterKeyStatus, Error> {
    Ok(MasterKeyStatus { file: file.ids().map_err(unusable)?, standing: rotation.wrapping_status().await? })
}

fn unusable(unusable: MasterKeyFileError) -> Error {
    Error::Invalid(unusable.to_string())
}

/// Rotates the master key, or continues an interrupted rotation. With `stage` the new key is only added to the file,
/// to copy it to other machines before it is used. `on_progress` receives the number of re-encrypted secrets.
///
/// # Errors
/// `Invalid` if the file lacks the key in use; failures of the vault. Nothing is lost: call it again.
pub async fn rotate(
    journal: &Journal,
    workspace: &str,
    (rotation, file): (&dyn Rotation, &dyn MasterKeyFile),
    stage: bool,
    context: &Context,
    on_progress: &mut (dyn FnMut(u64) + Send),
) -> Result<RotationOutcome, Error> {
    let keys = status(rotation, file).await?;
    let Some(current) = keys.standing.current.clone() else {
        return Err(Error::Invalid("there are no secrets yet: nothing to rotate".into()));
    };
    if !keys.file.contains(&current) {
        let what = "restore the key file that belongs to this ledger";
        return Err(Error::Invalid(format!("the key file does not contain the master key {current}: {what}")));
    }
    let newest = keys.file.first().cloned().unwrap_or_default();
    let other = keys.file.iter().find(|id| **id != current).cloned();
    // The file shows what was started, the database how far it got.
    let (from, to, resumed) = match (keys.standing.previous.clone(), other) {
        (Some(previous), _) => (previous, current, true),
        (None, Some(other)) if newest == other => (current, other, true),
        (None, Some(old)) => (old, current, true),
        (None, None) => (current, file.add().map_err(unusable)?, false),
    };
    let mut done = RotationOutcome { from, to, rewrapped: 0, resumed, staged: stage };
    if stage {
        return Ok(done);
    }
    rotation.begin(&done.from, &done.to, journal.clock().now()).await?;
    loop {
        let wrapped = rotation.rewrap(BATCH_SECRETS).await?;
        if wrapped == 0 {
            break;
        }
        done.rewrapped += wrapped as u64;
        on_progress(done.rewrapped);
    }
    rotation.finish().await?;
    record(journal, workspace, &done, context).await?;
    file.remove(&done.from).map_err(unusable)?;
    Ok(done)
}

/// Records the rotation, unless an interrupted call already did.
async fn record(journal: &Journal, workspace: &str, done: &RotationOutcome, context: &Context) -> Result<(), Error> {
    let stream = StreamName::operations(workspace);
    let known = journal.stream(&stream, Version(0)).await?.into_iter().any(|decoded| {
        matches!(decoded.event, event::Event::Operations(Event::MasterKeyRotated { from, to })
            if from == done.from && to == done.to)
    });
    if !known {
        let fact = Event::MasterKeyRotated { from: done.from.clone(), to: done.to.clone() };
        journal.append(&stream, ExpectedVersion::Any, vec![fact], context).await?;
    }
    Ok(())
}
