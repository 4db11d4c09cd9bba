//! Reads recorded checkpoints; every part of one must agree before it is trusted.

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

/// Events of the operations stream per read, from its end.
const PAGE_EVENTS: u64 = 32;

/// Type of the events that record checkpoints.
pub(super) const KIND: &str = "operations.checkpoint_sealed";

/// A recorded checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedSeal {
    /// Position of the event that records it. It does not cover itself; the next one does.
    pub position: Position,
    /// The parsed checkpoint.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
    /// The tree's frontier, to continue from.
    pub frontier: Frontier,
}

impl RecordedSeal {
    /// Reads an event of [`KIND`]; needs a signature by one of `known`, and fields that agree.
    pub(super) fn read(it: &StoredEvent, origin: &str, known: &[VerifierKey]) -> Result<Self, String> {
        let Ok(Event::Operations(operations::Event::CheckpointSealed { size, root, note, frontier })) =
            reader::closed(it)
        else {
            return Err("its type says it is a checkpoint, but its data is not".to_owned());
        };
        let checkpoint = Checkpoint::signed(&note, origin, known).map_err(|e| format!("its checkpoint: {e}"))?;
        let nodes = frontier.iter().map(|node| read_hash(node)).collect::<Option<Vec<_>>>();
        let frontier = nodes.and_then(|nodes| Frontier::from_parts(size, nodes));
        let frontier =
            frontier.filter(|f| f.root() == checkpoint.root).ok_or("its frontier does not match its root")?;
        if checkpoint.size != size || write_hash(&checkpoint.root) != root || size > it.position.0 {
            return Err("its size and root differ from its signed note".to_owned());
        }
        Ok(Self { position: it.position, checkpoint, note, frontier })
    }
}

impl Audit {
    /// The last recorded checkpoint, and the last version of its stream.
    ///
    /// # Errors
    /// `Damaged` if it cannot be trusted.
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
