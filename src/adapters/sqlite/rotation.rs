//! Which master key wraps the secrets in the ledger's file, and wrapping them anew. Tables: `master_key`, and those in
//! [`WRAPPED`].

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row as _, SqliteConnection};

use super::vault::{SqliteVault, unavailable};
use crate::{
    keys::keyring::Keyring,
    ports::{
        rotation::{Rotation, Standing},
        vault::Failure,
    },
    record::wrap::Place,
};

/// A table of secrets. A new one is a line in [`WRAPPED`].
struct Wrapped {
    /// Its name: part of the place that a secret is bound to.
    table: &'static str,
    /// Secrets by the key that wraps them: `master`, count.
    count: &'static str,
    /// At most `?2` secrets that another key than `?1` wraps: `row`, `key_id`, `master`, `nonce`, `wrapped`.
    list: &'static str,
    /// Wraps one anew, if it still is what was listed: `master`, `nonce`, `wrapped`, then `row`, the nonce before.
    put: &'static str,
}

const WRAPPED: [Wrapped; 2] = [
    Wrapped {
        table: "subject_keys",
        count: "SELECT master, count(*) FROM subject_keys WHERE wrapped IS NOT NULL GROUP BY master",
        list: "SELECT subject, key_id, master, nonce, wrapped FROM subject_keys \
           WHERE wrapped IS NOT NULL AND master <> ? LIMIT ?",
        put: "UPDATE subject_keys SET master = ?, nonce = ?, wrapped = ? WHERE subject = ? AND nonce = ?",
    },
    Wrapped {
        table: "signing_keys",
        count: "SELECT master, count(*) FROM signing_keys WHERE wrapped IS NOT NULL GROUP BY master",
        list: "SELECT lower(hex(public)), lower(hex(public)), master, nonce, wrapped FROM signing_keys \
           WHERE wrapped IS NOT NULL AND master <> ? LIMIT ?",
        put: "UPDATE signing_keys SET master = ?, nonce = ?, wrapped = ? WHERE lower(hex(public)) = ? AND nonce = ?",
    },
];

pub(super) const CURRENT: &str = "SELECT id, previous FROM master_key";
/// The first key that is used becomes the ledger's own, unless something is wrapped under another one already.
const ADOPT: &str = "INSERT INTO master_key (one, id, since) SELECT 1, ?1, ?2 \
     WHERE NOT EXISTS (SELECT 1 FROM subject_keys WHERE master <> ?1) \
     AND NOT EXISTS (SELECT 1 FROM signing_keys WHERE master <> ?1) ON CONFLICT DO NOTHING";
const BEGIN: &str = "UPDATE master_key SET id = ?1, previous = ?2, since = ?3 WHERE id = ?2";
const FINISH: &str = "UPDATE master_key SET previous = NULL \
     WHERE NOT EXISTS (SELECT 1 FROM subject_keys WHERE master <> master_key.id) \
     AND NOT EXISTS (SELECT 1 FROM signing_keys WHERE master <> master_key.id)";

impl SqliteVault {
    /// The master key that secrets are wrapped under, and the one before it.
    pub(super) async fn current(&self) -> Result<Option<(String, Option<String>)>, Failure> {
        let row = sqlx::query(CURRENT).fetch_optional(&self.ledger.readers).await.map_err(|e| unavailable(&e))?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose().map_err(|e: sqlx::Error| unavailable(&e))
    }

    /// Makes sure that this process has the master key, and says so where it is another: before anything is served.
    ///
    /// # Errors
    /// `NoMaster`.
    pub async fn ready(&self) -> Result<(), Failure> {
        if let Some((id, _)) = self.current().await? {
            return self.keyring.find(&id).map(drop).ok_or(Failure::NoMaster(id));
        }
        // A ledger from before keys were rotated: its own key is the one that its secrets are wrapped under.
        let used = self.standing().await?.tables.into_values().flatten().next().map(|(id, _)| id);
        let key = match &used {
            Some(id) => self.keyring.find(id),
            None => self.keyring.newest(),
        };
        let Some(key) = key else { return Err(Failure::NoMaster(used.unwrap_or_default())) };
        let (id, now) = (key.id().to_owned(), self.ledger.clock.now().timestamp_micros());
        let adopt = self.ledger.writer.run(move |connection| {
            Box::pin(async move { sqlx::query(ADOPT).bind(id).bind(now).execute(connection).await.map(drop) })
        });
        adopt.await.map_err(Failure::Unavailable)?;
        match self.current().await? {
            Some((id, _)) => self.keyring.find(&id).map(drop).ok_or(Failure::NoMaster(id)),
            None => Err(Failure::Unavailable("secrets are wrapped under several master keys".into())),
        }
    }
}

#[async_trait]
impl Rotation for SqliteVault {
    async fn standing(&self) -> Result<Standing, Failure> {
        let (current, previous) = self.current().await?.map_or((None, None), |(id, previous)| (Some(id), previous));
        let mut standing = Standing { current, previous, ..Standing::default() };
        for wrapped in &WRAPPED {
            let rows = sqlx::query(wrapped.count).fetch_all(&self.ledger.readers).await.map_err(|e| unavailable(&e))?;
            let counts = standing.tables.entry(wrapped.table.to_owned()).or_default();
            for row in rows {
                let count: i64 = row.try_get(1).map_err(|e| unavailable(&e))?;
                counts.insert(row.try_get(0).map_err(|e| unavailable(&e))?, u64::try_from(count).unwrap_or(0));
            }
        }
        Ok(standing)
    }

    async fn begin(&self, from: &str, to: &str, at: DateTime<Utc>) -> Result<(), Failure> {
        self.keyring.find(to).ok_or_else(|| Failure::NoMaster(to.to_owned()))?;
        let (before, after, at) = (from.to_owned(), to.to_owned(), at.timestamp_micros());
        let begin = self.ledger.writer.run(move |connection| {
            Box::pin(
                async move { sqlx::query(BEGIN).bind(after).bind(before).bind(at).execute(connection).await.map(drop) },
            )
        });
        begin.await.map_err(Failure::Unavailable)?;
        match self.current().await? {
            Some((current, _)) if current == to => Ok(()),
            _ => Err(Failure::Unavailable("the master key was changed by another process: try again".into())),
        }
    }

    async fn rewrap(&self, limit: usize) -> Result<usize, Failure> {
        let Some((current, _)) = self.current().await? else { return Ok(0) };
        for wrapped in &WRAPPED {
            let (keyring, clock) = (self.keyring.clone(), std::sync::Arc::clone(&self.ledger.clock));
            let (workspace, current) = (self.ledger.workspace().to_owned(), current.clone());
            let done = self.ledger.writer.run(move |connection| {
                Box::pin(async move {
                    let nonce = || {
                        let mut bytes = [0; 24];
                        clock.fill(&mut bytes);
                        bytes
                    };
                    batch(connection, wrapped, &workspace, &current, limit, &keyring, &nonce).await
                })
            });
            // A key that is missing is an answer, not a failed transaction: nothing was written before it.
            let done = done.await.map_err(Failure::Unavailable)??;
            if done > 0 {
                return Ok(done);
            }
        }
        Ok(0)
    }

    async fn finish(&self) -> Result<(), Failure> {
        let finish = self
            .ledger
            .writer
            .run(|connection| Box::pin(async move { sqlx::query(FINISH).execute(connection).await.map(drop) }));
        finish.await.map_err(Failure::Unavailable)?;
        let standing = self.standing().await?;
        if standing.previous.is_some() || standing.left() > 0 {
            let left = standing.left();
            return Err(Failure::Unavailable(format!("{left} secrets are still wrapped under another key: try again")));
        }
        // Copies under the key before go from the log as well, where no reader needs it; that key is destroyed anyway.
        self.ledger.writer.truncate_log().await.map(drop).map_err(Failure::Unavailable)
    }
}

async fn batch(
    connection: &mut SqliteConnection,
    wrapped: &Wrapped,
    workspace: &str,
    current: &str,
    limit: usize,
    keyring: &Keyring,
    nonce: &(impl Fn() -> [u8; 24] + Sync),
) -> Result<Result<usize, Failure>, sqlx::Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let Some(to) = keyring.find(current) else { return Ok(Err(Failure::NoMaster(current.to_owned()))) };
    let rows = sqlx::query(wrapped.list).bind(current.to_owned()).bind(limit).fetch_all(&mut *connection).await?;
    let mut anew = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, key, master): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (old_nonce, secret): (Vec<u8>, Vec<u8>) = (row.try_get(3)?, row.try_get(4)?);
        let place = Place { workspace, table: wrapped.table, row: &id, column: "wrapped", key: &key };
        let Some(from) = keyring.find(&master) else { return Ok(Err(Failure::NoMaster(master))) };
        let opened = <&[u8; 24]>::try_from(old_nonce.as_slice()).ok().and_then(|n| from.unwrap(&place, &secret, n));
        let Some(opened) = opened else {
            let what = format!("a secret of {} does not open under its own master key {master}", wrapped.table);
            return Ok(Err(Failure::Unavailable(what)));
        };
        let fresh = nonce();
        anew.push((id.clone(), old_nonce, fresh, to.wrap(&place, &opened, &fresh)));
    }
    for (id, old_nonce, fresh, secret) in anew {
        let put = sqlx::query(wrapped.put).bind(current.to_owned()).bind(fresh.to_vec()).bind(secret);
        put.bind(id).bind(old_nonce).execute(&mut *connection).await?;
    }
    Ok(Ok(rows.len()))
}
