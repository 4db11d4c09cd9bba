//! What every command works with: the configuration, and what it opens.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{exit::CliError, print::Printer};
use crate::{
    app::{self, App, Stores, logging},
    config::{Config, Logging},
    ports::upkeep::Upkeep,
    record::envelope::{Actor, Origin},
    services::{audit::Audit, journal::Context},
};

/// Everything a command works with.
pub struct Session {
    pub config: Config,
    pub env: BTreeMap<String, String>,
    pub by: String,
    pub printer: Printer,
    opened: Mutex<Vec<Arc<dyn Upkeep>>>,
}

impl Session {
    /// A session of the operator `by`. Nothing is opened yet.
    pub fn new(config: Config, env: BTreeMap<String, String>, by: String, printer: Printer) -> Self {
        Self { config, env, by, printer, opened: Mutex::default() }
    }

    /// Closes every ledger that was opened, so that a copy of its file is complete.
    pub async fn close(&self) {
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for ledger in opened {
            ledger.close().await;
        }
    }

    fn remember(&self, ledger: &Arc<dyn Upkeep>) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(ledger));
    }

    /// Opens the stores; creates the ledger if there is none.
    pub async fn stores(&self) -> Result<Stores, CliError> {
        self.log_warnings()?;
        let stores = app::open(&self.config).await?;
        self.remember(&stores.ledger);
        Ok(stores)
    }

    /// Opens the stores; fails if there is no ledger. A query that creates an empty ledger would hide a wrong path.
    pub async fn existing_stores(&self) -> Result<Stores, CliError> {
        self.check_exists().await?;
        self.stores().await
    }

    /// Opens the ledger alone, to verify it.
    pub async fn to_verify(&self) -> Result<(Audit, Arc<dyn Upkeep>), CliError> {
        self.check_exists().await?;
        self.log_warnings()?;
        let (audit, ledger) = app::open_to_verify(&self.config).await?;
        self.remember(&ledger);
        Ok((audit, ledger))
    }

    /// Wires everything that acts, to inspect it. Calls nobody and records nothing.
    pub async fn app(&self) -> Result<App, CliError> {
        self.check_exists().await?;
        self.log_warnings()?;
        let app = App::open_read_only(&self.config).await?;
        self.remember(&app.stores.ledger);
        Ok(app)
    }

    async fn check_exists(&self) -> Result<(), CliError> {
        let Some(place) = app::missing(&self.config).await? else { return Ok(()) };
        let what = "start the service or import bookings first, or pass the configuration with --config";
        Err(CliError::refused(format!("there is no ledger at {place}: {what}")))
    }

    /// Logs warnings and errors only, since a command's answer is what it prints. `RUST_LOG` shows more.
    fn log_warnings(&self) -> Result<(), CliError> {
        let filter = self.env.get("RUST_LOG").cloned().unwrap_or_else(|| "warn".to_owned());
        logging::start(&Logging { format: self.config.logging.format, filter }).map_err(CliError::usage)
    }

    /// The operator on whose behalf an action is recorded.
    pub fn operator(&self, stores: &Stores) -> Context {
        Context::root(Actor::new("operator", self.by.clone()), Origin::Admin, stores.clock.event_id())
    }
}
