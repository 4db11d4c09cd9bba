//! Facts into the ledger and out again: encoding, sealing of personal data, and folding of streams.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Error;
use crate::{
    domain::{
        booking::{self, Booking},
        event::Event,
        ids::{BookingId, CorrelationId, EventId, LinkId, SubjectId, Version},
        link::{self, Link},
    },
    ports::{
        clock::Clock,
        event_store::{Appended, EventStore, Expected},
        vault::{self, KeyState, SubjectKey, Vault},
    },
    record::{
        codec,
        envelope::{Actor, NewEvent, Origin, Recorded},
        sealing::{self, KeyRef},
        stream::StreamName,
        upcast,
    },
};

/// How many events of a stream are read at once.
const PAGE_EVENTS: usize = 1_000;

/// On whose behalf something is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Who acts.
    pub actor: Actor,
    /// By what way it came.
    pub origin: Origin,
    /// The root act.
    pub correlation: CorrelationId,
    /// The event that led to it.
    pub causation: Option<EventId>,
}

impl Context {
    /// The root of something new.
    pub fn root(actor: Actor, origin: Origin, id: EventId) -> Self {
        Self { actor, origin, correlation: CorrelationId(id.to_string()), causation: None }
    }

    /// What `cause` leads to, done by `actor`.
    pub fn caused_by(actor: Actor, origin: Origin, cause: &Recorded) -> Self {
        let correlation = cause.event.correlation.clone();
        Self { actor, origin, correlation, causation: Some(cause.event.id) }
    }
}

/// A stored event and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// As it is stored.
    pub recorded: Recorded,
    /// What it says.
    pub event: Event,
}

/// Whether a fact of that type tells what was seen at a provider or sent there. It must be recorded, whoever was forgotten: without their
/// words. A booking or a delivery that is about somebody who was forgotten is turned down instead.
fn is_seen(kind: &str) -> bool {
    kind.starts_with("calendar.") || kind.starts_with("link.")
}

/// The ledger with the keys to read it.
#[derive(Clone)]
pub struct Journal {
    store: Arc<dyn EventStore>,
    pub(super) vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
}

impl Journal {
    /// Joins a ledger, its keys and a clock.
    pub fn new(store: Arc<dyn EventStore>, vault: Arc<dyn Vault>, clock: Arc<dyn Clock>) -> Self {
        Self { store, vault, clock }
    }

    /// The ledger itself.
    pub fn store(&self) -> &Arc<dyn EventStore> {
        &self.store
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Appends facts that took effect now.
    ///
    /// # Errors
    /// As [`EventStore::append`]; `Vault` where a person's data cannot be sealed.
    pub async fn append<E: Into<Event>>(
        &self,
        stream: &StreamName,
        expected: Expected,
        facts: Vec<E>,
        context: &Context,
    ) -> Result<Appended, Error> {
        self.append_at(stream, expected, facts, self.clock.now(), context).await
    }

    /// Appends facts that took effect at `effective_at`.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub async fn append_at<E: Into<Event>>(
        &self,
        stream: &StreamName,
        expected: Expected,
        facts: Vec<E>,
        effective_at: DateTime<Utc>,
        context: &Context,
    ) -> Result<Appended, Error> {
        let mut events = Vec::with_capacity(facts.len());
        for fact in facts {
            events.push(self.seal(&fact.into(), effective_at, context).await?);
        }
        Ok(self.store.append(stream, expected, events).await?)
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
    /// `Vault` where a subject has no key and gets none; `Invalid`.
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

    /// Opens every sealed text in the data of event `id` whose key is still there; the others read as forgotten.
    ///
    /// # Errors
    /// `Vault`; inside, a text that does not open under its own key.
    pub async fn open_texts(&self, id: EventId, data: &mut Value) -> Result<Result<(), sealing::Failure>, Error> {
        let mut keys: BTreeMap<String, SubjectKey> = BTreeMap::new();
        for subject in sealing::sealed_subjects(data) {
            if let KeyState::Held(key) = self.vault.key(&subject).await? {
                keys.insert(subject.to_string(), key);
            }
        }
        let key_of = |subject: &str| keys.get(subject).map(|k| KeyRef { id: &k.id, bytes: &k.bytes });
        Ok(sealing::open(data, id, &key_of))
    }

    /// What a stored event says. Texts whose key was destroyed read as forgotten.
    ///
    /// # Errors
    /// `Damaged` where it cannot be read.
    pub async fn tell(&self, recorded: Recorded) -> Result<Told, Error> {
        let damaged = |reason: String| Error::Damaged {
            stream: recorded.stream.to_string(),
            version: recorded.version.0,
            reason,
        };
        let mut data: Value = serde_json::from_str(&recorded.event.data).map_err(|e| damaged(e.to_string()))?;
        self.open_texts(recorded.event.id, &mut data).await?.map_err(|e| damaged(e.to_string()))?;
        let event =
            codec::from_data(&recorded.event.kind, recorded.event.schema, data).map_err(|e| damaged(e.to_string()))?;
        Ok(Told { recorded, event })
    }

    /// A whole stream, from version `from` on.
    ///
    /// # Errors
    /// As [`EventStore::read_stream`], and `Damaged`.
    pub async fn stream(&self, stream: &StreamName, from: Version) -> Result<Vec<Told>, Error> {
        let mut told = Vec::new();
        let mut next = from;
        loop {
            let page = self.store.read_stream(stream, next, PAGE_EVENTS).await?;
            let full = page.len() == PAGE_EVENTS;
            for recorded in page {
                next = recorded.version.next();
                told.push(self.tell(recorded).await?);
            }
            if !full {
                return Ok(told);
            }
        }
    }

    /// A booking and the version of its last event.
    ///
    /// # Errors
    /// As [`Journal::stream`].
    pub async fn booking(&self, id: &BookingId) -> Result<(Option<Booking>, Option<Version>), Error> {
        let mut state = None;
        let mut version = None;
        for told in self.stream(&StreamName::booking(id), Version(0)).await? {
            version = Some(told.recorded.version);
            if let Event::Booking(event) = &told.event {
                state = booking::evolve(state, event, told.recorded.event.effective_at);
            }
        }
        Ok((state, version))
    }

    /// A link and the version of its last event.
    ///
    /// # Errors
    /// As [`Journal::stream`].
    pub async fn link(&self, id: &LinkId) -> Result<(Option<Link>, Option<Version>), Error> {
        let mut state = None;
        let mut version = None;
        for told in self.stream(&StreamName::link(id), Version(0)).await? {
            version = Some(told.recorded.version);
            if let Event::Link(event) = &told.event {
                state = link::evolve(state, event, told.recorded.event.recorded_at);
            }
        }
        Ok((state, version))
    }
}
