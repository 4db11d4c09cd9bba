//! Floor 4: the ledger for clients of EventStoreDB and KurrentDB: the same gRPC services over whatever keeps our events.
//! What means what: `docs/operating/gateway.md`. The wire contract: `proto/`.

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

/// What the gateway is built from.
#[derive(Clone)]
pub struct Gateway {
    /// The ledger.
    pub journal: Journal,
    /// Who may call.
    pub tokens: Arc<dyn Tokens>,
    /// Which events are taken.
    pub accept: Accept,
    /// How long and how many.
    pub limits: Limits,
    /// Names this process in the answer to who is in the cluster.
    pub instance: EventId,
    /// Ends it.
    pub stop: CancellationToken,
}

/// The gateway while it serves.
type Service = Arc<Gateway>;
