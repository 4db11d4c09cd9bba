//! Writes events at the positions they had in another ledger: many per commit, through the writer.

use tokio::sync::oneshot;

use super::{event_store::SqliteLedger, failure::WriteFailure, job::Restore, thread::Thread};
use crate::{
    domain::ids::Position,
    ledger::{
        append::PlacedEvent,
        grouping::{KnownEnds, PlacedRow},
        restore::{checked, misplaced},
    },
    ports::event_store::{EventStore as _, Failure},
    record::envelope::StoredEvent,
};

impl SqliteLedger {
    /// See [`EventStore::restore`](crate::ports::event_store::EventStore::restore).
    pub(super) async fn restored(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        checked(&events)?;
        if events.is_empty() {
            return self.end().await;
        }
        let (reply, answer) = oneshot::channel();
        self.writer.restore(Restore { events, reply }).await?;
        answer.await.map_err(|_| Failure::Unavailable("the writer has stopped".to_owned()))?
    }
}

impl Thread {
    /// Writes them and answers; failures are handled as for any other group.
    pub(super) async fn restore(&mut self, restore: Restore) {
        let Restore { events, reply } = restore;
        let names: Vec<String> = events.iter().map(|it| it.stream.to_string()).collect();
        let rows: Vec<PlacedRow<'_>> = (events.iter().zip(&names))
            .map(|(it, name)| PlacedRow { at: PlacedEvent::from(it), stream: name, leaf: it.leaf })
            .collect();
        let mut outcome = Err(WriteFailure::Busy);
        for _ in 0..super::thread::BUSY_TRIES_MAX {
            outcome = match &mut self.inserter {
                Some(inserter) => inserter.write(&rows),
                None => Err(WriteFailure::Broken("it is being reopened".to_owned())),
            };
            if outcome != Err(WriteFailure::Busy) {
                break;
            }
        }
        let answer = match &outcome {
            Ok(()) => {
                let end = events.last().map_or(Position(0), |it| it.position.next());
                self.known = Some(KnownEnds::at(end.0));
                self.acknowledged = self.acknowledged.max(end.0);
                self.end.send_if_modified(|seen| std::mem::replace(seen, end.0.max(*seen)) < end.0);
                Ok(end)
            }
            // The table refuses events that do not follow its end, and duplicate ids.
            Err(WriteFailure::Refused(_)) => Err(misplaced(&events)),
            Err(WriteFailure::Damaged(message)) => Err(super::rows::corrupt("the file", message)),
            Err(trouble @ (WriteFailure::Busy | WriteFailure::Broken(_))) => {
                Err(Failure::Unavailable(trouble.message().to_owned()))
            }
        };
        if let Err(trouble @ (WriteFailure::Damaged(_) | WriteFailure::Broken(_))) = &outcome {
            self.stop(trouble.message());
        }
        // The caller may be gone.
        reply.send(answer).ok();
        if matches!(outcome, Err(WriteFailure::Damaged(_) | WriteFailure::Broken(_))) {
            self.recover().await;
        }
    }
}
