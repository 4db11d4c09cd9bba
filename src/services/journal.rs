//! Writes events to the ledger and reads them: encoding, sealing of personal data, and folding of streams.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    Error,
    snapshots::{Snapshot, Snapshots, StateCache},
};
use crate::{
    domain::{
        booking::{self, Booking},
        connection::{self, Connection},
        event::Event,
        ids::{BookingId, ConnectionId, CorrelationId, EventId, LinkId, SubjectId, Version},
        link::{self, Link},
    },
    ports::{
        clock::Clock,
        event_store::{self, AppendOutcome, EventStore, ExpectedVersion},
        vault::{self, KeyState, SubjectKey, Vault},
    },
    record::{
        codec,
        envelope::{Actor, NewEvent, Origin, StoredEvent},
        sealing::{self, KeyRef},
        stream::StreamName,
        upcast,
    },
};

/// Events of a stream per read.
const PAGE_EVENTS: usize = 1_000;

/// Metadata of recorded events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The actor.
    pub actor: Actor,
    /// How it reached us.
    pub origin: Origin,
    /// Id of the root action.
    pub correlation: CorrelationId,
    /// The event that caused it.
    pub causation: Option<EventId>,
}

impl Context {
    /// Starts a new chain of causes.
    pub fn root(actor: Actor, origin: Origin, id: EventId) -> Self {
        Self { actor, origin, correlation: CorrelationId(id.to_string()), causation: None }
    }

    /// Continues the chain of `cause`, with `actor`.
    pub fn caused_by(actor: Actor, origin: Origin, cause: &StoredEvent) -> Self {
        let correlation = cause.event.correlation.clone();
        Self { actor, origin, correlation, causation: Some(cause.event.id) }
    }
}

/// A stored event and its decoded content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedEvent {
    /// As it is stored.
    pub recorded: StoredEvent,
    /// The decoded event.
    pub event: Event,
}

/// Whether events of that type record what was seen at, or sent to, a provider. These must be recorded even if the person was erased, without
/// their data. A booking or delivery about an erased person is refused instead.
fn is_seen(kind: &str) -> bool {
    kind.starts_with("calendar.") || kind.starts_with("link.")
}

/// The ledger with the keys to read it.
#[derive(Clone)]
pub struct Journal {
    store: Arc<dyn EventStore>,
    pub(super) vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    snapshots: Arc<Snapshots>,
}

impl Journal {
    /// Joins a ledger, its key vault and a clock.
    pub fn new(store: Arc<dyn EventStore>, vault: Arc<dyn Vault>, clock: Arc<dyn Clock>) -> Self {
        Self { store, vault, clock, snapshots: Arc::default() }
    }

    /// The ledger itself.
    pub fn store(&self) -> &Arc<dyn EventStore> {
        &self.store
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Appends events that take effect now.
    ///
    /// # Errors
    /// As [`EventStore::append`]; `Vault` if personal data cannot be sealed.
    pub async fn append<E: Into<Event>>(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        facts: Vec<E>,
        context: &Context,
    ) -> Result<AppendOutcome, Error> {
        self.append_at(stream, expected, facts, self.clock.now(), context).await
    }

    /// Appends events that took effect at `effective_at`.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub async fn append_at<E: Into<Event>>(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        facts: Vec<E>,
        effective_at: DateTime<Utc>,
        context: &Context,
    ) -> Result<AppendOutcome, Error> {
        let mut events = Vec::with_capacity(facts.len());
        for fact in facts {
            events.push(self.seal(&fact.into(), effective_at, context).await?);
        }
        let appended = self.store.append(stream, expected, events).await;
        if matches!(appended, Err(event_store::Failure::Conflict { .. })) {
            // Usually somebody else was first, and reading on would be enough; but not after the ledger was restored from a backup.
            self.snapshots.bookings.drop(&stream.id);
            self.snapshots.links.drop(&stream.id);
            self.snapshots.connections.drop(&stream.id);
        }
        Ok(appended?)
    }

    async fn seal(&self, fact: &Event, effective_at: DateTime<Utc>, context: &Context) -> Result<NewEvent, Error> {
        let id = self.clock.event_id();
        let kind = fact.kind();
        let mut data = codec::to_data(fact);
        self.seal_texts(id, &kind, &mut data).await?;
        Ok(NewEvent {
            id,
            schema: upcast::current(&kind),
            kind,
            recorded_at: self.clock.now(),
            effective_at,
            actor: context.actor.clone(),
            origin: context.origin,
            correlation: context.correlation.clone(),
            causation: context.causation,
            data: data.to_string(),
        })
    }

    /// Seals every plain personal text in the data of event `id`.
    ///
    /// # Errors
    /// `Vault` if no key can be created for a subject; `Invalid`.
    pub async fn seal_texts(&self, id: EventId, kind: &str, data: &mut Value) -> Result<(), Error> {
        let mut keys: BTreeMap<SubjectId, SubjectKey> = BTreeMap::new();
        let mut forgotten = BTreeSet::new();
        for subject in sealing::plain_subjects(data) {
            match self.vault.key_or_new(&subject).await {
                Ok(key) => drop(keys.insert(subject, key)),
                Err(vault::Failure::Forgotten(_)) if is_seen(kind) => drop(forgotten.insert(subject)),
                Err(failure) => return Err(failure.into()),
            }
        }
        sealing::forget(data, &forgotten);
        if keys.is_empty() {
            return Ok(());
        }
        let mut nonce = || {
            let mut bytes = [0; 24];
            self.clock.fill(&mut bytes);
            bytes
        };
        let by_name: BTreeMap<&str, &SubjectKey> = keys.iter().map(|(s, k)| (s.as_str(), k)).collect();
        let key_of = |subject: &str| by_name.get(subject).map(|k| KeyRef { id: &k.id, bytes: &k.bytes });
        sealing::seal(data, id, &key_of, &mut nonce)
            .map_err(|e| Error::Invalid(format!("a {kind} cannot be sealed: {e}")))
    }

    /// Decrypts every sealed text in the data of event `id` whose key exists; the others read as erased. Returns the
    /// subjects of decrypted texts.
    ///
    /// # Errors
    /// `Vault`; inside, a text that cannot be decrypted with its own key.
    pub async fn open_texts(
        &self,
        id: EventId,
        data: &mut Value,
    ) -> Result<Result<BTreeSet<SubjectId>, sealing::Failure>, Error> {
        let mut keys: BTreeMap<SubjectId, SubjectKey> = BTreeMap::new();
        for subject in sealing::sealed_subjects(data) {
            if let KeyState::Held(key) = self.vault.key(&subject).await? {
                keys.insert(subject, key);
            }
        }
        let by_name: BTreeMap<&str, &SubjectKey> = keys.iter().map(|(s, k)| (s.as_str(), k)).collect();
        let key_of = |subject: &str| by_name.get(subject).map(|k| KeyRef { id: &k.id, bytes: &k.bytes });
        Ok(sealing::open(data, id, &key_of).map(|()| keys.into_keys().collect()))
    }

    /// Decodes a stored event. Texts whose key was destroyed read as erased.
    ///
    /// # Errors
    /// `Damaged` if it cannot be read.
    pub async fn decode(&self, recorded: StoredEvent) -> Result<DecodedEvent, Error> {
        Ok(self.decode_with_subjects(recorded).await?.0)
    }

    async fn decode_with_subjects(&self, recorded: StoredEvent) -> Result<(DecodedEvent, BTreeSet<SubjectId>), Error> {
        let damaged = |reason: String| Error::Damaged {
            stream: recorded.stream.to_string(),
            version: recorded.version.0,
            reason,
        };
        let NewEvent { id, kind, schema, data, .. } = &recorded.event;
        let (event, subjects) = if sealing::holds_texts(data) {
            let mut data: Value = serde_json::from_str(data).map_err(|e| damaged(e.to_string()))?;
            let opened = self.open_texts(*id, &mut data).await?;
            (codec::from_data(kind, *schema, data), opened.map_err(|e| damaged(e.to_string()))?)
        } else {
            (codec::from_text(kind, *schema, data), BTreeSet::new())
        };
        let event = event.map_err(|e| damaged(e.to_string()))?;
        Ok((DecodedEvent { recorded, event }, subjects))
    }

    /// Reads a whole stream, from version `from`.
    ///
    /// # Errors
    /// As [`EventStore::read_stream`], and `Damaged`.
    pub async fn stream(&self, stream: &StreamName, from: Version) -> Result<Vec<DecodedEvent>, Error> {
        let mut decoded = Vec::new();
        let mut next = from;
        loop {
            let page = self.store.read_stream(stream, next, PAGE_EVENTS).await?;
            let full = page.len() == PAGE_EVENTS;
            for recorded in page {
                next = recorded.version.next();
                decoded.push(self.decode(recorded).await?);
            }
            if !full {
                return Ok(decoded);
            }
        }
    }

    /// A booking, and the version of its last event.
    ///
    /// # Errors
    /// As [`Journal::stream`].
    pub async fn booking(&self, id: &BookingId) -> Result<(Option<Booking>, Option<Version>), Error> {
        self.fold(&StreamName::booking(id), &self.snapshots.bookings, |state, decoded| match &decoded.event {
            Event::Booking(event) => booking::evolve(state, event, decoded.recorded.event.effective_at),
            _ => state,
        })
        .await
    }

    /// A link, and the version of its last event.
    ///
    /// # Errors
    /// As [`Journal::stream`].
    pub async fn link(&self, id: &LinkId) -> Result<(Option<Link>, Option<Version>), Error> {
        self.fold(&StreamName::link(id), &self.snapshots.links, |state, decoded| match &decoded.event {
            Event::Link(event) => link::evolve(state, event, decoded.recorded.event.recorded_at),
            _ => state,
        })
        .await
    }

    /// A connection folded from its stream, and the version of its last event.
    ///
    /// # Errors
    /// As [`Journal::stream`].
    pub async fn connection(&self, id: &ConnectionId) -> Result<(Connection, Option<Version>), Error> {
        let cache = &self.snapshots.connections;
        let (state, version) = self
            .fold(&StreamName::connection(id), cache, |state, decoded| match &decoded.event {
                Event::Connection(event) => Some(connection::evolve(state.unwrap_or_default(), event)),
                _ => state,
            })
            .await?;
        Ok((state.unwrap_or_default(), version))
    }

    /// The state folded from a stream, beginning at its snapshot.
    async fn fold<S: Clone + Send>(
        &self,
        stream: &StreamName,
        cache: &StateCache<S>,
        evolve: impl Fn(Option<S>, &DecodedEvent) -> Option<S> + Send + Sync,
    ) -> Result<(Option<S>, Option<Version>), Error> {
        let mut snapshot = cache.get(&stream.id);
        if !self.all_held(&snapshot.subjects).await? {
            snapshot = Snapshot::default();
        }
        let known = snapshot.version;
        loop {
            let from = snapshot.version.map_or(Version(0), Version::next);
            let page = self.store.read_stream(stream, from, PAGE_EVENTS).await?;
            let full = page.len() == PAGE_EVENTS;
            for recorded in page {
                let (decoded, subjects) = self.decode_with_subjects(recorded).await?;
                snapshot.version = Some(decoded.recorded.version);
                snapshot.subjects.extend(subjects);
                snapshot.state = evolve(snapshot.state, &decoded);
            }
            if !full {
                break;
            }
        }
        if snapshot.version != known {
            cache.put(&stream.id, snapshot.clone());
        }
        Ok((snapshot.state, snapshot.version))
    }

    /// Whether the keys of all these people still exist.
    async fn all_held(&self, subjects: &BTreeSet<SubjectId>) -> Result<bool, Error> {
        for subject in subjects {
            if !matches!(self.vault.key(subject).await?, KeyState::Held(_)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
