//! API tokens: who may call us, as what. Only hashes are kept.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a bearer may do. The table of routes says which role opens what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads bookings, links, attempts, status.
    Viewer,
    /// And changes bookings, reprocesses, resyncs.
    Operator,
    /// Everything.
    Admin,
    /// Reads events and proofs.
    Auditor,
    /// Uploads submissions of its own device.
    Device,
    /// Creates and changes bookings for a system.
    Integration,
}

/// The permanent names of roles, under which they are stored.
const NAMES: [(Role, &str); 6] = [
    (Role::Viewer, "viewer"),
    (Role::Operator, "operator"),
    (Role::Admin, "admin"),
    (Role::Auditor, "auditor"),
    (Role::Device, "device"),
    (Role::Integration, "integration"),
];

impl Role {
    /// Its permanent name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(role, _)| *role == self).map_or("", |(_, name)| name)
    }

    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(role, _)| *role)
    }
}

/// A token's record. The secret itself is shown once, when it is made, and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Names it in lists, logs and as actor of events.
    pub id: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Since when it opens nothing.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The store behind it cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("the token store is not available: {0}")]
pub struct Unavailable(pub String);

/// The tokens of a workspace.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Adds a token.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn add(&self, token: Token) -> Result<(), Unavailable>;
    /// The token whose secret has this SHA-256, revoked or not.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn by_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>, Unavailable>;
    /// All of them, oldest first.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn all(&self) -> Result<Vec<Token>, Unavailable>;
    /// Revokes one; `false` where there is none of that id. A revoked token keeps its first time.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn revoke(&self, id: &str, at: DateTime<Utc>) -> Result<bool, Unavailable>;
}
