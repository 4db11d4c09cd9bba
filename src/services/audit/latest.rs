//! Checkpoints that were recorded: read back, and believed only when everything about them fits.

use super::Audit;
use crate::{
    domain::{
        event::Event,
        ids::{Position, Version},
        operations,
    },
    record::{
        checkpoint::{Checkpoint, read_hash, write_hash},
        envelope::StoredEvent,
        merkle::Frontier,
        note::VerifierKey,
    },
    services::{Error, models::reader},
};

/// Events of the operations' stream read at once, from its end.
const PAGE_EVENTS: u64 = 32;

/// The type of the events that checkpoints are recorded as.
pub(super) const KIND: &str = "operations.checkpoint_sealed";

/// A checkpoint that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedSeal {
    /// Where it is recorded. It does not cover itself: the next one does.
    pub position: Position,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
    /// From where the tree goes on.
    pub frontier: Frontier,
}

impl RecordedSeal {
    /// Reads an event of [`KIND`]: a signature by one of `known`, and fields that all say the same.
    pub(super) fn read(it: &StoredEvent, origin: &str, known: &[VerifierKey]) -> Result<Self, String> {
        let Ok(Event::Operations(operations::Event::CheckpointSealed { size, root, note, frontier })) =
            reader::closed(it)
        else {
            return Err("it is no checkpoint, although its type says so".to_owned());
        };
        let checkpoint = Checkpoint::signed(&note, origin, known).map_err(|e| format!("its checkpoint: {e}"))?;
        let nodes = frontier.iter().map(|node| read_hash(node)).collect::<Option<Vec<_>>>();
        let frontier = nodes.and_then(|nodes| Frontier::from_parts(size, nodes));
        let frontier = frontier.filter(|f| f.root() == checkpoint.root).ok_or("its frontier is not the root's")?;
        if checkpoint.size != size || write_hash(&checkpoint.root) != root || size > it.position.0 {
            return Err("its size and root are not those of its signed note".to_owned());
        }
        Ok(Self { position: it.position, checkpoint, note, frontier })
    }
}

impl Audit {
    /// The last checkpoint that was recorded, and the last version of the stream that it stands in.
    ///
    /// # Errors
    /// `Damaged` where it is not to be believed.
    pub async fn latest(&self) -> Result<(Option<RecordedSeal>, Option<Version>), Error> {
        let stream = self.stream();
        let Some(last) = self.store().last(&stream).await? else { return Ok((None, None)) };
        let mut end = last.version.0 + 1;
        while end > 0 {
            let start = end.saturating_sub(PAGE_EVENTS);
            let limit = usize::try_from(end - start).unwrap_or(usize::MAX);
            let page = self.store().read_stream(&stream, Version(start), limit).await?;
            if let Some(it) = page.iter().rev().find(|it| it.event.kind == KIND) {
                let sealed = RecordedSeal::read(it, &self.origin(), &self.known().await?);
                let damaged = |reason| Error::Damaged { stream: stream.to_string(), version: it.version.0, reason };
                return Ok((Some(sealed.map_err(damaged)?), Some(last.version)));
            }
            end = start;
        }
        Ok((None, Some(last.version)))
    }
}
