//! Configuration: one TOML file, overridden by the environment, and checked completely before anything starts.
//!
//! [`Config::load`] reads it; `section.rs` reads one table and collects its problems; `profile.rs` reads policies.
//! Relative paths start from the file's own folder, so that it does not matter where the program is started: a ledger
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

/// Read if no file is given and this one exists.
pub const DEFAULT_FILE: &str = "syncledger.toml";

/// Prefix of environment variables: `SYNCLEDGER__LEDGER__URL`.
pub const ENV_PREFIX: &str = "SYNCLEDGER__";

/// The complete, validated configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from; `None` if there is none and the defaults apply.
    pub file: Option<PathBuf>,
    /// Name of the workspace that owns the ledger.
    pub workspace: String,
    /// Address the HTTP API listens on.
    pub listen: SocketAddr,
    /// Public base URL for webhooks, without a trailing slash; `None` means that everything is polled.
    pub public_url: Option<String>,
    /// The ledger.
    pub ledger: Store,
    /// The read models; in the ledger's own database by default.
    pub read_models: Store,
    /// Keys of subjects, tokens and checkpoints of workers; in the ledger's own database by default.
    pub vault: Store,
    /// File with the master key; created with a new ledger.
    pub master_key_file: PathBuf,
    /// Sources of bookings.
    pub sources: Vec<Source>,
    /// Connections to calendar providers.
    pub connections: Vec<Connection>,
    /// Which resource is shown on which calendar.
    pub routes: Vec<Route>,
    /// Policies by name: those in the file, and presets used by routes.
    pub profiles: BTreeMap<ProfileId, Policy>,
    /// Gateway for clients of EventStoreDB; `None` if there is none.
    pub gateway: Option<Gateway>,
    /// Settings of the audit trail.
    pub audit: Audit,
    /// NATS, for published events and incoming commands; `None` if not configured.
    pub nats: Option<Nats>,
    /// Logging settings.
    pub logging: Logging,
}

/// A booking source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name used in events and booking ids.
    pub name: SourceName,
    /// Type of source, with its settings.
    pub kind: SourceKind,
    /// Polling interval.
    pub poll_every: Duration,
}

/// A type of source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// USchedule.
    Uschedule {
        /// Base URL of every call.
        base_url: String,
        /// API key, sent as a bearer token.
        api_key: Secret,
        /// Secret that signs webhooks; `None` means webhooks are refused and the source is only polled.
        webhook_secret: Option<Secret>,
    },
}

/// Access to a calendar provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Name used in events.
    pub id: ConnectionId,
    /// The provider and its credential.
    pub provider: ProviderKind,
    /// Polling interval of its calendars, with or without push notifications.
    pub poll_every: Duration,
}

/// A provider and a credential for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderKind {
    /// Google Calendar, with a service account.
    Google {
        /// Content of the service account's JSON key file.
        service_account: Secret,
        /// Base URL of every call, if not Google's own.
        api_base: Option<String>,
        /// Token endpoint, if not the one in the key file.
        token_url: Option<String>,
    },
}

/// Shows the bookings of a resource on a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The resource.
    pub resource: ResourceId,
    /// The calendar.
    pub calendar: CalendarKey,
    /// The policy that applies.
    pub profile: ProfileId,
}

/// When the ledger is sealed, and where checkpoints are kept outside of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Interval at which a running service seals; `None` means only `audit seal` does.
    pub seal_every: Option<Duration>,
    /// Folder for checkpoint files.
    pub checkpoints: PathBuf,
}

/// Logging settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// Output format.
    pub format: LogFormat,
    /// Which messages, such as `info,syncledger=debug`.
    pub filter: String,
}

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Human,
    /// One JSON object per line.
    Json,
}
