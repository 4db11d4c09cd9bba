//! Verifies the whole ledger: positions, ids, hashes, roots, signatures, and checkpoints kept outside.

use futures::{FutureExt as _, poll};
use serde::Serialize;

use super::{
    Audit, Fault, PAGE_EVENTS,
    walk::{ExpectedCheckpoint, Walk},
};
use crate::{
    domain::ids::Position,
    ledger::append::leaf_at,
    ports::{checkpoint_archive::ArchivedCheckpoint, event_store::Failure},
    record::{
        checkpoint::{Checkpoint, write_hash},
        envelope::StoredEvent,
        merkle::Frontier,
        note::VerifierKey,
    },
    services::Error,
};

/// What the auditor brings, in addition to the ledger itself.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Keys the auditor kept. If there are any, the keys stored in the ledger are not trusted.
    pub keys: Vec<VerifierKey>,
    /// Checkpoints the auditor kept.
    pub checkpoints: Vec<ArchivedCheckpoint>,
}

/// Result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether there are no faults.
    pub sound: bool,
    /// Origin of the ledger's checkpoints.
    pub origin: String,
    /// Number of verified events.
    pub events: u64,
    /// Root over them, in base64.
    pub root: String,
    /// Number of valid recorded checkpoints.
    pub checkpoints: u64,
    /// Number of valid checkpoints kept outside.
    pub kept: u64,
    /// Number of events covered by a valid checkpoint.
    pub sealed: u64,
    /// The faults, in order.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Adds faults found in the database below the events.
    pub fn add(&mut self, found: Vec<String>) {
        self.faults.extend(found.into_iter().map(Fault::general));
        self.sound = self.faults.is_empty();
    }
}

impl Audit {
    /// Verifies everything recorded so far. `progress` receives the number of events done and in total.
    ///
    /// # Errors
    /// The ledger or the keys are unavailable; faults are in the report.
    pub async fn verify(
        &self,
        asked: &VerifyOptions,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Report, Error> {
        let known = if asked.keys.is_empty() { self.known().await? } else { asked.keys.clone() };
        let end = self.store().end().await?;
        let mut walk = Walk::new(self.origin(), known.clone(), Frontier::new());
        let mut report = Report { origin: self.origin(), ..Report::default() };
        let mut archived = self.archive.all()?;
        archived.extend(asked.checkpoints.iter().cloned());
        let mut expected = 0;
        for ArchivedCheckpoint { place, note } in archived {
            match Checkpoint::signed(&note, &self.origin(), &known) {
                Ok(checkpoint) => {
                    expected += 1;
                    walk.expect(
                        checkpoint.size,
                        ExpectedCheckpoint { root: checkpoint.root, name: format!("the checkpoint in {place}") },
                    );
                }
                Err(wrong) => report.faults.push(Fault::general(format!("{place}: {wrong}"))),
            }
        }
        let walked = self.walk(&mut walk, end, progress).await?;
        let late = std::mem::take(&mut walk.late);
        report.faults.extend(walked.err());
        if report.faults.is_empty() && !late.is_empty() {
            report.faults.extend(self.late(late, &mut walk).await?);
        }
        report.events = walk.tree().size();
        if report.faults.iter().all(|fault| fault.position.is_none()) {
            let beyond = walk.pending_checkpoints().map(|(size, due)| {
                let why = "events were removed, or this is an older copy";
                Fault::general(format!("{} covers {size} events, but there are {}: {why}", due.name, report.events))
            });
            let beyond: Vec<Fault> = beyond.collect();
            report.kept = expected - beyond.len() as u64;
            report.faults.extend(beyond);
        }
        (report.checkpoints, report.sealed) = (walk.checkpoints, walk.sealed);
        report.root = write_hash(&walk.tree().root());
        report.sound = report.faults.is_empty();
        Ok(report)
    }

    async fn walk(
        &self,
        walk: &mut Walk,
        end: Position,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Result<(), Fault>, Error> {
        let store = self.store();
        let from = |at: u64| (Position(at), usize::try_from(end.0 - at).unwrap_or(PAGE_EVENTS).min(PAGE_EVENTS));
        let (first, limit) = from(walk.tree().size());
        let mut reading = store.read_all(first, limit);
        while walk.tree().size() < end.0 {
            let page = match reading.await {
                Ok(page) if page.is_empty() => {
                    return Ok(Err(Fault::at(Position(walk.tree().size()), "the event is missing")));
                }
                Ok(page) => page,
                Err(Failure::Corrupt { .. }) => return self.one_by_one(walk, end).await.map(Err),
                Err(other) => return Err(other.into()),
            };
            // The next page is read while this one is verified on another core.
            let (next, limit) = from((walk.tree().size() + page.len() as u64).min(end.0));
            let mut ahead = store.read_all(next, limit.max(1)).boxed();
            let early = if next < end { poll!(&mut ahead) } else { std::task::Poll::Pending };
            for it in &page {
                if let Err(fault) = event(it).and_then(|()| walk.take(it)) {
                    return Ok(Err(fault));
                }
            }
            progress(walk.tree().size(), end.0);
            reading = match early {
                std::task::Poll::Ready(page) => std::future::ready(page).boxed(),
                std::task::Poll::Pending => ahead,
            };
        }
        Ok(Ok(()))
    }

    /// After an unreadable page: reads event by event to find the first fault.
    async fn one_by_one(&self, walk: &mut Walk, end: Position) -> Result<Fault, Error> {
        while walk.tree().size() < end.0 {
            let at = Position(walk.tree().size());
            match self.store().read_all(at, 1).await {
                Ok(page) => match page.first() {
                    None => return Ok(Fault::at(at, "the event is missing")),
                    Some(it) => {
                        if let Err(fault) = event(it).and_then(|()| walk.take(it)) {
                            return Ok(fault);
                        }
                    }
                },
                Err(Failure::Corrupt { at: place, reason }) if place.starts_with("position") => {
                    return Ok(Fault::at(at, reason));
                }
                Err(Failure::Corrupt { at: place, reason }) => return Ok(Fault::at(at, format!("{place}: {reason}"))),
                Err(other) => return Err(other.into()),
            }
        }
        Ok(Fault::general(
            "the ledger could not be read at first, and could be read later: check the machine it is stored on",
        ))
    }

    /// Compares checkpoints recorded long after their events with the tree, in a second pass over the hashes alone.
    async fn late(&self, late: Vec<(u64, ExpectedCheckpoint)>, walk: &mut Walk) -> Result<Option<Fault>, Error> {
        let mut late = late;
        late.sort_by_key(|(size, _)| *size);
        let mut tree = Frontier::new();
        for (size, due) in late {
            while tree.size() < size {
                let limit = usize::try_from(size - tree.size()).unwrap_or(super::PAGE_LEAVES).min(super::PAGE_LEAVES);
                let page = self.store().leaves(Position(tree.size()), limit).await?;
                if page.is_empty() {
                    return Ok(Some(Fault::at(Position(tree.size()), "the event is missing")));
                }
                page.into_iter().for_each(|leaf| tree.push(leaf));
            }
            if tree.root() != due.root {
                let reason =
                    format!("these events differ from those that were sealed: {} has a different root", due.name);
                return Ok(Some(Fault { position: Some(0), up_to: Some(size - 1), ..Fault::general(reason) }));
            }
            walk.checkpoints += 1;
            walk.sealed = walk.sealed.max(size);
        }
        Ok(None)
    }
}

/// Compares an event with its stored hash.
fn event(it: &StoredEvent) -> Result<(), Fault> {
    if leaf_at(&it.stream.to_string(), it.version, it.position, &it.event) == it.leaf {
        return Ok(());
    }
    Err(Fault::of(it, "the event does not match its stored hash: one of them was changed"))
}
