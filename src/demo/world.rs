//! The demo's environment: sandboxes, a ledger in a temporary folder, and the service, all on localhost.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    adapters::{
        sandbox::{
            google::{self, Google},
            model::Shared,
            server::{self, Running},
            uschedule::{self, USchedule},
        },
        system::{HttpTransport, SystemClock},
    },
    app,
    config::Config,
    ports::{clock::Clock, transport::Transport},
    serve,
};

/// The bays' calendars.
pub const CALENDARS: [&str; 2] = ["bay1@sandbox.example", "bay2@sandbox.example"];
const WEBHOOK_SECRET: &str = "demo-webhook-secret";
const API_KEY: &str = "demo-api-key";

/// The running parts.
pub struct World {
    /// State of the Google sandbox.
    google: Arc<Mutex<Google>>,
    /// State of the USchedule sandbox.
    uschedule: Arc<Mutex<USchedule>>,
    clock: Arc<dyn Clock>,
    stores: app::Stores,
    service: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
    address: SocketAddr,
    folder: PathBuf,
    // Stopped when dropped.
    _servers: [Running; 2],
}

impl World {
    /// Starts everything.
    ///
    /// # Errors
    /// A port or a folder is not available.
    pub async fn start(listen: Option<SocketAddr>, stop: CancellationToken) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new().context("the network")?);
        let mut provider = Google::new(google::Settings::default());
        for (number, id) in (1..).zip(CALENDARS) {
            provider.add_calendar(id, &format!("Loft Bay {number} Schedule"), chrono_tz::America::Chicago);
        }
        let google = Arc::new(Mutex::new(provider));
        let shared: Shared = google.clone();
        let google_server = server::start(shared, Arc::clone(&clock), Arc::clone(&transport)).await?;
        let listener = match listen {
            Some(address) => TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?,
            None => TcpListener::bind("127.0.0.1:0").await?,
        };
        let address = listener.local_addr()?;
        let mut settings = uschedule::Settings { api_key: API_KEY.into(), ..uschedule::Settings::default() };
        let url = format!("http://{address}/webhook/uschedule");
        settings.webhook = Some(uschedule::Webhook { url, secret: WEBHOOK_SECRET.into() });
        let uschedule = Arc::new(Mutex::new(USchedule::new(settings)));
        let shared: Shared = uschedule.clone();
        let uschedule_server = server::start(shared, Arc::clone(&clock), transport).await?;
        let folder = std::env::temp_dir().join(format!("syncledger-demo-{}", clock.event_id()));
        let config = configuration(&folder, address, &google_server.base_url, &uschedule_server.base_url)?;
        let service = serve::start(&config, listener, stop.clone()).await?;
        let stores = service.stores.clone();
        let service = service.task;
        let servers = [google_server, uschedule_server];
        Ok(Self { google, uschedule, clock, stores, service, stop, address, folder, _servers: servers })
    }

    /// State of the Google sandbox.
    pub fn google(&self) -> MutexGuard<'_, Google> {
        self.google.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// State of the USchedule sandbox.
    pub fn uschedule(&self) -> MutexGuard<'_, USchedule> {
        self.uschedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Current time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Number of events in the ledger.
    ///
    /// # Errors
    /// The ledger is not available.
    pub async fn events(&self) -> anyhow::Result<u64> {
        Ok(self.stores.journal.store().end().await?.0)
    }

    /// Prints the service's address, and commands to explore it.
    ///
    /// # Errors
    /// No token could be created.
    pub async fn say_where(&self, json: bool) -> anyhow::Result<()> {
        let (_, secret) = crate::services::operators::tokens::create(
            &*self.stores.tokens,
            &*self.clock,
            crate::ports::tokens::Role::Admin,
        )
        .await?;
        if json {
            println!(
                "{}",
                serde_json::json!({"address": format!("http://{}", self.address), "token": secret.reveal()})
            );
        } else {
            let (address, token, folder) = (self.address, secret.reveal(), self.folder.display());
            println!("\nServing at http://{address} until you press Ctrl-C. To explore it:\n");
            println!("  curl http://{address}/health");
            println!("  curl -H 'Authorization: Bearer {token}' http://{address}/api/v1/bookings");
            println!("  syncledger --config {folder}/syncledger.toml bookings list");
        }
        Ok(())
    }

    /// Stops the service and deletes the folder.
    pub async fn stop(self) {
        self.stop.cancel();
        drop(self.service.await);
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Writes the configuration as a user would, and reads it back.
fn configuration(folder: &PathBuf, address: SocketAddr, google: &str, uschedule: &str) -> anyhow::Result<Config> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let bot = google::service_account::credentials(google);
    fs::write(folder.join("bot.json"), bot.to_string())?;
    fs::write(folder.join("api-key"), API_KEY)?;
    fs::write(folder.join("webhook-secret"), WEBHOOK_SECRET)?;
    let text = TEMPLATE
        .replace("{address}", &address.to_string())
        .replace("{google}", google)
        .replace("{uschedule}", uschedule)
        .replace("{bay1}", CALENDARS[0])
        .replace("{bay2}", CALENDARS[1]);
    let file = folder.join("syncledger.toml");
    fs::write(&file, &text)?;
    Ok(Config::parse(Some(&file), &text, &BTreeMap::new())?)
}

const TEMPLATE: &str = r#"
workspace  = "loft"
listen     = "{address}"
public_url = "http://{address}"

[ledger]
url = "sqlite://ledger.db"

[read_models]
url = "sqlite://read.db"

[secrets]
master_key_file = "master.key"

[logging]
filter = "error"

[[sources]]
name = "uschedule"
kind = "uschedule"
base_url = "{uschedule}"
api_key_file = "api-key"
webhook_secret_file = "webhook-secret"
poll_every = "5s"

[[connections]]
id = "loft-bot"
provider = "google"
service_account_file = "bot.json"
api_base = "{google}/calendar/v3"
token_url = "{google}/token"

[profiles.resource-mirror]
preset = "resource-mirror"
removal_grace_s = 1

[[routes]]
resource = "bay-1"
connection = "loft-bot"
calendar = "{bay1}"
profile = "resource-mirror"

[[routes]]
resource = "bay-2"
connection = "loft-bot"
calendar = "{bay2}"
profile = "resource-mirror"
"#;
