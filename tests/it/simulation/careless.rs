//! Planted bugs in calls, keys, secrets and proofs: each must be found by a certain rule.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::Value;
use syncledger::{
    domain::ids::*,
    ledger::restore::by_appending,
    ports::{
        event_store::{AppendOutcome, EventStore, ExpectedVersion, Failure},
        transport::{self, Request, Response, Transport},
    },
    record::{
        envelope::{NewEvent, StoredEvent},
        stream::StreamName,
    },
    services::sync::worklist::Worklist,
    simulation::Parts,
};

use super::{planted::found, skewed::SkewedWorklist};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Careless {
    /// `Retry-After` is ignored.
    NoPause,
    /// A booking does not store the idempotency keys of the requests that changed it.
    KeysForgotten,
    /// An event contains a mail address in clear text.
    WordsInTheClear,
    /// The root of a checkpoint does not match the events.
    WrongRoot,
    /// Timers are ignored.
    DeafTimers,
    /// Failed calls are retried after two seconds, however often they failed.
    NoBackOff,
    /// An event is written with an unknown type.
    UnknownEvent,
    /// Reads of the whole ledger omit every hundredth position.
    Gaps,
}

impl Parts for Careless {
    fn disk(&self, inner: Arc<dyn EventStore>) -> Arc<dyn EventStore> {
        if *self == Self::Gaps { Arc::new(EditedLedger { inner, bug: *self }) } else { inner }
    }

    fn ledger(&self, inner: Arc<dyn EventStore>) -> Arc<dyn EventStore> {
        Arc::new(EditedLedger { inner, bug: *self })
    }

    fn transport(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(DeafTransport { inner, deaf: *self == Self::NoPause })
    }

    fn worklist(&self, inner: Arc<dyn Worklist>, ledger: &Arc<dyn EventStore>) -> Arc<dyn Worklist> {
        if *self == Self::DeafTimers { Arc::new(SkewedWorklist::deaf(inner, Arc::clone(ledger))) } else { inner }
    }
}

struct DeafTransport {
    inner: Arc<dyn Transport>,
    deaf: bool,
}

#[async_trait]
impl Transport for DeafTransport {
    async fn send(&self, request: Request, timeout: Duration) -> Result<Response, transport::Failure> {
        let mut answer = self.inner.send(request, timeout).await;
        if let (true, Ok(response)) = (self.deaf, &mut answer) {
            response.headers.retain(|(name, _)| name != "retry-after");
        }
        answer
    }
}

struct EditedLedger {
    inner: Arc<dyn EventStore>,
    bug: Careless,
}

impl EditedLedger {
    fn edit(&self, event: &mut NewEvent) {
        let mut data: Value = serde_json::from_str(&event.data).expect("events hold JSON");
        match (self.bug, event.kind.as_str()) {
            (Careless::KeysForgotten, kind) if kind.starts_with("booking.") => {
                if let Some(cause) = data["cause"].as_object_mut() {
                    cause.remove("request");
                }
            }
            (Careless::WordsInTheClear, "booking.registered") => data["contact"] = "customer1@mail.example".into(),
            (Careless::WrongRoot, "operations.checkpoint_sealed") => {
                data["root"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
            }
            (Careless::NoBackOff, "link.attempt_failed" | "link.look_requested") if data["retry_at"].is_string() => {
                data["retry_at"] = (event.recorded_at + TimeDelta::seconds(2)).to_rfc3339().into();
            }
            (Careless::UnknownEvent, "link.sync_requested") => event.kind = "link.sync_wanted".into(),
            _ => return,
        }
        event.data = data.to_string();
    }
}

#[async_trait]
impl EventStore for EditedLedger {
    async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        mut events: Vec<NewEvent>,
    ) -> Result<AppendOutcome, Failure> {
        events.iter_mut().for_each(|event| self.edit(event));
        self.inner.append(stream, expected, events).await
    }

    async fn read_stream(&self, stream: &StreamName, from: Version, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        self.inner.read_stream(stream, from, limit).await
    }

    async fn last(&self, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
        self.inner.last(stream).await
    }

    async fn read_all(&self, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let mut recorded = self.inner.read_all(from, limit).await?;
        if self.bug == Careless::Gaps {
            recorded.retain(|recorded| recorded.position.0 % 100 != 99);
        }
        Ok(recorded)
    }

    async fn find(&self, id: EventId) -> Result<Option<StoredEvent>, Failure> {
        self.inner.find(id).await
    }

    async fn end(&self) -> Result<Position, Failure> {
        self.inner.end().await
    }

    async fn wait(&self, from: Position) {
        self.inner.wait(from).await;
    }

    async fn restore(&self, events: Vec<StoredEvent>) -> Result<Position, Failure> {
        by_appending(self, events).await
    }
}

macro_rules! careless {
    ($($name:ident: $bug:ident by $by:literal;)+) => {
        $(#[test]
        fn $name() {
            assert_eq!(found(&Careless::$bug, stringify!($bug), 0), $by);
        })+
    };
}

careless! {
    a_pause_that_is_not_heard: NoPause by "I10";
    keys_that_are_forgotten: KeysForgotten by "I9";
    words_in_the_clear: WordsInTheClear by "I11";
    a_root_of_other_events: WrongRoot by "I12";
    timers_that_nobody_looks_at: DeafTimers by "timers";
    tries_that_do_not_back_off: NoBackOff by "I10";
    an_event_that_nobody_can_read: UnknownEvent by "I3";
    positions_that_are_missing: Gaps by "I3";
}
