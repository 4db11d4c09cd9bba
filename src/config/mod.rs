//! Configuration: one TOML file, overridden by the environment, checked as a whole before anything starts.
//!
//! [`Config::load`] reads it; `section.rs` is how a table is read with all its problems, `profile.rs` what a policy may say.
//! Relative paths are taken from the file's own folder, so that it does not matter where the program is started: a ledger
//! created by accident in another folder would look like an empty one.

mod gateway;
mod load;
mod nats;
mod profile;
mod secret;
mod section;
mod store;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

pub use gateway::{Accept, Gateway, GatewayTls};
pub use nats::{Nats, NatsAccess, NatsCommands, NatsStream};
pub use profile::policy;
pub use secret::Secret;
pub use section::{Problem, Problems, duration};
pub use store::{Address, Store};

use crate::domain::{
    ids::{CalendarKey, ConnectionId, ProfileId, ResourceId, SourceName},
    profile::Policy,
};

/// The file that is read where none is named and this one is there.
pub const DEFAULT_FILE: &str = "syncledger.toml";

/// What variables of the environment begin with: `SYNCLEDGER__LEDGER__URL`.
pub const ENV_PREFIX: &str = "SYNCLEDGER__";

/// The whole configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it was read; `None` where there is no file and everything is as it is by default.
    pub file: Option<PathBuf>,
    /// Whose ledger it is.
    pub workspace: String,
    /// Where we listen.
    pub listen: SocketAddr,
    /// Where providers reach us, without a slash at its end; `None`: they do not, and everything is polled.
    pub public_url: Option<String>,
    /// The ledger.
    pub ledger: Store,
    /// The read models; by default in the ledger's own database.
    pub read_models: Store,
    /// Keys of subjects, tokens and checkpoints of workers; by default in the ledger's own database.
    pub vault: Store,
    /// The file with the master key; made with a new ledger.
    pub master_key_file: PathBuf,
    /// Where bookings come from.
    pub sources: Vec<Source>,
    /// Grants at calendar providers.
    pub connections: Vec<Connection>,
    /// Which resource shows on which calendar.
    pub routes: Vec<Route>,
    /// Policies by name: those of the file, and the presets that routes name.
    pub profiles: BTreeMap<ProfileId, Policy>,
    /// The ledger for clients of EventStoreDB; `None`: there is none.
    pub gateway: Option<Gateway>,
    /// The audit trail.
    pub audit: Audit,
    /// Where events are published and commands come from; `None`: nowhere.
    pub nats: Option<Nats>,
    /// What is logged, and how.
    pub logging: Logging,
}

/// A booking source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in events and booking ids.
    pub name: SourceName,
    /// What it is.
    pub kind: SourceKind,
    /// How often it is asked for what changed.
    pub poll_every: Duration,
}

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// USchedule.
    Uschedule {
        /// Base of every call.
        base_url: String,
        /// The bearer key.
        api_key: Secret,
        /// What its webhooks are signed with; `None`: they are refused, and the source is polled.
        webhook_secret: Option<Secret>,
    },
}

/// A grant at a calendar provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its name in events.
    pub id: ConnectionId,
    /// Where, and as whom.
    pub provider: ProviderKind,
    /// How often its calendars are asked for what changed, push or not.
    pub poll_every: Duration,
}

/// A provider and a credential for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderKind {
    /// Google Calendar, as a service account.
    Google {
        /// The JSON key file's text.
        service_account: Secret,
        /// Base of every call, where it is not Google's own.
        api_base: Option<String>,
        /// The token endpoint, where it is not the one that the key file names.
        token_url: Option<String>,
    },
}

/// A resource's way to a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What is booked.
    pub resource: ResourceId,
    /// Where it shows.
    pub calendar: CalendarKey,
    /// Under which policy.
    pub profile: ProfileId,
}

/// When the ledger is sealed, and where checkpoints are kept outside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// How often a running service seals; `None`: only `audit seal` does.
    pub seal_every: Option<Duration>,
    /// The folder of checkpoints.
    pub checkpoints: PathBuf,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// For whom.
    pub format: LogFormat,
    /// What, as in `info,syncledger=debug`.
    pub filter: String,
}

/// For whom logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// For programs: one JSON object per line.
    Json,
}
