//! Another master key in the place of the one before, while services run.
//!
//! Steps: a fresh key joins the one in the file; the database says that secrets are wrapped under it from now on; every secret
//! is wrapped anew; that is recorded; the key before is destroyed. After a crash the same command goes on where it stood: file
//! and database together say how far it came. A service that meets a key it does not know reads the file again.

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

/// Secrets wrapped anew in one transaction.
const BATCH_SECRETS: usize = 256;

/// How keys stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MasterKeyStatus {
    /// The keys in the file, newest first, by their public names.
    pub file: Vec<String>,
    /// What the database says.
    #[serde(flatten)]
    pub standing: WrappingStatus,
}

/// How a rotation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RotationOutcome {
    /// The master key before.
    pub from: String,
    /// The master key now.
    pub to: String,
    /// Secrets that were wrapped anew by this call.
    pub rewrapped: u64,
    /// Whether an earlier call had begun it.
    pub resumed: bool,
    /// Whether the new key was only put into the file: it is used once the command is called again.
    pub staged: bool,
}

/// How the keys stand.
///
/// # Errors
/// File or database cannot be read.
pub async fn status(rotation: &dyn Rotation, file: &dyn MasterKeyFile) -> Result<MasterKeyStatus, Error> {
    Ok(MasterKeyStatus { file: file.ids().map_err(unusable)?, standing: rotation.wrapping_status().await? })
}

fn unusable(unusable: MasterKeyFileError) -> Error {
    Error::Invalid(unusable.to_string())
}

/// Rotates the master key, or goes on with a rotation that was interrupted. With `stage` the new key is only put into the file,
/// to be taken to other machines before it is used. `told` hears how many secrets are wrapped anew.
///
/// # Errors
/// `Invalid` where the file lacks the key that is in use; the vault's failures. Nothing is lost: call it again.
pub async fn rotate(
    journal: &Journal,
    workspace: &str,
    (rotation, file): (&dyn Rotation, &dyn MasterKeyFile),
    stage: bool,
    context: &Context,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<RotationOutcome, Error> {
    let keys = status(rotation, file).await?;
    let Some(current) = keys.standing.current.clone() else {
        return Err(Error::Invalid("no secret was ever wrapped here: there is nothing to rotate".into()));
    };
    if !keys.file.contains(&current) {
        let what = "restore the key file that belongs to this ledger";
        return Err(Error::Invalid(format!("the key file does not have the master key {current}: {what}")));
    }
    let newest = keys.file.first().cloned().unwrap_or_default();
    let other = keys.file.iter().find(|id| **id != current).cloned();
    // The file says what was begun, the database what was reached.
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
        told(done.rewrapped);
    }
    rotation.finish().await?;
    record(journal, workspace, &done, context).await?;
    file.remove(&done.from).map_err(unusable)?;
    Ok(done)
}

/// Records the rotation, unless an interrupted call has.
async fn record(journal: &Journal, workspace: &str, done: &RotationOutcome, context: &Context) -> Result<(), Error> {
    let stream = StreamName::operations(workspace);
    let known = journal.stream(&stream, Version(0)).await?.into_iter().any(|told| {
        matches!(told.event, event::Event::Operations(Event::MasterKeyRotated { from, to })
            if from == done.from && to == done.to)
    });
    if !known {
        let fact = Event::MasterKeyRotated { from: done.from.clone(), to: done.to.clone() };
        journal.append(&stream, ExpectedVersion::Any, vec![fact], context).await?;
    }
    Ok(())
}
