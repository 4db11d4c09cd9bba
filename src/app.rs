//! Wiring: the only file that names concrete adapters. It contains no rules.

pub mod archive;
pub mod files;
mod ledger_with_vault;
pub mod logging;
pub mod machine;
pub mod nats;
mod program;
mod stores;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use chrono::TimeDelta;

pub use program::program;
pub use stores::{Stores, for_replay, missing, open, open_as, open_to_verify};

use crate::{
    adapters::{
        google,
        system::HttpTransport,
        uschedule::{self, USchedule},
    },
    config::{Config, ProviderKind, SourceKind},
    domain::{
        ids::{ProfileId, SourceName},
        profile::Profile,
    },
    ledger::required_version::Program,
    ports::{clock::Clock, provider::CalendarProvider, source::BookingSource, transport::Transport},
    services::{
        current_failures::CurrentFailures,
        operators::publish_profiles::{self, publish, unpublished},
        sync::{
            calendars::Calendars,
            poll::Poller,
            pull::Puller,
            react::Reactor,
            reconciler::{Reconciler, Settings},
            routing::{Route, Routing},
            run::Workers,
            throttle::Throttle,
            watch::Watcher,
        },
    },
};

/// How long a command is reserved for its sender.
const LEASE: TimeDelta = TimeDelta::seconds(90);
/// Default polling interval of calendars.
const PULL_EVERY: Duration = Duration::from_secs(300);

/// Everything a service needs: stores, providers and sources.
pub struct App {
    /// The stores.
    pub stores: Stores,
    /// Routes, providers and sources.
    pub routing: Arc<Routing>,
    /// All sources, including those without write-back.
    pub sources: BTreeMap<SourceName, Arc<dyn BookingSource>>,
    /// Cached calendars.
    pub calendars: Arc<Calendars>,
    /// Rate limits.
    pub throttle: Arc<Throttle>,
    /// Settles links.
    pub reconciler: Reconciler,
    /// Present failures.
    pub current_failures: CurrentFailures,
}

impl App {
    /// Opens the stores to serve them, and sets up providers and sources. Makes no calls. From here on the ledger refuses
    /// programs that are too old for what this one writes.
    ///
    /// # Errors
    /// What cannot be opened or set up.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        Self::open_as(config, program()?).await
    }

    /// The same for a program of another version.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_as(config: &Config, program: Program) -> anyhow::Result<Self> {
        let stores = open_as(config, program).await?;
        stores.versions.require(program.needs).await.context("the ledger")?;
        let profiles = publish(&stores.journal, &config.profiles).await?;
        if let Some(least) = stores.versions.required() {
            publish_profiles::require(&stores.journal, profiles.keys(), least).await?;
        }
        Self::with(config, stores, profiles)
    }

    /// The same for read-only commands: changed profiles are not published.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_read_only(config: &Config) -> anyhow::Result<Self> {
        let stores = open(config).await?;
        let profiles = unpublished(&stores.journal, &config.profiles).await?;
        Self::with(config, stores, profiles)
    }

    fn with(config: &Config, stores: Stores, profiles: BTreeMap<ProfileId, Profile>) -> anyhow::Result<Self> {
        let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new().context("the network")?);
        let sources = sources(config, &transport, &stores.clock);
        let routing = Arc::new(Routing {
            routes: routes(config),
            profiles,
            providers: providers(config, &transport, &stores.clock)?,
            sources: sources.clone(),
        });
        let throttle = Arc::new(Throttle::default());
        let settings = Settings {
            worker: format!("worker-{}", stores.clock.event_id()),
            lease: LEASE,
            workspace: config.workspace.clone(),
        };
        let reconciler = Reconciler {
            journal: stores.journal.clone(),
            worklist: Arc::clone(&stores.worklist),
            routing: Arc::clone(&routing),
            throttle: Arc::clone(&throttle),
            settings,
        };
        let calendars = Arc::new(Calendars::default());
        Ok(Self {
            stores,
            routing,
            sources,
            calendars,
            throttle,
            reconciler,
            current_failures: CurrentFailures::default(),
        })
    }

    /// The loops of a running service; `feed` publishes events.
    pub fn workers(&self, config: &Config, feed: Option<&nats::Feed>) -> Workers {
        let reactor = Arc::new(Reactor::new(self.reconciler.clone(), self.sources.clone()));
        let puller = Puller {
            journal: self.stores.journal.clone(),
            worklist: Arc::clone(&self.stores.worklist),
            routing: Arc::clone(&self.routing),
            throttle: Arc::clone(&self.throttle),
            calendars: Arc::clone(&self.calendars),
            settings: self.reconciler.settings.clone(),
        };
        let watcher = Watcher {
            journal: self.stores.journal.clone(),
            routing: Arc::clone(&self.routing),
            throttle: Arc::clone(&self.throttle),
            calendars: Arc::clone(&self.calendars),
            address: config.public_url.as_ref().map(|url| format!("{url}/webhook/gcal")),
            life_s: None,
        };
        let every = config.connections.iter().map(|c| c.poll_every).min().unwrap_or(PULL_EVERY);
        Workers {
            projector: self.stores.projector.clone(),
            reactor,
            puller,
            watcher,
            pollers: config.sources.iter().filter_map(|source| self.poller(source)).collect(),
            pull_every: TimeDelta::from_std(every).unwrap_or(TimeDelta::minutes(5)),
            relay: feed.map(|feed| Arc::clone(&feed.relay)),
            commands: feed.and_then(|feed| feed.commands.clone()),
            current_failures: self.current_failures.clone(),
        }
    }
}

impl App {
    fn poller(&self, source: &crate::config::Source) -> Option<Arc<Poller>> {
        let polled = Arc::clone(self.sources.get(&source.name)?);
        let every = TimeDelta::from_std(source.poll_every).unwrap_or(TimeDelta::minutes(1));
        let worker = self.reconciler.settings.worker.clone();
        let throttle = Arc::clone(&self.throttle);
        Some(Arc::new(Poller::new(self.stores.journal.clone(), polled, throttle, worker, every)))
    }
}

fn routes(config: &Config) -> Vec<Route> {
    let route = |r: &crate::config::Route| Route {
        resource: r.resource.clone(),
        calendar: r.calendar.clone(),
        profile: r.profile.clone(),
    };
    config.routes.iter().map(route).collect()
}

fn providers(
    config: &Config,
    transport: &Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<BTreeMap<crate::domain::ids::ConnectionId, Arc<dyn CalendarProvider>>> {
    let mut providers: BTreeMap<_, Arc<dyn CalendarProvider>> = BTreeMap::new();
    for connection in &config.connections {
        let ProviderKind::Google { service_account, api_base, token_url } = &connection.provider;
        let account = google::ServiceAccount::from_json(service_account.reveal())
            .with_context(|| format!("the service account of connection {}", connection.id))?;
        let mut settings = google::Settings::google(account);
        if let Some(base) = api_base {
            settings.api_base.clone_from(base);
        }
        settings.token_url.clone_from(token_url);
        let google = google::Google::new(settings, Arc::clone(transport), Arc::clone(clock));
        providers.insert(connection.id.clone(), Arc::new(google));
    }
    Ok(providers)
}

fn sources(
    config: &Config,
    transport: &Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
) -> BTreeMap<SourceName, Arc<dyn BookingSource>> {
    let mut sources: BTreeMap<_, Arc<dyn BookingSource>> = BTreeMap::new();
    for source in &config.sources {
        let SourceKind::Uschedule { base_url, api_key, .. } = &source.kind;
        let settings = uschedule::Settings {
            name: source.name.clone(),
            base_url: base_url.clone(),
            api_key: uschedule::Secret::new(api_key.reveal()),
        };
        let uschedule = USchedule::new(settings, Arc::clone(transport), Arc::clone(clock));
        sources.insert(source.name.clone(), Arc::new(uschedule));
    }
    sources
}
