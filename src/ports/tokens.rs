//! API tokens and their roles. Only hashes are stored.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A role. The route table says which role may use what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May read bookings, links, attempts and status.
    Viewer,
    /// May also change bookings, retry and resync.
    Operator,
    /// May do everything.
    Admin,
    /// May read events and proofs.
    Auditor,
    /// May upload submissions of its own device.
    Device,
    /// May create and change bookings on behalf of another system.
    Integration,
}

/// Permanent names of roles, as stored.
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

    /// The role with this name.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(role, _)| *role)
    }
}

/// A stored token. The secret is shown once at creation, and not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id in lists, logs and as the actor of events.
    pub id: String,
    /// Its role.
    pub role: Role,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The token store is unavailable.
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
    /// The token with this SHA-256, revoked or not.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn by_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>, Unavailable>;
    /// All tokens, oldest first.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn all(&self) -> Result<Vec<Token>, Unavailable>;
    /// Revokes a token; `false` if there is none with that id. The first revocation time is kept.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn revoke(&self, id: &str, at: DateTime<Utc>) -> Result<bool, Unavailable>;
}
