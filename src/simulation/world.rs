//! The simulated world, which survives every process: providers, ledger, keys, read models and time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;

use super::{
    canaries,
    chance::Chance,
    ledger::LedgerFaults,
    network::Intents,
    observations::SharedObservations,
    parts::Parts,
    plan::{Conditions, Plan},
};
use crate::{
    adapters::{
        memory::{
            checkpoint_archive::MemoryCheckpointArchive, checkpoints::MemoryCheckpoints, clock::VirtualClock,
            event_store::MemoryLedger, projections::MemoryProjections, signing_keys::MemorySigningKeys,
            vault::MemoryVault,
        },
        sandbox::{
            google::{self, Google},
            uschedule::{self, USchedule, Webhook},
        },
    },
    domain::{
        ids::{CalendarKey, ConnectionId, ProfileId, RemoteCalendarId, ResourceId, SourceName},
        profile::{Policy, Profile},
    },
    ports::{clock::Clock, event_store::EventStore},
    services::{journal::Journal, operators::publish_profiles::publish},
};

/// The resources with their calendars.
pub(super) const BAYS: [(&str, &str); 2] =
    [("bay-1", "bay1@group.calendar.google.com"), ("bay-2", "bay2@group.calendar.google.com")];
/// The name of the workspace.
pub(super) const WORKSPACE: &str = "loft";
/// The connection's name.
pub(super) const CONNECTION: &str = "loft-bot";
/// The booking source's name.
pub(super) const SOURCE: &str = "uschedule";
/// The host of the calendar provider.
pub(super) const GOOGLE_HOST: &str = "google.sandbox.example";
/// The host of the booking source.
pub(super) const SOURCE_HOST: &str = "uschedule.sandbox.example";
/// The address for notifications of the provider.
pub(super) const PUSH_ADDRESS: &str = "https://sync.sandbox.example/webhook/gcal";

/// The simulated world.
pub(super) struct World {
    pub clock: Arc<VirtualClock>,
    pub google: Arc<Mutex<Google>>,
    pub uschedule: Arc<Mutex<USchedule>>,
    /// The ledger on disk.
    pub ledger: Arc<dyn EventStore>,
    pub vault: Arc<MemoryVault>,
    pub checkpoints: Arc<MemoryCheckpoints>,
    pub models: Arc<MemoryProjections>,
    pub signing_keys: Arc<MemorySigningKeys>,
    pub checkpoint_archive: Arc<MemoryCheckpointArchive>,
    pub ledger_faults: Arc<Mutex<LedgerFaults>>,
    pub observations: SharedObservations,
    pub intents: Arc<futures::lock::Mutex<Intents>>,
    pub profiles: BTreeMap<ProfileId, Profile>,
}

/// Locks a mutex, even one poisoned by a panic: the simulation has ended then anyway.
pub(super) fn lock<T: ?Sized>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn valid<T, E: std::fmt::Debug>(name: Result<T, E>) -> T {
    name.expect("the simulation's names are valid")
}

/// The profile's name.
pub(super) fn profile_id() -> ProfileId {
    valid(ProfileId::new("resource-mirror"))
}

/// The source's name.
pub(super) fn source_name() -> SourceName {
    valid(SourceName::new(SOURCE))
}

/// The connection's name.
pub(super) fn connection_id() -> ConnectionId {
    valid(ConnectionId::new(CONNECTION))
}

/// A resource's name.
pub(super) fn resource_id(name: &str) -> ResourceId {
    valid(ResourceId::new(name))
}

/// A calendar of the one connection.
pub(super) fn calendar_key(calendar: &str) -> CalendarKey {
    CalendarKey { connection: connection_id(), calendar: RemoteCalendarId::new(calendar) }
}

impl World {
    /// A world at its start.
    pub fn new(plan: &Plan, conditions: &Conditions, parts: &dyn Parts) -> Self {
        let mut chance = Chance::new(plan.seed ^ 0x0057_A27A);
        // Late October to early November: clocks change in between, in Europe and in America on different days.
        let start = DateTime::from_timestamp(1_792_540_800, 0).unwrap_or_default();
        let start = start + TimeDelta::hours(chance.between(0, 24 * 14));
        let clock = Arc::new(VirtualClock::new(plan.seed ^ 0xC10C, start));
        let mut google = Google::new(google::Settings {
            seed: plan.seed,
            page_entries_max: if conditions.short_pages { 3 } else { 2_500 },
            short_pages: conditions.short_pages,
            channel_life_max: TimeDelta::hours(chance.between(1, 100)),
            assertions: google::Assertions::SharedSecret,
            ..google::Settings::default()
        });
        for (resource, calendar) in BAYS {
            let zone = if resource == "bay-1" { chrono_tz::America::Chicago } else { chrono_tz::Europe::Berlin };
            google.add_calendar(calendar, resource, zone);
        }
        let uschedule = USchedule::new(uschedule::Settings {
            webhook: Some(Webhook {
                url: "https://sync.sandbox.example/webhook/uschedule".into(),
                secret: canaries::SECRET.to_owned(),
            }),
            page_max: if conditions.short_pages { 2 } else { 200 },
            ..uschedule::Settings::default()
        });
        let vault = Arc::new(MemoryVault::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let signing_keys = Arc::new(MemorySigningKeys::new(WORKSPACE, Arc::clone(&clock) as _));
        let ledger_faults =
            LedgerFaults { unavailable_permille: 0, lost_answer_permille: 0, chance: Chance::new(plan.seed ^ 0x1ED6) };
        let mut world = Self {
            clock,
            google: Arc::new(Mutex::new(google)),
            uschedule: Arc::new(Mutex::new(uschedule)),
            ledger: parts.disk(Arc::new(MemoryLedger::new())),
            vault,
            checkpoints: Arc::new(MemoryCheckpoints::default()),
            models: Arc::new(MemoryProjections::default()),
            signing_keys,
            checkpoint_archive: Arc::default(),
            ledger_faults: Arc::new(Mutex::new(ledger_faults)),
            observations: SharedObservations::default(),
            intents: Arc::default(),
            profiles: BTreeMap::new(),
        };
        let policies = BTreeMap::from([(profile_id(), Policy::resource_mirror())]);
        world.profiles = block_on(publish(&world.journal(), &policies)).expect("the ledger in memory takes it");
        world
    }

    /// The current virtual time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A journal that belongs to no process, for the checks.
    pub fn journal(&self) -> Journal {
        Journal::new(Arc::clone(&self.ledger), Arc::clone(&self.vault) as _, Arc::clone(&self.clock) as _)
    }
}
