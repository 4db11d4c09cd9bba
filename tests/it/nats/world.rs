//! A ledger in memory, a clock that is moved by hand, and what consumers of the feed see.

use std::sync::Arc;

use async_nats::jetstream::{self, message::StreamMessage};
use chrono::{DateTime, TimeDelta};
use serde_json::Value;
use syncledger::{
    adapters::{
        memory::{MemoryCheckpoints, MemoryLedger, VirtualClock},
        nats::{Nats, NatsPublisher, Settings, Shape},
    },
    domain::ids::{CorrelationId, Position},
    ports::{
        checkpoints::Checkpoints as _,
        clock::Clock as _,
        event_store::{EventStore as _, ExpectedVersion},
    },
    record::{
        envelope::{Actor, NewEvent, Origin},
        stream::{Category, StreamName},
    },
    services::relay::{NextStep, Relay},
};

use super::server::Server;
use crate::support::patience::eventually;

pub const WORKSPACE: &str = "loft";
pub const STREAM: &str = "syncledger-loft";

pub struct World {
    pub clock: Arc<VirtualClock>,
    pub ledger: Arc<MemoryLedger>,
    pub checkpoints: Arc<MemoryCheckpoints>,
    pub server: Server,
}

pub fn shape() -> Shape {
    Shape::of(WORKSPACE)
}

pub fn settings(server: &Server) -> Settings {
    Settings { servers: server.url(), workspace: WORKSPACE.to_owned(), ..Settings::default() }
}

impl World {
    pub fn new() -> Self {
        Self {
            clock: Arc::new(VirtualClock::new(1, DateTime::from_timestamp(1_780_000_000, 0).unwrap())),
            ledger: Arc::new(MemoryLedger::new()),
            checkpoints: Arc::new(MemoryCheckpoints::default()),
            server: Server::start(),
        }
    }

    pub async fn publisher(&self) -> Arc<NatsPublisher> {
        let nats = Nats::connect_now(settings(&self.server)).await.unwrap();
        Arc::new(NatsPublisher::new(nats, shape(), self.clock.event_id().to_string()))
    }

    pub async fn relay(&self) -> Relay {
        let publisher = self.publisher().await;
        Relay::new(self.ledger.clone(), self.clock.clone(), self.checkpoints.clone(), publisher, "feed").window(64)
    }

    pub async fn append_to(&self, stream: &StreamName, kind: &str, data: String) {
        let event = NewEvent {
            id: self.clock.event_id(),
            kind: kind.to_owned(),
            schema: 1,
            recorded_at: self.clock.now(),
            effective_at: self.clock.now(),
            actor: Actor::new("source", "uschedule"),
            origin: Origin::Webhook,
            correlation: CorrelationId("delivery-1".to_owned()),
            causation: Some(self.clock.event_id()),
            data,
        };
        self.ledger.append(stream, ExpectedVersion::Any, vec![event]).await.unwrap();
    }

    /// So many events, over seven streams.
    pub async fn append(&self, count: u64) {
        for n in 0..count {
            let stream = StreamName { category: Category::Booking, id: format!("uschedule.{}", n % 7) };
            self.append_to(&stream, "booking.confirmed", format!(r#"{{"n":{n}}}"#)).await;
        }
    }

    pub async fn end(&self) -> u64 {
        self.ledger.end().await.unwrap().0
    }

    pub async fn saved(&self) -> u64 {
        self.checkpoints.load("feed").await.unwrap().0
    }

    pub fn later(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// Steps until there is nothing to do. A server that is coming back is waited for.
    pub async fn publish(&self, relay: &Relay) {
        let done = eventually(async || match relay.step().await {
            Ok(NextStep::AtPosition(next)) => next == Position(self.end().await),
            Ok(_) => false,
            Err(error) => {
                eprintln!("{error}");
                false
            }
        });
        assert!(done.await, "it does not come to an end");
    }

    /// As an operator's tool would look at it.
    pub async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(async_nats::connect(self.server.url()).await.unwrap())
    }

    /// Every message of the feed, in its order.
    pub async fn messages(&self) -> Vec<StreamMessage> {
        let stream = self.jetstream().await.get_stream(STREAM).await.unwrap();
        let state = stream.cached_info().state.clone();
        let mut messages = Vec::new();
        for sequence in state.first_sequence..=state.last_sequence {
            if let Ok(message) = stream.get_raw_message(sequence).await {
                messages.push(message);
            }
        }
        messages
    }

    /// The positions that the feed holds, in its order.
    pub async fn positions(&self) -> Vec<u64> {
        self.messages().await.iter().map(position).collect()
    }

    pub async fn holds_everything_once(&self) {
        assert_eq!(self.positions().await, (0..self.end().await).collect::<Vec<_>>());
    }
}

pub fn body(message: &StreamMessage) -> Value {
    serde_json::from_slice(&message.payload).unwrap()
}

pub fn position(message: &StreamMessage) -> u64 {
    body(message)["position"].as_str().unwrap().parse().unwrap()
}

pub fn header(message: &StreamMessage, name: &str) -> String {
    message.headers.get(name).map(|value| value.as_str().to_owned()).unwrap_or_default()
}
