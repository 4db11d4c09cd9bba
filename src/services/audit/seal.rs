//! Seals the ledger: verifies new events, signs the root over all events, records the checkpoint, and saves it outside.

use super::{Audit, PAGE_EVENTS, RecordedSeal};
use crate::{
    domain::{
        event::Event,
        ids::{Position, Version},
        operations,
    },
    ledger::append::leaf_at,
    ports::{checkpoint_archive, event_store::ExpectedVersion},
    record::{
        checkpoint::{Checkpoint, write_hash},
        merkle::{Frontier, Hash},
        note::Note,
    },
    services::{Error, journal::Context},
};

/// Attempts when others append to the same stream at the same time.
const TRIES_MAX: u32 = 10;

/// Events that arrive while the ledger is read; up to this many are left for the next seal.
const LEFT_EVENTS_MAX: u64 = 8_192;

/// Maximum number of passes when the ledger keeps growing by more than that.
const ROUNDS_MAX: u32 = 20;

/// Result of sealing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A new checkpoint.
    Sealed(Box<RecordedSeal>),
    /// Nothing was recorded since the last checkpoint, or ever.
    Nothing(Option<Box<RecordedSeal>>),
}

impl Audit {
    /// Seals everything recorded so far. If several processes try at once, one succeeds and the others find its checkpoint.
    ///
    /// # Errors
    /// `Damaged` if an event does not match its hash: only verified events are signed. `CheckpointArchive` if a checkpoint
    /// outside contradicts the ledger.
    pub async fn seal(&self, context: &Context) -> Result<Outcome, Error> {
        for _ in 0..TRIES_MAX {
            let (latest, last) = self.latest().await?;
            let end = self.store().end().await?;
            if let Some(latest) = &latest {
                // The process that recorded it may have crashed before saving it outside.
                self.archive.keep(latest.checkpoint.size, &latest.note)?;
            }
            let size = latest.as_ref().map_or(0, |latest| latest.checkpoint.size);
            let own = latest.as_ref().is_some_and(|latest| latest.position.0 == size && end == latest.position.next());
            if own || end.0 == size {
                return Ok(Outcome::Nothing(latest.map(Box::new)));
            }
            let frontier = latest.map_or_else(Frontier::new, |latest| latest.frontier);
            let frontier = self.advance(frontier).await?;
            match self.record(frontier, last, context).await {
                Ok(sealed) => {
                    self.archive.keep(sealed.checkpoint.size, &sealed.note)?;
                    return Ok(Outcome::Sealed(Box::new(sealed)));
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy)
    }

    /// The tree up to the ledger's end, with every event compared with its hash, and the checkpoints kept outside
    /// compared with the tree.
    async fn advance(&self, mut tree: Frontier) -> Result<Frontier, Error> {
        let archived = self.archived_above(tree.size())?;
        let mut archived = archived.iter().peekable();
        for _ in 0..ROUNDS_MAX {
            let end = self.store().end().await?;
            self.read_up_to(&mut tree, end, &mut archived).await?;
            if self.store().end().await?.0 <= tree.size() + LEFT_EVENTS_MAX {
                break;
            }
        }
        match archived.next() {
            None => Ok(tree),
            Some((size, _, place)) => {
                Err(checkpoint_archive::Failure::Ahead { place: place.clone(), size: *size, end: tree.size() }.into())
            }
        }
    }

    async fn read_up_to(
        &self,
        tree: &mut Frontier,
        end: Position,
        archived: &mut std::iter::Peekable<std::slice::Iter<'_, (u64, Hash, String)>>,
    ) -> Result<(), Error> {
        while tree.size() < end.0 {
            let limit = usize::try_from(end.0 - tree.size()).unwrap_or(PAGE_EVENTS).min(PAGE_EVENTS);
            let page = self.store().read_all(Position(tree.size()), limit).await?;
            if page.is_empty() {
                return Err(Error::Invalid(format!("position {} is missing: run `audit verify`", tree.size())));
            }
            for it in page {
                let stream = it.stream.to_string();
                if it.position.0 != tree.size() || leaf_at(&stream, it.version, it.position, &it.event) != it.leaf {
                    let reason =
                        format!("at position {} the event does not match its hash: run `audit verify`", it.position);
                    return Err(Error::Damaged { stream, version: it.version.0, reason });
                }
                tree.push(it.leaf);
                while let Some((size, root, place)) = archived.next_if(|(size, _, _)| *size <= tree.size()) {
                    if *size == tree.size() && *root != tree.root() {
                        return Err(checkpoint_archive::Failure::Contradicted(place.clone()).into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Checkpoints kept outside that cover more than `size` events: size, root, path.
    fn archived_above(&self, size: u64) -> Result<Vec<(u64, Hash, String)>, Error> {
        let origin = self.origin();
        let read = |archived: checkpoint_archive::ArchivedCheckpoint| {
            let checkpoint = Note::parse(&archived.note).and_then(|note| Checkpoint::parse(note.text())).ok()?;
            (checkpoint.origin == origin && checkpoint.size > size).then_some((
                checkpoint.size,
                checkpoint.root,
                archived.place,
            ))
        };
        let mut all: Vec<_> = self.archive.all()?.into_iter().filter_map(read).collect();
        all.sort_by_key(|(size, _, _)| *size);
        Ok(all)
    }

    async fn record(
        &self,
        frontier: Frontier,
        last: Option<Version>,
        context: &Context,
    ) -> Result<RecordedSeal, Error> {
        let checkpoint = Checkpoint::new(self.origin(), frontier.size(), frontier.root());
        let note = checkpoint.sign(&self.keys.signer().await?).map_err(|e| Error::Invalid(e.to_string()))?;
        let fact = operations::Event::CheckpointSealed {
            size: checkpoint.size,
            root: write_hash(&checkpoint.root),
            note: note.clone(),
            frontier: frontier.nodes().iter().map(write_hash).collect(),
        };
        // Expects the version that was seen: another process that seals the same events finds this checkpoint instead.
        let facts = vec![Event::Operations(fact)];
        let appended = self.journal.append(&self.stream(), ExpectedVersion::after(last), facts, context).await?;
        Ok(RecordedSeal { position: appended.position, checkpoint, note, frontier })
    }
}
