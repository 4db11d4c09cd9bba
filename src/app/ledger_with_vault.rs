//! The database next to a ledger that stores only events: keys, tokens and checkpoints.
//!
//! It has the same tables as a ledger's database, without events. It remembers which ledger it belongs to and how far that
//! was: with another ledger, its keys would decrypt nothing, and its checkpoints would skip or repeat events.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail, ensure};
use async_trait::async_trait;

use crate::{
    adapters::{
        eventstoredb::{EventStoreDbLedger, Options as Server},
        sqlite::{Options, SqliteCheckpoints, SqliteLedger},
        system::master_key,
    },
    config::{Address, Config, Store},
    domain::ids::Position,
    ports::{checkpoints::Checkpoints as _, clock::Clock, event_store::EventStore as _, upkeep::Upkeep},
};

/// Checkpoint names that store the ledger's identity and end.
const ORIGIN: &str = "ledger.origin";
const MARK: &str = "ledger.mark";

/// A ledger on a server, and the SQLite file next to it.
#[derive(Clone)]
pub(super) struct LedgerWithVault {
    pub ledger: EventStoreDbLedger,
    pub file: SqliteLedger,
}

impl LedgerWithVault {
    /// Opens both; creates the file and the master key if the ledger has no events yet.
    pub async fn open(config: &Config, address: &Address, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let password = address.password.as_ref().map(|password| password.reveal().to_owned());
        let server = Server { url: address.url.clone(), password };
        let ledger = EventStoreDbLedger::open(&server).await.context("the ledger")?;
        let opened = Self::with(config, ledger.clone(), clock).await;
        if opened.is_err() {
            // Otherwise its subscription would stay open.
            ledger.close().await;
        }
        opened
    }

    async fn with(config: &Config, ledger: EventStoreDbLedger, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let path = match &config.vault {
            Store::Sqlite(path) => path,
            other => bail!("vault.url: {other} cannot be opened by this version: write sqlite:// and a path"),
        };
        let events = ledger.end().await?;
        master(config, path, events, &**clock)?;
        let options = Options { path: path.clone(), workspace: config.workspace.clone() };
        let file = SqliteLedger::open(options, Arc::clone(clock)).await.context("the vault")?;
        let both = Self { ledger, file };
        both.check(path).await?;
        both.remember().await?;
        Ok(both)
    }

    async fn check(&self, path: &Path) -> anyhow::Result<()> {
        let path = path.display();
        ensure!(
            self.file.end().await? == Position(0),
            "{path} is a ledger with events of its own: set vault.url to another file"
        );
        let checkpoints = SqliteCheckpoints::new(&self.file);
        let (origin, mark) = (checkpoints.load(ORIGIN).await?.0, checkpoints.load(MARK).await?.0);
        ensure!(
            origin == 0 || origin == self.ledger.origin().await?,
            "{path} contains the keys of another ledger than ledger.url: set ledger.url to that ledger, or vault.url to another file"
        );
        ensure!(
            self.ledger.bears(mark),
            "the ledger at ledger.url has lost events since {path} was last used: \
             restore the server from its backup, and never truncate, delete or scavenge streams of a ledger"
        );
        Ok(())
    }

    /// Stores which ledger it is and where it ends.
    async fn remember(&self) -> anyhow::Result<()> {
        let checkpoints = SqliteCheckpoints::new(&self.file);
        checkpoints.save(ORIGIN, Position(self.ledger.origin().await?)).await?;
        checkpoints.save(MARK, Position(self.ledger.mark())).await?;
        Ok(())
    }
}

/// A key is created only with a new ledger: a second key could not decrypt existing data.
fn master(config: &Config, path: &Path, events: Position, clock: &dyn Clock) -> anyhow::Result<()> {
    let file = &config.master_key_file;
    if path.exists() {
        return master_key::load(file).map(drop).context("the master key");
    }
    ensure!(
        events == Position(0),
        "{} has {events} events, but the keys to decrypt them are missing: {} does not exist. \
         Set vault.url to its path, or restore it from your backup",
        config.ledger,
        path.display()
    );
    master_key::load_or_create(file, clock).map(drop).context("the master key")
}

#[async_trait]
impl Upkeep for LedgerWithVault {
    fn failing(&self) -> Option<String> {
        self.ledger.failing().or_else(|| self.file.failing())
    }

    async fn close(&self) {
        // Only a safeguard against mistakes: if it fails, the next start stores it.
        if let Err(why) = self.remember().await {
            tracing::debug!("Could not store the end of the ledger in the vault: {why:#}");
        }
        self.ledger.close().await;
        self.file.close().await;
    }
}
