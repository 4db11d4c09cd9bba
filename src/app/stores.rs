//! Opens the stores on the configured databases.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::ledger_with_vault::LedgerWithVault;
use crate::{
    adapters::{
        memory::MemoryProjections,
        postgres::{
            self, PostgresCheckpoints, PostgresLedger, PostgresProjections, PostgresSigningKeys, PostgresTokens,
            PostgresVault,
        },
        sqlite::{
            Options, SqliteCheckpoints, SqliteLedger, SqliteProjections, SqliteSigningKeys, SqliteTokens, SqliteVault,
        },
        system::{CheckpointFolder, KeyFile, SystemClock, master_key},
    },
    config::{Address, Config, Store},
    domain::program_version::ProgramVersion,
    keys::keyring::Keyring,
    ledger::required_version::{Program, VersionedLedger, required},
    ports::{
        checkpoints::Checkpoints,
        clock::Clock,
        event_store::{EventStore, Failure},
        master_keys::MasterKeyFile,
        projection_store::ProjectionStore,
        rotation::Rotation,
        signing_keys::SigningKeys,
        tokens::Tokens,
        upkeep::Upkeep,
        vault::Vault,
    },
    services::{
        audit::Audit,
        journal::Journal,
        models::project::Projector,
        sync::{read_model_worklist::ReadModelWorklist, worklist::Worklist},
    },
};

/// The stores: ledger, keys, tokens and read models. Enough to read and change data; makes no calls to providers.
#[derive(Clone)]
pub struct Stores {
    /// Time, ids and randomness.
    pub clock: Arc<dyn Clock>,
    /// The ledger with its keys.
    pub journal: Journal,
    /// Which version of the program the ledger requires.
    pub versions: Arc<VersionedLedger>,
    /// The ledger's database.
    pub ledger: Arc<dyn Upkeep>,
    /// The audit trail.
    pub audit: Audit,
    /// Keys of subjects.
    pub vault: Arc<dyn Vault>,
    /// State of the master key rotation.
    pub rotation: Arc<dyn Rotation>,
    /// The file of master keys.
    pub master_file: Arc<dyn MasterKeyFile>,
    /// The API tokens.
    pub tokens: Arc<dyn Tokens>,
    /// The read models.
    pub models: Arc<dyn ProjectionStore>,
    /// Keeps the read models up to date.
    pub projector: Projector,
    /// The workers' questions to the read models.
    pub worklist: Arc<dyn Worklist>,
    /// Checkpoints of workers.
    pub checkpoints: Arc<dyn Checkpoints>,
}

/// Opens all stores, and creates those that do not exist.
///
/// # Errors
/// What cannot be opened, and what to do about it.
pub async fn open(config: &Config) -> anyhow::Result<Stores> {
    open_as(config, super::program::program()?).await
}

/// The same for a program of another version.
///
/// # Errors
/// As [`open`].
pub async fn open_as(config: &Config, program: Program) -> anyhow::Result<Stores> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let LedgerParts { store, ledger, vault, rotation, master_file, tokens, signing, checkpoints } =
        ledger_parts(config, &clock).await?;
    // Before anything is changed: the read models of a newer program are not this one's either.
    let versions = match VersionedLedger::open(store, Arc::clone(&clock), &config.workspace, program).await {
        Ok(versions) => Arc::new(versions),
        Err(failure) => {
            ledger.close().await;
            return Err(failure.into());
        }
    };
    let store: Arc<dyn EventStore> = Arc::clone(&versions) as _;
    let models = models(config).await.context("the read models")?;
    models.prepare(clock.now()).await.context("the read models")?;
    let projector = Projector::new(Arc::clone(&store), Arc::clone(&models), Arc::clone(&clock));
    projector.start_over().await.context("the read models")?;
    let journal = Journal::new(store, Arc::clone(&vault), Arc::clone(&clock));
    let archive = Arc::new(CheckpointFolder::new(&config.audit.checkpoints));
    Ok(Stores {
        audit: Audit::new(&config.workspace, journal.clone(), signing, archive),
        journal,
        tokens,
        worklist: Arc::new(ReadModelWorklist::new(Arc::clone(&models), projector.clone(), Arc::clone(&checkpoints))),
        checkpoints,
        clock,
        versions,
        ledger,
        vault,
        rotation,
        master_file,
        models,
        projector,
    })
}

/// The ledger of a configuration, to verify it: without read models, and even if what it requires of the program cannot be read, which may
/// be the very thing that was tampered with.
///
/// # Errors
/// As [`open`].
pub async fn open_to_verify(config: &Config) -> anyhow::Result<(Audit, Arc<dyn Upkeep>)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let parts = ledger_parts(config, &clock).await?;
    let version = super::program::program()?.version;
    let least = required(&*parts.store, &config.workspace).await?;
    if let Some(least) = least.filter(|least| *least > version && *least != ProgramVersion::UNREADABLE) {
        parts.ledger.close().await;
        return Err(Failure::ProgramTooOld { least, version }.into());
    }
    let journal = Journal::new(parts.store, parts.vault, clock);
    let kept = Arc::new(CheckpointFolder::new(&config.audit.checkpoints));
    Ok((Audit::new(&config.workspace, journal, parts.signing, kept), parts.ledger))
}

/// Where the ledger is expected but missing; `None` if it exists.
///
/// # Errors
/// An unavailable server.
pub async fn missing(config: &Config) -> anyhow::Result<Option<String>> {
    Ok(match &config.ledger {
        Store::Sqlite(path) => (!path.exists()).then(|| path.display().to_string()),
        Store::Postgres(address) => {
            let server = server(address)?;
            let exists = PostgresLedger::exists(&server).await.context("the ledger")?;
            (!exists).then(|| server.to_string())
        }
        // The server reports that itself.
        Store::Esdb(_) => None,
    })
}

/// The same with empty in-memory read models, to be filled as of a past time.
pub fn for_replay(stores: &Stores) -> Stores {
    let models: Arc<dyn ProjectionStore> = Arc::new(MemoryProjections::default());
    let ledger = Arc::clone(stores.journal.store());
    let projector = Projector::new(ledger, Arc::clone(&models), Arc::clone(&stores.clock));
    Stores { models, projector, ..stores.clone() }
}

/// The stores that cannot be derived from anything else, in one database.
struct LedgerParts {
    store: Arc<dyn EventStore>,
    ledger: Arc<dyn Upkeep>,
    vault: Arc<dyn Vault>,
    rotation: Arc<dyn Rotation>,
    master_file: Arc<dyn MasterKeyFile>,
    tokens: Arc<dyn Tokens>,
    signing: Arc<dyn SigningKeys>,
    checkpoints: Arc<dyn Checkpoints>,
}

async fn ledger_parts(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<LedgerParts> {
    match &config.ledger {
        Store::Sqlite(path) => sqlite(config, path, clock).await,
        Store::Postgres(address) => postgres(config, address, clock).await,
        Store::Esdb(address) => esdb(config, address, clock).await,
    }
}

async fn sqlite(config: &Config, path: &Path, clock: &Arc<dyn Clock>) -> anyhow::Result<LedgerParts> {
    // A key is created only with a new ledger: a second key could not decrypt existing data.
    if !path.exists() {
        master_key::load_or_create(&config.master_key_file, &**clock).context("the master key")?;
    }
    let masters = Arc::new(KeyFile::open(&config.master_key_file, Arc::clone(clock)).context("the master key")?);
    let options = Options { path: path.to_owned(), workspace: config.workspace.clone() };
    let ledger = SqliteLedger::open(options, Arc::clone(clock)).await.context("the ledger")?;
    let vault = Arc::new(SqliteVault::new(&ledger, Keyring::new(Arc::clone(&masters) as _)));
    vault.ready().await.with_context(|| format!("the master key in {}", config.master_key_file.display()))?;
    Ok(LedgerParts {
        signing: Arc::new(SqliteSigningKeys::new(&ledger, Keyring::new(Arc::clone(&masters) as _))),
        rotation: Arc::clone(&vault) as _,
        vault,
        master_file: masters,
        tokens: Arc::new(SqliteTokens::new(&ledger)),
        checkpoints: Arc::new(SqliteCheckpoints::new(&ledger)),
        store: Arc::new(ledger.clone()),
        ledger: Arc::new(ledger),
    })
}

async fn postgres(config: &Config, address: &Address, clock: &Arc<dyn Clock>) -> anyhow::Result<LedgerParts> {
    // From here until the ledger is open, no other process can create it, and with it a different key.
    let found = PostgresLedger::find(server(address)?).await.context("the ledger")?;
    if found.is_new() {
        master_key::load_or_create(&config.master_key_file, &**clock).context("the master key")?;
    }
    let masters = Arc::new(KeyFile::open(&config.master_key_file, Arc::clone(clock)).context("the master key")?);
    let ledger = found.open(&config.workspace, Arc::clone(clock)).await.context("the ledger")?;
    let vault = Arc::new(PostgresVault::new(&ledger, Keyring::new(Arc::clone(&masters) as _)));
    vault.ready().await.with_context(|| format!("the master key in {}", config.master_key_file.display()))?;
    Ok(LedgerParts {
        signing: Arc::new(PostgresSigningKeys::new(&ledger, Keyring::new(Arc::clone(&masters) as _))),
        rotation: Arc::clone(&vault) as _,
        vault,
        master_file: masters,
        tokens: Arc::new(PostgresTokens::new(&ledger)),
        checkpoints: Arc::new(PostgresCheckpoints::new(&ledger)),
        store: Arc::new(ledger.clone()),
        ledger: Arc::new(ledger),
    })
}

fn server(address: &Address) -> anyhow::Result<postgres::Server> {
    let password = address.password.as_ref().map(|password| Zeroizing::new(password.reveal().to_owned()));
    postgres::Server::new(&address.url, password).context("the database")
}

async fn esdb(config: &Config, address: &Address, clock: &Arc<dyn Clock>) -> anyhow::Result<LedgerParts> {
    let both = LedgerWithVault::open(config, address, clock).await?;
    let masters = Arc::new(KeyFile::open(&config.master_key_file, Arc::clone(clock)).context("the master key")?);
    let vault = Arc::new(SqliteVault::new(&both.file, Keyring::new(Arc::clone(&masters) as _)));
    vault.ready().await.with_context(|| format!("the master key in {}", config.master_key_file.display()))?;
    Ok(LedgerParts {
        signing: Arc::new(SqliteSigningKeys::new(&both.file, Keyring::new(Arc::clone(&masters) as _))),
        rotation: Arc::clone(&vault) as _,
        vault,
        master_file: masters,
        tokens: Arc::new(SqliteTokens::new(&both.file)),
        checkpoints: Arc::new(SqliteCheckpoints::new(&both.file)),
        store: Arc::new(both.ledger.clone()),
        ledger: Arc::new(both),
    })
}

async fn models(config: &Config) -> anyhow::Result<Arc<dyn ProjectionStore>> {
    Ok(match &config.read_models {
        Store::Sqlite(path) => Arc::new(SqliteProjections::open(path).await?),
        Store::Postgres(address) => Arc::new(PostgresProjections::open(&server(address)?).await?),
        Store::Esdb(_) => anyhow::bail!("{} stores only events: choose another database", config.read_models),
    })
}
