//! Planted bugs: parts with a bug that some other program has had. The simulation must find every one of them within a few
//! seeds; the shipped parts have none of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use syncledger::{
    domain::{
        entry::{Content, Marker, RemoteEntry},
        failure::{CallFailure, FailureClass},
        ids::*,
    },
    ledger::restore::by_appending,
    ports::{
        clock::Clock,
        event_store::{AppendOutcome, EventStore, ExpectedVersion, Failure},
        projection_store::ProjectionStore,
        provider::{Account, CalendarFacts, CalendarProvider, ListFrom, Page, Watch, WatchRequest},
        transport::{self, Request, Response, Transport},
    },
    record::{
        envelope::{NewEvent, StoredEvent},
        stream::{Category, StreamName},
    },
    services::sync::worklist::Worklist,
    simulation::{AsShipped, Parts, Plan, play},
};

use super::skewed::{SkewedWorklist, SkippingModels};

/// Seeds within which a planted bug must be found.
const SEEDS_MAX: u64 = 150;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Every attempt of a create has another id, so a create whose answer was lost is carried out twice.
    FreshIdentity,
    /// 410 on a listing is taken for "nothing changed".
    ExpiredCursorIsEmpty,
    /// What changed within a minute after our own write is taken for its echo.
    EchoByTime,
    /// An entry that cannot be read counts as gone.
    ErrorIsRemoval,
    /// A create without an answer is repeated at once with another id.
    BlindRetry,
    /// Changes are sent without `If-Match`.
    NoIfMatch,
    /// An entry whose marker was removed counts as managed.
    MarkerIgnored,
    /// The ledger acknowledges an append and writes it later.
    AcknowledgedBeforeWritten,
    /// The cursor is recorded before the observations that it covers.
    CursorFirst,
    /// The reactor's checkpoint is saved before anything is done.
    CheckpointFirst,
    /// The expected version of an append is ignored.
    NoExpectedVersion,
    /// A batch of events never reaches its table.
    SkippedBatch,
    /// Changes are written back to the source whatever its revision is.
    NoSourceRevision,
}

pub struct Planted(pub Bug);

impl Parts for Planted {
    fn ledger(&self, inner: Arc<dyn EventStore>) -> Arc<dyn EventStore> {
        Arc::new(BadLedger { inner, bug: self.0, late: Mutex::default() })
    }

    fn transport(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(BadTransport { inner, bug: self.0 })
    }

    fn provider(&self, inner: Arc<dyn CalendarProvider>, clock: &Arc<dyn Clock>) -> Arc<dyn CalendarProvider> {
        Arc::new(BadProvider {
            inner,
            bug: self.0,
            clock: Arc::clone(clock),
            wrote: Mutex::default(),
            markers: Mutex::default(),
        })
    }

    fn models(&self, inner: Arc<dyn ProjectionStore>) -> Arc<dyn ProjectionStore> {
        if self.0 == Bug::SkippedBatch { Arc::new(SkippingModels::new(inner)) } else { inner }
    }

    fn worklist(&self, inner: Arc<dyn Worklist>, ledger: &Arc<dyn EventStore>) -> Arc<dyn Worklist> {
        if self.0 == Bug::CheckpointFirst { Arc::new(SkewedWorklist::hasty(inner, Arc::clone(ledger))) } else { inner }
    }
}

struct BadProvider {
    inner: Arc<dyn CalendarProvider>,
    bug: Bug,
    clock: Arc<dyn Clock>,
    wrote: Mutex<BTreeMap<RemoteId, chrono::DateTime<chrono::Utc>>>,
    markers: Mutex<BTreeMap<RemoteId, Marker>>,
}

impl BadProvider {
    fn another_id(&self) -> RemoteId {
        RemoteId(format!("sl{:016x}", self.clock.chance()))
    }

    fn wrote(&self, remote: &RemoteId) {
        self.wrote.lock().unwrap().insert(remote.clone(), self.clock.now());
    }

    fn seen(&self, mut entry: RemoteEntry) -> Option<RemoteEntry> {
        if self.bug == Bug::EchoByTime {
            let wrote = self.wrote.lock().unwrap().get(&entry.id).copied();
            if wrote.is_some_and(|at| entry.updated.is_some_and(|seen| seen <= at + chrono::TimeDelta::minutes(1))) {
                return None;
            }
        }
        if self.bug == Bug::MarkerIgnored {
            let mut markers = self.markers.lock().unwrap();
            match &entry.marker {
                Some(marker) => drop(markers.insert(entry.id.clone(), marker.clone())),
                None => entry.marker = markers.get(&entry.id).cloned(),
            }
        }
        Some(entry)
    }
}

#[async_trait]
impl CalendarProvider for BadProvider {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn identity(&self, link: &LinkId, generation: Generation) -> RemoteId {
        if self.bug == Bug::FreshIdentity { self.another_id() } else { self.inner.identity(link, generation) }
    }

    fn query_fingerprint(&self) -> String {
        self.inner.query_fingerprint()
    }

    fn lists_beyond_window(&self) -> bool {
        self.inner.lists_beyond_window()
    }

    async fn create(
        &self,
        calendar: &CalendarKey,
        remote: &RemoteId,
        marker: &Marker,
        content: &Content,
        key: &IdempotencyKey,
    ) -> Result<RemoteEntry, CallFailure> {
        let made = self.inner.create(calendar, remote, marker, content, key).await;
        self.wrote(remote);
        match made {
            Err(failure) if self.bug == Bug::BlindRetry && failure.class == FailureClass::OutcomeUnknown => {
                self.inner.create(calendar, &self.another_id(), marker, content, key).await
            }
            other => other.map(|entry| self.seen(entry.clone()).unwrap_or(entry)),
        }
    }

    async fn update(
        &self,
        calendar: &CalendarKey,
        remote: &RemoteId,
        expect: &Etag,
        from: &Content,
        content: &Content,
        key: &IdempotencyKey,
    ) -> Result<RemoteEntry, CallFailure> {
        let changed = self.inner.update(calendar, remote, expect, from, content, key).await;
        self.wrote(remote);
        changed
    }

    async fn delete(&self, calendar: &CalendarKey, remote: &RemoteId, expect: &Etag) -> Result<bool, CallFailure> {
        self.inner.delete(calendar, remote, expect).await
    }

    async fn get(&self, calendar: &CalendarKey, remote: &RemoteId) -> Result<Option<RemoteEntry>, CallFailure> {
        match self.inner.get(calendar, remote).await {
            Err(_) if self.bug == Bug::ErrorIsRemoval => Ok(None),
            Ok(Some(entry)) if self.bug == Bug::MarkerIgnored => Ok(self.seen(entry)),
            other => other,
        }
    }

    async fn list(&self, calendar: &CalendarKey, from: &ListFrom, page: Option<&str>) -> Result<Page, CallFailure> {
        let listed = self.inner.list(calendar, from, page).await;
        match (listed, from) {
            (Err(failure), ListFrom::Cursor(token))
                if self.bug == Bug::ExpiredCursorIsEmpty && failure.class == FailureClass::CursorExpired =>
            {
                Ok(Page { entries: Vec::new(), next: None, cursor: Some(token.clone()) })
            }
            (Ok(mut page), _) => {
                page.entries = page.entries.into_iter().filter_map(|entry| self.seen(entry)).collect();
                Ok(page)
            }
            (other, _) => other,
        }
    }

    async fn watch(&self, calendar: &CalendarKey, request: &WatchRequest) -> Result<Watch, CallFailure> {
        self.inner.watch(calendar, request).await
    }

    async fn stop(&self, channel: &ChannelId, resource: &str) -> Result<(), CallFailure> {
        self.inner.stop(channel, resource).await
    }

    async fn describe(&self, calendar: &CalendarKey) -> Result<CalendarFacts, CallFailure> {
        self.inner.describe(calendar).await
    }

    async fn authorise(&self) -> Result<Account, CallFailure> {
        self.inner.authorise().await
    }
}

struct BadTransport {
    inner: Arc<dyn Transport>,
    bug: Bug,
}

#[async_trait]
impl Transport for BadTransport {
    async fn send(&self, mut request: Request, timeout: Duration) -> Result<Response, transport::Failure> {
        let careless = match self.bug {
            Bug::NoIfMatch => request.url.contains("google"),
            Bug::NoSourceRevision => request.url.contains("uschedule"),
            _ => false,
        };
        if careless {
            request.headers.retain(|(name, _)| name != "if-match");
        }
        self.inner.send(request, timeout).await
    }
}

struct BadLedger {
    inner: Arc<dyn EventStore>,
    bug: Bug,
    late: Mutex<Vec<(StreamName, ExpectedVersion, Vec<NewEvent>)>>,
}

#[async_trait]
impl EventStore for BadLedger {
    async fn append(
        &self,
        stream: &StreamName,
        mut expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        let late: Vec<_> = std::mem::take(&mut *self.late.lock().unwrap());
        for (stream, expected, events) in late {
            drop(self.inner.append(&stream, expected, events).await);
        }
        match self.bug {
            Bug::AcknowledgedBeforeWritten if events[0].kind == "source.delivery_received" => {
                let position = self.inner.end().await?;
                self.late.lock().unwrap().push((stream.clone(), expected, events));
                return Ok(AppendOutcome { version: Version(0), position, repeated: false });
            }
            Bug::CursorFirst if events.len() > 1 && events.iter().any(|e| e.kind == "calendar.cursor_advanced") => {
                let (first, then) = events.into_iter().partition(|e| e.kind == "calendar.cursor_advanced");
                self.inner.append(stream, expected, first).await?;
                return self.inner.append(stream, ExpectedVersion::Any, then).await;
            }
            Bug::NoExpectedVersion if stream.category == Category::Link => expected = ExpectedVersion::Any,
            _ => {}
        }
        self.inner.append(stream, expected, events).await
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        self.inner.read_stream(stream, from, limit).await
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
        self.inner.last(stream).await
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        self.inner.read_all(from, limit).await
    }

    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure> {
        self.inner.find(id).await
    }

    async fn end(&self) -> Result<Position, Failure> {
        self.inner.end().await
    }

    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        by_appending(self, events).await
    }

    async fn wait(&self, from: Position) {
        self.inner.wait(from).await;
    }
}

/// Runs seeds until one finds the bug in `parts`, beginning with `first`, which once did; returns the broken invariant.
pub fn found(parts: &dyn Parts, bug: &str, first: u64) -> &'static str {
    for seed in (0..SEEDS_MAX).map(|n| (first + n) % SEEDS_MAX) {
        let outcome = play(&Plan::new(seed), parts, false);
        if let Some(violation) = outcome.violations.first() {
            let shipped = play(&Plan::new(seed), &AsShipped, false);
            assert!(shipped.holds(), "seed {seed} breaks a rule without {bug} too: {:?}", shipped.violations);
            println!("{bug}: seed {seed}, step {}, {}: {}", outcome.step, violation.invariant, violation.what);
            return violation.invariant;
        }
    }
    panic!("{bug} was planted, and {SEEDS_MAX} seeds did not find it");
}

macro_rules! planted {
    ($($name:ident: $bug:ident from $first:literal by $($by:literal)|+;)+) => {
        $(#[test]
        fn $name() {
            let by = found(&Planted(Bug::$bug), stringify!($bug), $first);
            assert!(matches!(by, $($by)|+), "{:?} was found by {by}", Bug::$bug);
        })+
    };
}

planted! {
    a_fresh_identity_for_every_try: FreshIdentity from 3 by "I1" | "I5" | "I7" | "timers";
    an_expired_cursor_read_as_empty: ExpiredCursorIsEmpty from 2 by "I5" | "I7";
    echoes_told_by_time: EchoByTime from 3 by "I5" | "I7";
    an_error_read_as_a_removal: ErrorIsRemoval from 3 by "evidence" | "I5" | "I1";
    a_blind_retry_of_an_unknown_outcome: BlindRetry from 0 by "I8" | "I1";
    changes_without_if_match: NoIfMatch from 0 by "I7" | "I14";
    an_entry_ours_for_ever: MarkerIgnored from 0 by "I14" | "I5";
    acknowledged_before_written: AcknowledgedBeforeWritten from 0 by "I2";
    the_cursor_before_what_it_stands_behind: CursorFirst from 118 by "I5" | "I7";
    the_checkpoint_before_the_work: CheckpointFirst from 127 by "I5" | "I8";
    no_expected_version: NoExpectedVersion from 5 by "one call at a time" | "I8" | "I1";
    a_batch_that_is_skipped: SkippedBatch from 0 by "I4" | "I5" | "timers";
    writing_back_whatever_the_source_has_become: NoSourceRevision from 13 by "I7" | "I5";
}
