//! What stands beside a ledger that keeps events only: keys, tokens and checkpoints, in a database of their own.
//!
//! That database is one like a ledger's, with no events in it. It remembers which ledger it belongs to and how far that had
//! come: with another ledger its keys would open nothing, and its checkpoints would skip or repeat.

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

/// Under which names the checkpoints remember the ledger.
const ORIGIN: &str = "ledger.origin";
const MARK: &str = "ledger.mark";

/// A ledger on a server, and the file beside it.
#[derive(Clone)]
pub(super) struct LedgerWithVault {
    pub ledger: EventStoreDbLedger,
    pub file: SqliteLedger,
}

impl LedgerWithVault {
    /// Opens both, and makes the file and the master key with a ledger that has no event yet.
    pub async fn open(config: &Config, address: &Address, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let password = address.password.as_ref().map(|password| password.reveal().to_owned());
        let server = Server { url: address.url.clone(), password };
        let ledger = EventStoreDbLedger::open(&server).await.context("the ledger")?;
        let opened = Self::with(config, ledger.clone(), clock).await;
        if opened.is_err() {
            // Else it would go on being followed.
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
            "{path} is a ledger with events of its own: name another file with vault.url"
        );
        let kept = SqliteCheckpoints::new(&self.file);
        let (origin, mark) = (kept.load(ORIGIN).await?.0, kept.load(MARK).await?.0);
        ensure!(
            origin == 0 || origin == self.ledger.origin().await?,
            "{path} keeps the keys of another ledger than that of ledger.url: name the one it belongs to, or another file"
        );
        ensure!(
            self.ledger.bears(mark),
            "the ledger of ledger.url does not have all the events any more that it had when {path} was last in use: \
             restore the server from its backup; streams of a ledger must not be truncated, deleted or scavenged"
        );
        Ok(())
    }

    /// Notes which ledger it is and how far it has come.
    async fn remember(&self) -> anyhow::Result<()> {
        let kept = SqliteCheckpoints::new(&self.file);
        kept.save(ORIGIN, Position(self.ledger.origin().await?)).await?;
        kept.save(MARK, Position(self.ledger.mark())).await?;
        Ok(())
    }
}

/// A key is made with a new ledger only: a second one would open nothing that stands in it.
fn master(config: &Config, path: &Path, events: Position, clock: &dyn Clock) -> anyhow::Result<()> {
    let file = &config.master_key_file;
    if path.exists() {
        return master_key::load(file).map(drop).context("the master key");
    }
    ensure!(
        events == Position(0),
        "{} has {events} events, and the keys that open them are not there: {} does not exist. \
         Name it with vault.url, or restore it from your backup",
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
        // Only a help against mistakes: without it the next start remembers what this one did.
        if let Err(why) = self.remember().await {
            tracing::debug!("The vault does not remember how far the ledger has come: {why:#}");
        }
        self.ledger.close().await;
        self.file.close().await;
    }
}
