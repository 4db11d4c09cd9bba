//! The least version of the program that may use a ledger. It is recorded in the ledger itself, in a short stream of its own.
//! It only ever rises: the highest version in that stream counts.
//!
//! Everything goes through here on its way to the ledger's database and back. Before the first event that an older program
//! cannot read, the version that can is recorded. A program that is older than what it reads there refuses to read on and to
//! write.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    domain::{
        event::Event,
        ids::{CorrelationId, EventId, Position, Version},
        operations,
        program_version::ProgramVersion,
    },
    ports::{
        clock::Clock,
        event_store::{AppendOutcome, EventStore, ExpectedVersion, Failure},
    },
    record::{
        codec,
        envelope::{Actor, NewEvent, Origin, StoredEvent},
        merkle::Hash,
        since::{FIRST, since},
        stream::StreamName,
        upcast,
    },
};

/// The type of the event.
const KIND: &str = "operations.program_required";

/// Events per read.
const PAGE_EVENTS: usize = 1_000;

/// A program that uses a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its version.
    pub version: ProgramVersion,
    /// The first version that reads everything which it writes.
    pub needs: ProgramVersion,
}

/// A ledger, as a program of a certain version may use it.
pub struct VersionedLedger {
    store: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    stream: StreamName,
    program: Program,
    /// The highest version that was read from the ledger.
    required: watch::Sender<Option<ProgramVersion>>,
}

/// The least version of the program that may use a workspace's ledger; `None` where every version may.
///
/// # Errors
/// As [`EventStore::read_stream`].
pub async fn required(store: &dyn EventStore, workspace: &str) -> Result<Option<ProgramVersion>, Failure> {
    let (stream, mut required, mut next) = (StreamName::program(workspace), None, Version(0));
    loop {
        // The highest counts, not the last: somebody may have written past this program.
        let page = store.read_stream(&stream, next, PAGE_EVENTS).await?;
        required = page.iter().filter_map(|it| required_by(&it.event)).max().max(required);
        match page.last() {
            Some(last) if page.len() == PAGE_EVENTS => next = last.version.next(),
            _ => return Ok(required),
        }
    }
}

/// The version that an event requires, if it requires one. One that cannot be read is newer than this program, or was tampered with:
/// either way this program must not go on.
pub fn required_by(event: &NewEvent) -> Option<ProgramVersion> {
    if event.kind != KIND {
        return None;
    }
    match codec::from_text(&event.kind, event.schema, &event.data) {
        Ok(Event::Operations(operations::Event::ProgramRequired { least, .. })) => Some(least),
        Ok(_) | Err(_) => Some(ProgramVersion::UNREADABLE),
    }
}

impl VersionedLedger {
    /// The ledger of a workspace for `program`, after a look at what the ledger requires.
    ///
    /// # Errors
    /// `ProgramTooOld`, or as [`required`].
    pub async fn open(
        store: Arc<dyn EventStore>,
        clock: Arc<dyn Clock>,
        workspace: &str,
        program: Program,
    ) -> Result<Self, Failure> {
        let required = required(&*store, workspace).await?;
        let (stream, required) = (StreamName::program(workspace), watch::Sender::new(required));
        let ledger = Self { store, clock, stream, program, required };
        ledger.check()?;
        Ok(ledger)
    }

    /// The program that uses it.
    pub fn program(&self) -> Program {
        self.program
    }

    /// The least version that may use it, as far as this process has read.
    pub fn required(&self) -> Option<ProgramVersion> {
        *self.required.borrow()
    }

    /// Returns once it was read that this program is too old, with the reason.
    pub async fn too_old(&self) -> Failure {
        let too_old = |required: &Option<ProgramVersion>| required.is_some_and(|least| least > self.program.version);
        let mut changes = self.required.subscribe();
        let least = changes.wait_for(too_old).await.map_or(None, |required| *required);
        self.refusal(least.unwrap_or(self.program.version))
    }

    /// Records that only programs of version `least` or later may use the ledger, where it does not say so yet.
    ///
    /// # Errors
    /// `ProgramTooOld`, or as [`EventStore::append`].
    pub async fn require(&self, least: ProgramVersion) -> Result<(), Failure> {
        loop {
            let last = self.store.last(&self.stream).await?;
            self.note(last.iter())?;
            if self.required() >= Some(least) {
                return Ok(());
            }
            let expected = ExpectedVersion::after(last.map(|it| it.version));
            match self.store.append(&self.stream, expected, vec![self.requirement(least)]).await {
                // Another process was faster, or says the same: look again.
                Err(Failure::Conflict { .. }) => {}
                Err(failure) => return Err(failure),
                Ok(_) => {
                    self.raise(least);
                    return Ok(());
                }
            }
        }
    }

    fn requirement(&self, least: ProgramVersion) -> NewEvent {
        let (id, now) = (self.clock.event_id(), self.clock.now());
        let by = format!("syncledger {}", self.program.version);
        let fact = Event::from(operations::Event::ProgramRequired { least, by });
        NewEvent {
            id,
            kind: KIND.to_owned(),
            schema: upcast::current(KIND),
            recorded_at: now,
            effective_at: now,
            actor: Actor::new("operator", "upgrade"),
            origin: Origin::Admin,
            correlation: CorrelationId(id.to_string()),
            causation: None,
            data: codec::to_data(&fact).to_string(),
        }
    }

    /// Takes note of what the ledger requires, where these events say so.
    fn note<'a>(&self, events: impl Iterator<Item = &'a StoredEvent>) -> Result<(), Failure> {
        events.filter_map(|it| required_by(&it.event)).for_each(|least| self.raise(least));
        self.check()
    }

    fn raise(&self, least: ProgramVersion) {
        self.required.send_if_modified(|required| {
            let higher = *required < Some(least);
            if higher {
                *required = Some(least);
            }
            higher
        });
    }

    fn check(&self) -> Result<(), Failure> {
        match self.required() {
            Some(least) if least > self.program.version => Err(self.refusal(least)),
            _ => Ok(()),
        }
    }

    fn refusal(&self, least: ProgramVersion) -> Failure {
        Failure::ProgramTooOld { least, version: self.program.version }
    }

    /// Refuses a requirement that would shut this program out, and one that says less than there is already.
    fn admit(&self, events: &[NewEvent]) -> Result<(), Failure> {
        let version = self.program.version;
        for least in events.iter().filter_map(required_by) {
            if least > version {
                let what = match least {
                    ProgramVersion::UNREADABLE => "a version that it cannot read".to_owned(),
                    least => format!("{least} or later"),
                };
                return Err(Failure::Invalid(format!(
                    "this is syncledger {version}: it cannot make the ledger require {what}"
                )));
            }
            if let Some(required) = self.required().filter(|required| least < *required) {
                return Err(Failure::Invalid(format!(
                    "the ledger requires syncledger {required} already: a requirement can only be raised"
                )));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl EventStore for VersionedLedger {
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        self.check()?;
        self.admit(&events)?;
        let needed = events.iter().map(|event| since(&event.kind, event.schema)).max();
        if let Some(needed) = needed.filter(|needed| *needed > self.required().unwrap_or(FIRST)) {
            self.require(needed).await?;
        }
        self.store.append(stream, expected, events).await
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let page = self.store.read_stream(stream, from, limit).await?;
        self.note(page.iter())?;
        Ok(page)
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
        let last = self.store.last(stream).await?;
        self.note(last.iter())?;
        Ok(last)
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let page = self.store.read_all(from, limit).await?;
        self.note(page.iter())?;
        Ok(page)
    }

    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure> {
        let found = self.store.find(id).await?;
        self.note(found.iter())?;
        Ok(found)
    }

    async fn end(&self) -> Result<Position, Failure> {
        self.store.end().await
    }

    async fn leaves(&self, from: Position, limit: usize) -> Result<Vec<Hash>, Failure> {
        self.store.leaves(from, limit).await
    }

    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        let least = events.iter().filter_map(|it| required_by(&it.event)).max();
        if let Some(least) = least.filter(|least| *least > self.program.version) {
            return Err(self.refusal(least));
        }
        let end = self.store.restore(events).await?;
        // Only what is stored counts: otherwise a later append would believe that the ledger says so already.
        if let Some(least) = least {
            self.raise(least);
        }
        Ok(end)
    }

    async fn wait(&self, from: Position) {
        self.store.wait(from).await;
    }
}
