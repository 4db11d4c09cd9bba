//! Floor 4: the ledger for clients of EventStoreDB and KurrentDB: the same gRPC services on top of any of our ledgers.
//! Mapping of concepts: `docs/operating/gateway.md`. Protocol: `proto/`.

mod answers;
mod append;
mod batch;
mod credentials;
mod event;
mod expectation;
mod features;
mod filter;
mod limits;
mod listen;
mod read;
mod read_request;
mod refusal;
mod source;
mod streams;
mod subscribe;
mod tls;
mod wire;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use limits::Limits;
pub use listen::serve;
pub use tls::acceptor;
pub use tokio_rustls::TlsAcceptor;

use crate::{
    domain::ids::EventId,
    ports::tokens::Tokens,
    services::{external_events::Accept, journal::Journal},
};

/// Everything the gateway needs.
#[derive(Clone)]
pub struct Gateway {
    /// The ledger.
    pub journal: Journal,
    /// The API tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Which events are accepted.
    pub accept: Accept,
    /// Limits.
    pub limits: Limits,
    /// Id of this process in the cluster information.
    pub instance: EventId,
    /// Stops it.
    pub stop: CancellationToken,
}

/// The gateway while it is running.
type Service = Arc<Gateway>;
