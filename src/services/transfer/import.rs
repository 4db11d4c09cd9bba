//! Brings an exported ledger back: into an empty ledger of any kind, at the same positions, with the same root.

use crate::{
    domain::ids::Position,
    ports::{
        event_store::APPEND_EVENTS_MAX,
        lines::{LineError, Lines},
    },
    record::{checkpoint::Checkpoint, envelope::StoredEvent, leaf, merkle::Hash, note::VerifierKey},
    services::{
        Error,
        audit::{Audit, Contents, PAGE_LEAVES, verify_lines},
    },
};

/// A batch takes no further event once its data has this many bytes.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What was brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSummary {
    /// Events of the export.
    pub events: u64,
    /// How many of them were there already, from an import that was interrupted.
    pub resumed: u64,
    /// The checkpoint that the ledger has reached.
    pub checkpoint: Checkpoint,
    /// Whether it was signed with a key that was known before.
    pub authentic: bool,
}

/// Checks an export as a whole, and only then writes it. `lines` opens it from its beginning.
///
/// # Errors
/// `Invalid` with the first fault of the export, or where the ledger holds anything but the beginning of it.
pub async fn import(
    audit: &Audit,
    lines: &(dyn Fn() -> Result<Lines, LineError> + Send + Sync),
    known: &[VerifierKey],
    progress: &mut (dyn FnMut(&'static str, u64, u64) + Send),
) -> Result<ImportSummary, Error> {
    let open = || lines().map_err(|e| Error::Invalid(e.to_string()));
    let contents = verify_lines(open()?, known, &[], &mut |done, of| progress("checked", done, of));
    let (checkpoint, keys, authentic) = checked(audit, contents)?;
    let resumed = audit.store().end().await?.0;
    if resumed > checkpoint.size {
        return Err(Error::Invalid(format!(
            "the ledger has {resumed} events, the export {}: only an empty ledger can take one",
            checkpoint.size
        )));
    }
    let mut writing = ImportWriter { audit, leaves: Vec::new().into_iter(), batch: Vec::new(), bytes: 0 };
    // Without its first line, and without its last, which the events before it leave no room for.
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
    Error::Invalid("the file was changed while it was read: begin anew with an empty ledger".to_owned())
}

fn checked(audit: &Audit, contents: Contents) -> Result<(Checkpoint, Vec<VerifierKey>, bool), Error> {
    if let Some(fault) = contents.report.faults.first() {
        return Err(Error::Invalid(format!("nothing was imported, the export is not sound: {fault}")));
    }
    let (Some(header), Some(checkpoint)) = (contents.header, contents.checkpoint) else {
        return Err(Error::Invalid("the export has no checkpoint".to_owned()));
    };
    if header.origin != audit.origin() {
        let (theirs, ours) = (header.origin, audit.origin());
        return Err(Error::Invalid(format!(
            "it is the ledger {theirs}, and this one is {ours}: set `workspace` to match"
        )));
    }
    if header.from > 0 {
        let from = header.from;
        return Err(Error::Invalid(format!("it begins at position {from}: only an export from 0 can be imported")));
    }
    Ok((checkpoint, contents.keys, contents.authentic))
}

struct ImportWriter<'a> {
    audit: &'a Audit,
    /// Hashes of what is there already, a page of them.
    leaves: std::vec::IntoIter<Hash>,
    batch: Vec<StoredEvent>,
    bytes: usize,
}

impl ImportWriter<'_> {
    /// Holds an event against what is there at its place.
    async fn compare(&mut self, it: &StoredEvent) -> Result<(), Error> {
        if self.leaves.len() == 0 {
            self.leaves = self.audit.store().leaves(it.position, PAGE_LEAVES).await?.into_iter();
        }
        if self.leaves.next() == Some(it.leaf) {
            return Ok(());
        }
        let at = it.position;
        Err(Error::Invalid(format!(
            "the ledger is not empty, and has another event at position {at}: only an empty one can take an export"
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
    /// The root over the first `size` events, by their stored hashes.
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
