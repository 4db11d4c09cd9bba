//! Rotates the master key that encrypts secrets, while others use them.
//!
//! Contract, tested by `tests/it/conformance/rotation.rs`: after [`Rotation::begin`] nobody encrypts anything with the old key,
//! whichever key they have; [`Rotation::finish`] fails while anything is still encrypted with another key; every call can be
//! repeated after a crash.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::vault::Failure;

/// Which master keys a database's secrets are encrypted with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WrappingStatus {
    /// Public name of the current master key; `None` if there are no secrets yet.
    pub current: Option<String>,
    /// The previous one, during a rotation.
    pub previous: Option<String>,
    /// Number of secrets by table and master key.
    pub tables: BTreeMap<String, BTreeMap<String, u64>>,
}

impl WrappingStatus {
    /// Number of secrets encrypted with another key than the current one.
    pub fn left(&self) -> u64 {
        let others = self.tables.values().flatten().filter(|(id, _)| Some(*id) != self.current.as_ref());
        others.map(|(_, count)| count).sum()
    }
}

/// The secrets of a database.
#[async_trait]
pub trait Rotation: Send + Sync {
    /// Which master keys they are encrypted with.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn wrapping_status(&self) -> Result<WrappingStatus, Failure>;

    /// Makes `to` the current key. Idempotent.
    ///
    /// # Errors
    /// `NoMaster` if this process does not have `to`; `Unavailable` if the current key is neither `from` nor `to`.
    async fn begin(&self, from: &str, to: &str, at: DateTime<Utc>) -> Result<(), Failure>;

    /// Encrypts at most `limit` secrets again with the current key. Returns their number; 0 means none are left.
    ///
    /// # Errors
    /// `NoMaster` if one is encrypted with a key that this process does not have.
    async fn rewrap(&self, limit: usize) -> Result<usize, Failure>;

    /// Ends the rotation: the previous key is no longer needed.
    ///
    /// # Errors
    /// `Unavailable` if something is still encrypted with another key.
    async fn finish(&self) -> Result<(), Failure>;
}
