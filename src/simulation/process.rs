//! One process: the real services and adapters, wired as in `app.rs`, over the simulated world.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use chrono::TimeDelta;
use futures::executor::block_on;

use super::{
    canaries,
    ledger::{FaultyLedger, RecordingLedger, SteppedCheckpoints, SteppedModels},
    network::Network,
    parts::Parts,
    world::{self, BAYS, GOOGLE_HOST, PUSH_ADDRESS, SOURCE_HOST, World},
};
use crate::{
    adapters::{
        google::{self, Google, ServiceAccount},
        sandbox::{google::service_account, wire::DirectTransport},
        uschedule::{self, Secret, USchedule},
    },
    domain::ids::{CalendarKey, SourceName},
    ports::{
        checkpoints::Checkpoints, clock::Clock, event_store::EventStore, projection_store::ProjectionStore,
        provider::CalendarProvider, source::BookingSource, transport::Transport,
    },
    record::envelope::{Actor, Origin},
    services::{
        audit::{Audit, Outcome},
        bookings::RequestKeys,
        journal::{Context, Journal},
        models::project::{Progress, Projector},
        sync::{
            authorise,
            calendars::Calendars,
            poll::Poller,
            pull::Puller,
            react::Reactor,
            read_model_worklist::ReadModelWorklist,
            reconciler::{Reconciler, Settings},
            routing::{Route, Routing},
            throttle::Throttle,
            watch::Watcher,
            worklist::Worklist,
        },
    },
};

/// How long a worker has a command to itself.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// How often a calendar is pulled without a notification.
pub(super) const PULL_EVERY: TimeDelta = TimeDelta::minutes(15);
/// How often a process polls the source.
const POLL_EVERY: TimeDelta = TimeDelta::minutes(1);
/// Events projected in one step: few, so that there are many steps.
const PROJECT_FACTS: usize = 20;

/// A loop of a process. Each runs at most once at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loop {
    /// Projects a few events.
    Project,
    /// Projects all events.
    CatchUp,
    React,
    Pull(usize),
    Watch,
    Probe,
    Poll,
    Seal,
    /// Receives a notification or a request; any number of these run at once.
    Receive(u64),
}

/// A running step.
pub(super) type Step = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// A process of syncledger.
pub(super) struct Process {
    pub name: String,
    pub journal: Journal,
    pub calendars: Arc<Calendars>,
    projector: Projector,
    reactor: Reactor,
    puller: Puller,
    watcher: Watcher,
    poller: Poller,
    audit: Audit,
    pub keys: RequestKeys,
    provider: Arc<dyn CalendarProvider>,
}

impl Process {
    /// Starts a process in the simulated world.
    pub fn start(world: &World, parts: &dyn Parts, name: &str) -> Arc<Self> {
        let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
        let store = store(world, parts);
        let journal = Journal::new(Arc::clone(&store), Arc::clone(&world.vault) as _, Arc::clone(&clock));
        let direct = DirectTransport::new(Arc::clone(&clock))
            .with(GOOGLE_HOST, Arc::clone(&world.google) as _)
            .with(SOURCE_HOST, Arc::clone(&world.uschedule) as _);
        let transport = parts.transport(Arc::new(Network::new(direct, world)));
        let provider = parts.provider(provider(&transport, &clock), &clock);
        let source = parts.source(source(&transport, &clock));
        let models: Arc<dyn ProjectionStore> = parts.models(Arc::new(SteppedModels(Arc::clone(&world.models) as _)));
        block_on(models.prepare(clock.now())).expect("the read models in memory take it");
        let checkpoints: Arc<dyn Checkpoints> =
            parts.checkpoints(Arc::new(SteppedCheckpoints(Arc::clone(&world.checkpoints) as _)));
        let projector = Projector::new(Arc::clone(&store), Arc::clone(&models), Arc::clone(&clock));
        let lists: Arc<dyn Worklist> = Arc::new(ReadModelWorklist::new(models, projector.clone(), checkpoints));
        let worklist = parts.worklist(lists, &store);
        let sources: BTreeMap<SourceName, Arc<dyn BookingSource>> =
            BTreeMap::from([(world::source_name(), Arc::clone(&source))]);
        let routing = Arc::new(routing(world, &provider, &sources));
        let (throttle, calendars) = (Arc::new(Throttle::default()), Arc::new(Calendars::default()));
        let throttle_of_poller = Arc::clone(&throttle);
        let settings = Settings { worker: name.to_owned(), lease: LEASE, workspace: world::WORKSPACE.into() };
        let reconciler = Reconciler {
            journal: journal.clone(),
            worklist: Arc::clone(&worklist),
            routing: Arc::clone(&routing),
            throttle: Arc::clone(&throttle),
            settings: settings.clone(),
        };
        let puller = Puller {
            journal: journal.clone(),
            worklist,
            routing: Arc::clone(&routing),
            throttle: Arc::clone(&throttle),
            calendars: Arc::clone(&calendars),
            settings,
        };
        let watcher = Watcher {
            journal: journal.clone(),
            routing,
            throttle,
            calendars: Arc::clone(&calendars),
            address: Some(PUSH_ADDRESS.to_owned()),
            life_s: None,
        };
        let audit = audit(world, &journal);
        let reactor = Reactor::new(reconciler, sources);
        let name = name.to_owned();
        let poller = Poller::new(journal.clone(), source, throttle_of_poller, name.clone(), POLL_EVERY);
        Arc::new(Self {
            name,
            journal,
            calendars,
            projector,
            reactor,
            puller,
            watcher,
            poller,
            audit,
            keys: RequestKeys::default(),
            provider,
        })
    }

    /// Begins one step of a loop.
    pub fn begin(self: &Arc<Self>, which: Loop) -> Step {
        let process = Arc::clone(self);
        match which {
            Loop::Project => Box::pin(async move {
                let progress = process.projector.project_once(PROJECT_FACTS).await.map_err(|e| e.to_string())?;
                check_progress(&progress).map(|()| format!("{} facts", progress.facts))
            }),
            Loop::CatchUp => Box::pin(async move {
                let progress = process.projector.catch_up(usize::MAX).await.map_err(|e| e.to_string())?;
                check_progress(&progress).map(|()| format!("up to {}", progress.reached))
            }),
            Loop::React => Box::pin(async move {
                let taken = process.reactor.react().await.map_err(|e| e.to_string())?;
                let due = process.reactor.tick().await.map_err(|e| e.to_string())?;
                Ok(format!("{taken} facts, {due} due"))
            }),
            Loop::Pull(at) => Box::pin(async move {
                let key = world::calendar_key(BAYS[at % BAYS.len()].1);
                process.puller.pull(&key).await.map(|pulled| format!("{pulled:?}")).map_err(|e| e.to_string())
            }),
            Loop::Watch => Box::pin(async move {
                for (_, calendar) in BAYS {
                    process.watcher.tend(&world::calendar_key(calendar)).await.map_err(|e| e.to_string())?;
                }
                Ok(String::new())
            }),
            Loop::Probe => Box::pin(async move {
                let works = authorise::probe(&process.journal, &world::connection_id(), &process.provider).await;
                works.map(|works| format!("works: {works}")).map_err(|e| e.to_string())
            }),
            Loop::Poll => {
                Box::pin(
                    async move { process.poller.poll().await.map(|p| format!("{p:?}")).map_err(|e| e.to_string()) },
                )
            }
            Loop::Seal => Box::pin(async move {
                let actor = Actor::new("sealer", process.name.clone());
                let context = Context::root(actor, Origin::Reconciler, process.journal.clock().event_id());
                match process.audit.seal(&context).await {
                    Ok(Outcome::Sealed(sealed)) => Ok(format!("sealed {} events", sealed.checkpoint.size)),
                    Ok(Outcome::Nothing(_)) => Ok("nothing to seal".into()),
                    Err(failure) => Err(failure.to_string()),
                }
            }),
            Loop::Receive(_) => Box::pin(async { Ok(String::new()) }),
        }
    }

    /// Whether the calendar is due for a pull, decided as in a running service.
    pub fn wants_pull(&self, key: &CalendarKey) -> bool {
        let now = self.journal.clock().now();
        let loaded = block_on(self.calendars.load(&self.journal, key));
        loaded.is_ok_and(|(calendar, _)| {
            calendar.pulled_at.is_none_or(|at| at + PULL_EVERY <= now) || calendar.notified()
        })
    }
}

/// An error if a projection has stopped at an event that it cannot read.
fn check_progress(progress: &Progress) -> Result<(), String> {
    match progress.stopped.first() {
        Some(stopped) => Err(format!("{} has stopped: {}", stopped.projection, stopped.poison)),
        None => Ok(()),
    }
}

fn store(world: &World, parts: &dyn Parts) -> Arc<dyn EventStore> {
    let store = FaultyLedger {
        inner: Arc::clone(&world.ledger),
        ledger_faults: Arc::clone(&world.ledger_faults),
        observations: world.observations.clone(),
    };
    Arc::new(RecordingLedger { inner: parts.ledger(Arc::new(store)), observations: world.observations.clone() })
}

fn audit(world: &World, journal: &Journal) -> Audit {
    let (keys, archive) = (Arc::clone(&world.signing_keys) as _, Arc::clone(&world.checkpoint_archive) as _);
    Audit::new(world::WORKSPACE, journal.clone(), keys, archive)
}

fn provider(transport: &Arc<dyn Transport>, clock: &Arc<dyn Clock>) -> Arc<dyn CalendarProvider> {
    let base = format!("https://{GOOGLE_HOST}");
    let token_url = format!("{base}/token");
    let account =
        ServiceAccount::with_shared_secret(service_account::CLIENT_EMAIL, &token_url, service_account::SHARED_SECRET);
    let settings = google::Settings { api_base: format!("{base}/calendar/v3"), token_url: Some(token_url), account };
    Arc::new(Google::new(settings, Arc::clone(transport), Arc::clone(clock)))
}

fn source(transport: &Arc<dyn Transport>, clock: &Arc<dyn Clock>) -> Arc<dyn BookingSource> {
    let settings = uschedule::Settings {
        name: world::source_name(),
        base_url: format!("https://{SOURCE_HOST}"),
        api_key: Secret::new(canaries::API_KEY),
    };
    Arc::new(USchedule::new(settings, Arc::clone(transport), Arc::clone(clock)))
}

fn routing(
    world: &World,
    provider: &Arc<dyn CalendarProvider>,
    sources: &BTreeMap<SourceName, Arc<dyn BookingSource>>,
) -> Routing {
    let route = |(resource, calendar): (&str, &str)| Route {
        resource: world::resource_id(resource),
        calendar: world::calendar_key(calendar),
        profile: world::profile_id(),
    };
    Routing {
        routes: BAYS.into_iter().map(route).collect(),
        profiles: world.profiles.clone(),
        providers: BTreeMap::from([(world::connection_id(), Arc::clone(provider))]),
        sources: sources.clone(),
    }
}
