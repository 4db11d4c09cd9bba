//! Rotating the master key: which key encrypts the secrets of a database, and re-encryption.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{tables::KeyTables, vault::StoredVault, wrapped::Rewrapper};
use crate::ports::{
    rotation::{Rotation, WrappingStatus},
    vault::Failure,
};

#[async_trait]
impl<T: KeyTables> Rotation for StoredVault<T> {
    async fn wrapping_status(&self) -> Result<WrappingStatus, Failure> {
        let current = self.tables.current().await?;
        let (current, previous) = current.map_or((None, None), |(id, previous)| (Some(id), previous));
        let mut status = WrappingStatus { current, previous, ..WrappingStatus::default() };
        for wrapped in self.tables.wrapped() {
            status.tables.insert(wrapped.table.name.to_owned(), self.tables.count(wrapped).await?);
        }
        Ok(status)
    }

    async fn begin(&self, from: &str, to: &str, at: DateTime<Utc>) -> Result<(), Failure> {
        self.keyring.find(to).ok_or_else(|| Failure::NoMaster(to.to_owned()))?;
        self.tables.begin(from, to, at).await?;
        match self.tables.current().await? {
            Some((current, _)) if current == to => Ok(()),
            _ => Err(Failure::Unavailable("the master key was changed by another process: retry".into())),
        }
    }

    async fn rewrap(&self, limit: usize) -> Result<usize, Failure> {
        let Some((current, _)) = self.tables.current().await? else { return Ok(0) };
        let rewrapper = Rewrapper {
            keyring: self.keyring.clone(),
            clock: Arc::clone(self.tables.clock()),
            workspace: self.tables.workspace().to_owned(),
            current,
        };
        for wrapped in self.tables.wrapped() {
            let done = self.tables.rewrap(wrapped, limit, rewrapper.clone()).await?;
            if done > 0 {
                return Ok(done);
            }
        }
        Ok(0)
    }

    async fn finish(&self) -> Result<(), Failure> {
        self.tables.finish().await?;
        let status = self.wrapping_status().await?;
        if status.previous.is_some() || status.left() > 0 {
            let left = status.left();
            return Err(Failure::Unavailable(format!("{left} secrets are still encrypted with another key: retry")));
        }
        // Also removes copies encrypted with the old key, if nobody blocks it; that key is destroyed anyway.
        self.tables.scrub().await.ok();
        Ok(())
    }
}
