//! What a database does for subjects' keys and the master key: statements, and no decision.

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
    /// It was destroyed then, in microseconds since 1970.
    Destroyed(i64),
}

/// A subject's key as it is stored.
#[derive(Debug)]
pub struct WrappedKey {
    /// Its id.
    pub id: String,
    /// Under which master key it is wrapped.
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
    /// Whose ledger it is.
    fn workspace(&self) -> &str;

    /// Time and chance.
    fn clock(&self) -> &Arc<dyn Clock>;

    /// What is kept of a subject.
    async fn key(&self, subject: &SubjectId) -> Result<Option<KeyRow>, Failure>;

    /// Adds a key where the subject has no row and `master` is still the ledger's.
    async fn add(&self, subject: &SubjectId, key: WrappedKey, at: DateTime<Utc>) -> Result<(), Failure>;

    /// Takes a subject's key away and marks it as forgotten, unless that was done before.
    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure>;

    /// Leaves no copy of what was taken away, or says why one remains.
    async fn scrub(&self) -> Result<(), String>;

    /// The master key, and the one before it while a rotation is under way.
    async fn current(&self) -> Result<Option<(String, Option<String>)>, Failure>;

    /// Makes `master` the ledger's own, where it has none and nothing is wrapped under another.
    async fn adopt(&self, master: &str, at: DateTime<Utc>) -> Result<(), Failure>;

    /// Puts `to` in the place of `from`, where that is the ledger's.
    async fn begin(&self, from: &str, to: &str, at: DateTime<Utc>) -> Result<(), Failure>;

    /// Ends a rotation, unless something is wrapped under another key.
    async fn finish(&self) -> Result<(), Failure>;

    /// The statements about the tables of secrets.
    fn wrapped(&self) -> &'static [TableStatements];

    /// Secrets of one table by the master key that wraps them.
    async fn count(&self, table: &'static TableStatements) -> Result<BTreeMap<String, u64>, Failure>;

    /// Wraps at most `limit` secrets of one table anew, in one transaction. Answers how many.
    async fn rewrap(
        &self,
        table: &'static TableStatements,
        limit: usize,
        rewrapper: Rewrapper,
    ) -> Result<usize, Failure>;
}
