//! Restores an exported ledger into an empty one of any kind, with the same positions and the same root.

use crate::{
    domain::{ids::Position, program_version::ProgramVersion},
    ports::{
        event_store::{APPEND_EVENTS_MAX, Failure},
        lines::{LineError, Lines},
    },
    record::{checkpoint::Checkpoint, envelope::StoredEvent, leaf, merkle::Hash, note::VerifierKey},
    services::{
        Error,
        audit::{Audit, Contents, PAGE_LEAVES, verify_lines},
    },
};

/// Maximum size of a batch's data in bytes, after which no event is added.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Result of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSummary {
    /// Number of events in the export.
    pub events: u64,
    /// How many of them were already there, from an interrupted import.
    pub resumed: u64,
    /// The checkpoint that the ledger has reached.
    pub checkpoint: Checkpoint,
    /// Whether it was signed with a key that was given.
    pub authentic: bool,
}

/// Verifies the whole export before writing anything. `lines` opens it from the beginning. `version` is this program's.
///
/// # Errors
/// `ProgramTooOld` if the export requires a newer program; `Invalid` with the export's first fault, or if the ledger contains anything but its beginning.
pub async fn import(
    audit: &Audit,
    lines: &(dyn Fn() -> Result<Lines, LineError> + Send + Sync),
    known: &[VerifierKey],
    version: ProgramVersion,
    progress: &mut (dyn FnMut(&'static str, u64, u64) + Send),
) -> Result<ImportSummary, Error> {
    let open = || lines().map_err(|e| Error::Invalid(e.to_string()));
    let contents = verify_lines(open()?, known, &[], &mut |done, of| progress("checked", done, of));
    if let Some(least) = contents.required.filter(|least| *least > version) {
        return Err(Failure::ProgramTooOld { least, version }.into());
    }
    let (checkpoint, keys, authentic) = checked(audit, contents)?;
    let resumed = audit.store().end().await?.0;
    if resumed > checkpoint.size {
        return Err(Error::Invalid(format!(
            "the ledger has {resumed} events, the export {}: import into an empty ledger",
            checkpoint.size
        )));
    }
    let mut writing = ImportWriter { audit, leaves: Vec::new().into_iter(), batch: Vec::new(), bytes: 0 };
    // Without the first line. The last one is never reached, because the events before it are counted.
    let mut events = open()?.skip(1);
    for position in 0..checkpoint.size {
        let line = events.next().ok_or_else(changed)?.map_err(|e| Error::Invalid(e.to_string()))?;
        let it = leaf::read(&line).map_err(|_| changed())?;
        if position < resumed {
            writing.compare(&it).await?;
        } else {
            writing.add(it).await?;
        }
        if position.is_multiple_of(8_192) {
            progress("written", position, checkpoint.size);
        }
    }
    writing.flush().await?;
    audit.keys().learn(&keys).await?;
    if audit.root_at(checkpoint.size).await? != checkpoint.root {
        return Err(changed());
    }
    Ok(ImportSummary { events: checkpoint.size, resumed, checkpoint, authentic })
}

fn changed() -> Error {
    Error::Invalid("the file changed while it was read: start again with an empty ledger".to_owned())
}

fn checked(audit: &Audit, contents: Contents) -> Result<(Checkpoint, Vec<VerifierKey>, bool), Error> {
    if let Some(fault) = contents.report.faults.first() {
        return Err(Error::Invalid(format!("nothing was imported, because the export has a fault: {fault}")));
    }
    let (Some(header), Some(checkpoint)) = (contents.header, contents.checkpoint) else {
        return Err(Error::Invalid("the export has no checkpoint".to_owned()));
    };
    if header.origin != audit.origin() {
        let (theirs, ours) = (header.origin, audit.origin());
        return Err(Error::Invalid(format!(
            "the export is of ledger {theirs}, but this one is {ours}: set `workspace` to match"
        )));
    }
    if header.from > 0 {
        let from = header.from;
        return Err(Error::Invalid(format!(
            "the export begins at position {from}: only an export from position 0 can be imported"
        )));
    }
    Ok((checkpoint, contents.keys, contents.authentic))
}

struct ImportWriter<'a> {
    audit: &'a Audit,
    /// A page of hashes already in the ledger.
    leaves: std::vec::IntoIter<Hash>,
    batch: Vec<StoredEvent>,
    bytes: usize,
}

impl ImportWriter<'_> {
    /// Compares an event with the one at its position in the ledger.
    async fn compare(&mut self, it: &StoredEvent) -> Result<(), Error> {
        if self.leaves.len() == 0 {
            self.leaves = self.audit.store().leaves(it.position, PAGE_LEAVES).await?.into_iter();
        }
        if self.leaves.next() == Some(it.leaf) {
            return Ok(());
        }
        let at = it.position;
        Err(Error::Invalid(format!(
            "the ledger is not empty and has a different event at position {at}: import into an empty ledger"
        )))
    }

    async fn add(&mut self, it: StoredEvent) -> Result<(), Error> {
        self.bytes += it.event.data.len();
        self.batch.push(it);
        if self.batch.len() >= APPEND_EVENTS_MAX || self.bytes >= BATCH_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        if !self.batch.is_empty() {
            self.audit.store().restore(std::mem::take(&mut self.batch)).await?;
            self.bytes = 0;
        }
        Ok(())
    }
}

impl Audit {
    /// The root over the first `size` events, from their stored hashes.
    async fn root_at(&self, size: u64) -> Result<Hash, Error> {
        let mut tree = crate::record::merkle::Frontier::new();
        while tree.size() < size {
            let limit = usize::try_from(size - tree.size()).unwrap_or(PAGE_LEAVES).min(PAGE_LEAVES);
            let page = self.store().leaves(Position(tree.size()), limit).await?;
            if page.is_empty() {
                return Err(Error::Invalid(format!("position {} is missing: run `audit verify`", tree.size())));
            }
            page.into_iter().for_each(|leaf| tree.push(leaf));
        }
        Ok(tree.root())
    }
}
