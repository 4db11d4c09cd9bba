//! Ledgers with an audit trail, on SQLite and in memory.

use std::{path::Path, sync::Arc};

use syncledger::{
    adapters::{
        memory::{MemoryLedger, MemorySigningKeys, MemoryVault},
        sqlite::{SqliteLedger, SqliteSigningKeys},
        system::{CheckpointFolder, SystemClock},
    },
    ports::{
        event_store::{EventStore, ExpectedVersion},
        signing_keys::SigningKeys,
        upkeep::Upkeep as _,
    },
    record::{
        envelope::{Actor, Origin},
        wrap::MasterKey,
    },
    services::{
        audit::{Audit, Outcome, Report, VerifyOptions},
        journal::{Context, Journal},
    },
};

pub use crate::conformance::given::{append, event, event_of, folder, open_sqlite};

/// Joins a ledger and keys to an audit trail, whose checkpoints are kept in `folder/checkpoints`.
pub fn audit(store: Arc<dyn EventStore>, keys: Arc<dyn SigningKeys>, folder: &Path) -> Audit {
    let clock = Arc::new(SystemClock::new());
    let journal = Journal::new(store, Arc::new(MemoryVault::new(clock.clone())), clock);
    Audit::new("loft", journal, keys, Arc::new(CheckpointFolder::new(folder.join("checkpoints"))))
}

/// The SQLite ledger in a folder, with its trail.
pub struct OnDisk {
    pub ledger: SqliteLedger,
    pub audit: Audit,
}

impl OnDisk {
    pub async fn open(folder: &Path) -> Self {
        let ledger = open_sqlite(folder).await;
        let keys = Arc::new(SqliteSigningKeys::new(&ledger, MasterKey::new([7; 32])));
        Self { audit: audit(Arc::new(ledger.clone()), keys, folder), ledger }
    }

    /// Checks everything, the file below included.
    pub async fn verify(&self, asked: &VerifyOptions) -> Report {
        let mut report = self.audit.verify(asked, &mut |_, _| {}).await.unwrap();
        report.add(self.ledger.inspect().await.unwrap_or_else(|unfinished| vec![unfinished]));
        report
    }

    pub async fn close(self) {
        self.ledger.close().await;
    }
}

/// A trail in memory.
pub fn in_memory(folder: &Path) -> Audit {
    let keys = Arc::new(MemorySigningKeys::new("loft", Arc::new(SystemClock::new())));
    audit(Arc::new(MemoryLedger::new()), keys, folder)
}

pub fn operator() -> Context {
    let id = event(0).id;
    Context::root(Actor::new("operator", "test"), Origin::Admin, id)
}

/// Events on a few streams; `from` makes their data differ.
pub async fn fill(store: &dyn EventStore, from: u64, count: u64) {
    for n in from..from + count {
        append(store, &format!("s{}", n % 3), ExpectedVersion::Any, &[event(n)]).await.unwrap();
    }
}

/// Seals, and says over how many events.
pub async fn seal(audit: &Audit) -> u64 {
    match audit.seal(&operator()).await.unwrap() {
        Outcome::Sealed(sealed) => sealed.checkpoint.size,
        Outcome::Nothing(_) => panic!("there is nothing new"),
    }
}
