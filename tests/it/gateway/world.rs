//! A gateway on loopback over each of our ledgers, and clients of it.

use std::{any::Any, collections::BTreeMap, io::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use eventstore::{AppendToStreamOptions, Client, EventData, ExpectedRevision, ReadAllOptions, ReadStreamOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use syncledger::{
    adapters::{
        memory::{MemoryLedger, MemoryTokens, MemoryVault},
        system::SystemClock,
    },
    gateway::{self, Gateway, Limits, TlsAcceptor},
    http::auth::{self, ROLES},
    ports::{
        clock::Clock,
        event_store::EventStore,
        tokens::{Role, Tokens as _},
        vault::Vault,
    },
    services::{external_events::Accept, journal::Journal, operators::tokens},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    conformance::given::{folder, open_postgres, open_sqlite},
    support::{patience::soon, postgres::Database},
};

/// What keeps the events.
#[derive(Debug, Clone, Copy)]
pub enum Backend {
    Memory,
    Sqlite,
    Postgres,
}

pub const BACKENDS: [Backend; 3] = [Backend::Memory, Backend::Sqlite, Backend::Postgres];

/// A running gateway.
pub struct World {
    pub address: SocketAddr,
    pub journal: Journal,
    pub secrets: BTreeMap<&'static str, String>,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
    tokens: Arc<MemoryTokens>,
    kept: Option<Kept>,
}

/// What must live as long as the ledger that stands on it.
type Kept = Box<dyn Any + Send>;

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    pub async fn start(backend: Backend, accept: Accept) -> Self {
        Self::with(backend, accept, Limits { end_time: Duration::from_secs(2), ..Limits::default() }, None).await
    }

    pub async fn with(backend: Backend, accept: Accept, limits: Limits, tls: Option<TlsAcceptor>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (store, kept): (Arc<dyn EventStore>, Kept) = match backend {
            Backend::Memory => (Arc::new(MemoryLedger::new()), Box::new(())),
            Backend::Sqlite => {
                let folder = folder();
                (Arc::new(open_sqlite(folder.path()).await), Box::new(folder))
            }
            Backend::Postgres => {
                let database = Database::new().await;
                (Arc::new(open_postgres(&database.url()).await), Box::new(database))
            }
        };
        let vault: Arc<dyn Vault> = Arc::new(MemoryVault::new(clock.clone()));
        let journal = Journal::new(store, vault, clock.clone());
        let keys = Arc::new(MemoryTokens::new());
        let mut secrets = BTreeMap::new();
        for role in ROLES {
            let (_, secret) = tokens::create(&*keys, &*clock, role).await.unwrap();
            secrets.insert(auth::name(role), secret.reveal().to_owned());
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, journal, keys, secrets, Some(kept), (accept, limits, tls))
    }

    fn serve(
        listener: TcpListener,
        journal: Journal,
        tokens: Arc<MemoryTokens>,
        secrets: BTreeMap<&'static str, String>,
        kept: Option<Kept>,
        (accept, limits, tls): (Accept, Limits, Option<TlsAcceptor>),
    ) -> Self {
        let stop = CancellationToken::new();
        let instance = journal.clock().event_id();
        let (journal_, tokens_) = (journal.clone(), tokens.clone());
        let gateway = Gateway { journal: journal_, tokens: tokens_, accept, limits, instance, stop: stop.clone() };
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(gateway::serve(listener, gateway, tls));
        Self { address, journal, secrets, stop, task, tokens, kept }
    }

    /// Revokes the token of that role.
    pub async fn revoke(&self, role: Role) {
        let clock = self.journal.clock();
        let token = self.tokens.all().await.unwrap().into_iter().find(|token| token.role == role).unwrap();
        assert!(self.tokens.revoke(&token.id, clock.now()).await.unwrap());
    }

    /// Once this one has stopped: another one over the same ledger, at the same address.
    pub async fn again(mut self) -> Self {
        soon(&mut self.task).await.unwrap();
        let listener = TcpListener::bind(self.address).await.unwrap();
        let (journal, tokens, secrets) = (self.journal.clone(), self.tokens.clone(), self.secrets.clone());
        let kept = self.kept.take();
        Self::serve(listener, journal, tokens, secrets, kept, (Accept::Known, Limits::default(), None))
    }

    /// The connection string of one who bears the token of that role.
    pub fn url(&self, role: &str) -> String {
        format!("esdb://anybody:{}@{}?tls=false", self.secrets[role], self.address)
    }

    /// The same over TLS.
    pub fn url_over_tls(&self, role: &str) -> String {
        format!("esdb://anybody:{}@localhost:{}", self.secrets[role], self.address.port())
    }

    /// A client with the token of that role.
    pub fn client(&self, role: &str) -> Client {
        Client::new(self.url(role).parse().unwrap()).unwrap()
    }

    pub async fn end(&self) -> u64 {
        self.journal.store().end().await.unwrap().0
    }
}

/// An authority of our own, and a server's TLS with a certificate of it for `localhost`.
pub fn authority() -> (tempfile::NamedTempFile, TlsAcceptor) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // With the server's own name, which is the default, it would look as if the server had signed itself.
    authority.distinguished_name.push(DnType::CommonName, "an authority of this test");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &authority).unwrap();
    let acceptor = gateway::acceptor(server.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(authority.pem().as_bytes()).unwrap();
    (file, acceptor)
}

/// Bookings may be confirmed again and again as far as types go: an event that needs nothing else.
pub fn confirmed(id: u128) -> EventData {
    EventData::json("booking.confirmed", &json!({})).unwrap().id(Uuid::from_u128(id))
}

pub fn some(ids: std::ops::Range<u128>) -> Vec<EventData> {
    ids.map(confirmed).collect()
}

pub fn expecting(expected: ExpectedRevision) -> AppendToStreamOptions {
    AppendToStreamOptions::default().expected_revision(expected)
}

/// Fills `stream` with events of these ids.
pub async fn fill(client: &Client, stream: &str, ids: std::ops::Range<u128>) {
    client.append_to_stream(stream, &expecting(ExpectedRevision::Any), some(ids)).await.unwrap();
}

/// The ids of a stream's events in the order they are read.
pub async fn ids(client: &Client, stream: &str, options: &ReadStreamOptions) -> eventstore::Result<Vec<u128>> {
    let mut events = client.read_stream(stream, options).await?;
    let mut ids = Vec::new();
    while let Some(event) = events.next().await? {
        ids.push(event.get_original_event().id.as_u128());
    }
    Ok(ids)
}

/// The same of the whole ledger.
pub async fn all(client: &Client, options: &ReadAllOptions) -> eventstore::Result<Vec<u128>> {
    let mut events = client.read_all(options).await?;
    let mut ids = Vec::new();
    while let Some(event) = events.next().await? {
        ids.push(event.get_original_event().id.as_u128());
    }
    Ok(ids)
}

pub fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}
