//! What a database does for subjects' keys and the master key: statements, without decisions.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::wrapped::{Rewrapper, TableStatements};
use crate::{
    domain::ids::SubjectId,
    ports::{clock::Clock, vault::Failure},
};

/// A row of `subject_keys`.
#[derive(Debug)]
pub enum KeyRow {
    /// There is a key.
    Wrapped(WrappedKey),
    /// When it was destroyed, in microseconds since 1970.
    Destroyed(i64),
}

/// A subject's key as stored.
#[derive(Debug)]
pub struct WrappedKey {
    /// Its id.
    pub id: String,
    /// The master key that it is encrypted with.
    pub master: String,
    /// 24 bytes.
    pub nonce: Vec<u8>,
    /// The key, encrypted.
    pub wrapped: Vec<u8>,
}

/// The tables `subject_keys` and `master_key`, and those of [`WRAPPED`](super::wrapped::WRAPPED). Every error is a
/// [`Failure`] of the database, unless it says more.
#[async_trait]
pub trait KeyTables: Send + Sync {
    /// The workspace of the ledger.
    fn workspace(&self) -> &str;

    /// Time and randomness.
    fn clock(&self) -> &Arc<dyn Clock>;

    /// The row of a subject.
    async fn key(&self, subject: &SubjectId) -> Result<Option<KeyRow>, Failure>;

    /// Adds a key if the subject has no row and `master` is still the ledger's.
    async fn add(&self, subject: &SubjectId, key: WrappedKey, at: DateTime<Utc>) -> Result<(), Failure>;

    /// Removes a subject's key and marks it as destroyed, unless that was done before.
    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure>;

    /// Removes all copies of what was removed, or returns why one remains.
    async fn scrub(&self) -> Result<(), String>;

    /// The current master key, and the previous one while a rotation is running.
    async fn current(&self) -> Result<Option<(String, Option<String>)>, Failure>;

    /// Makes `master` the ledger's own, if it has none and no secret is encrypted with another one.
    async fn adopt(&self, master: &str, at: DateTime<Utc>) -> Result<(), Failure>;

    /// Replaces `from` with `to`, if `from` is the ledger's.
    async fn begin(&self, from: &str, to: &str, at: DateTime<Utc>) -> Result<(), Failure>;

    /// Ends a rotation, unless a secret is encrypted with another key.
    async fn finish(&self) -> Result<(), Failure>;

    /// The statements about the tables of secrets.
    fn wrapped(&self) -> &'static [TableStatements];

    /// Number of secrets of a table by master key.
    async fn count(&self, table: &'static TableStatements) -> Result<BTreeMap<String, u64>, Failure>;

    /// Re-encrypts at most `limit` secrets of a table, in one transaction. Returns how many.
    async fn rewrap(
        &self,
        table: &'static TableStatements,
        limit: usize,
        rewrapper: Rewrapper,
    ) -> Result<usize, Failure>;
}
