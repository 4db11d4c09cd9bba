//! Changing the master key under which secrets are wrapped, while others go on using them.
//!
//! Contract, held by `tests/it/conformance/rotation.rs`: after [`Rotation::begin`] nobody wraps anything under the key before,
//! whichever key they hold; [`Rotation::finish`] refuses while anything is still wrapped under another key; every call may be
//! made again after a crash.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::vault::Failure;

/// How a database's secrets are wrapped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WrappingStatus {
    /// The master key, by its public name; `None` where nothing was ever wrapped.
    pub current: Option<String>,
    /// The one before, while a rotation is under way.
    pub previous: Option<String>,
    /// Secrets counted by table and by the master key that they are wrapped under.
    pub tables: BTreeMap<String, BTreeMap<String, u64>>,
}

impl WrappingStatus {
    /// Secrets that are wrapped under another key than the current one.
    pub fn left(&self) -> u64 {
        let others = self.tables.values().flatten().filter(|(id, _)| Some(*id) != self.current.as_ref());
        others.map(|(_, count)| count).sum()
    }
}

/// The secrets of a database.
#[async_trait]
pub trait Rotation: Send + Sync {
    /// How they are wrapped.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn wrapping_status(&self) -> Result<WrappingStatus, Failure>;

    /// From now on secrets are wrapped under `to`. Done before: nothing changes.
    ///
    /// # Errors
    /// `NoMaster` where this process does not have `to`; `Unavailable` where the current key is neither `from` nor `to`.
    async fn begin(&self, from: &str, to: &str, at: DateTime<Utc>) -> Result<(), Failure>;

    /// Wraps at most `limit` secrets anew under the current key. Answers how many; 0: none is left.
    ///
    /// # Errors
    /// `NoMaster` where one is wrapped under a key that this process does not have.
    async fn rewrap(&self, limit: usize) -> Result<usize, Failure>;

    /// Ends the rotation: the key before is needed no more.
    ///
    /// # Errors
    /// `Unavailable` where something is still wrapped under another key.
    async fn finish(&self) -> Result<(), Failure>;
}
