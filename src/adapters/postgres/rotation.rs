//! Which master key wraps the secrets in the ledger's database, and wrapping them anew. Tables: `master_key`, and those in
//! [`WRAPPED`].

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::vault::{PostgresVault, scrub, unavailable};
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
    /// At most `$2` secrets that another key than `$1` wraps: `row`, `key_id`, `master`, `nonce`, `wrapped`.
    list: &'static str,
    /// Wraps one anew, if it still is what was listed: `master`, `nonce`, `wrapped`, then `row`, the nonce before.
    put: &'static str,
}

const WRAPPED: [Wrapped; 2] = [
    Wrapped {
        table: "subject_keys",
        count: "SELECT master, count(*) FROM subject_keys WHERE wrapped IS NOT NULL GROUP BY master",
        list: "SELECT subject, key_id, master, nonce, wrapped FROM subject_keys \
           WHERE wrapped IS NOT NULL AND master <> $1 LIMIT $2 FOR UPDATE",
        put: "UPDATE subject_keys SET master = $1, nonce = $2, wrapped = $3 WHERE subject = $4 AND nonce = $5",
    },
    Wrapped {
        table: "signing_keys",
        count: "SELECT master, count(*) FROM signing_keys WHERE wrapped IS NOT NULL GROUP BY master",
        list: "SELECT encode(public, 'hex'), encode(public, 'hex'), master, nonce, wrapped FROM signing_keys \
           WHERE wrapped IS NOT NULL AND master <> $1 LIMIT $2 FOR UPDATE",
        put: "UPDATE signing_keys SET master = $1, nonce = $2, wrapped = $3 WHERE encode(public, 'hex') = $4 AND nonce = $5",
    },
];

const CURRENT: &str = "SELECT id, previous FROM master_key";
/// The first key that is used becomes the ledger's own, unless something is wrapped under another one already.
const ADOPT: &str = "INSERT INTO master_key (one, id, since) SELECT 1, $1, $2 \
     WHERE NOT EXISTS (SELECT 1 FROM subject_keys WHERE master <> $1) \
     AND NOT EXISTS (SELECT 1 FROM signing_keys WHERE master <> $1) ON CONFLICT DO NOTHING";
/// Waits for everybody who is adding a secret under the key before: they hold a share of the row.
const BEGIN: &str = "UPDATE master_key SET id = $1, previous = $2, since = $3 WHERE id = $2";
const FINISH: &str = "UPDATE master_key SET previous = NULL \
     WHERE NOT EXISTS (SELECT 1 FROM subject_keys WHERE master <> master_key.id) \
     AND NOT EXISTS (SELECT 1 FROM signing_keys WHERE master <> master_key.id)";

impl PostgresVault {
    /// The master key that secrets are wrapped under, and the one before it.
    pub(super) async fn current(&self) -> Result<Option<(String, Option<String>)>, Failure> {
        let row = sqlx::query(CURRENT).fetch_optional(&self.ledger.pool).await.map_err(|e| unavailable(&e))?;
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
        let adopt = sqlx::query(ADOPT).bind(key.id()).bind(self.ledger.clock.now().timestamp_micros());
        adopt.execute(&self.ledger.pool).await.map_err(|e| unavailable(&e))?;
        match self.current().await? {
            Some((id, _)) => self.keyring.find(&id).map(drop).ok_or(Failure::NoMaster(id)),
            None => Err(Failure::Unavailable("secrets are wrapped under several master keys".into())),
        }
    }
}

#[async_trait]
impl Rotation for PostgresVault {
    async fn standing(&self) -> Result<Standing, Failure> {
        let (current, previous) = self.current().await?.map_or((None, None), |(id, previous)| (Some(id), previous));
        let mut standing = Standing { current, previous, ..Standing::default() };
        for wrapped in &WRAPPED {
            let rows = sqlx::query(wrapped.count).fetch_all(&self.ledger.pool).await.map_err(|e| unavailable(&e))?;
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
        let begin = sqlx::query(BEGIN).bind(to).bind(from).bind(at.timestamp_micros());
        begin.execute(&self.ledger.pool).await.map_err(|e| unavailable(&e))?;
        match self.current().await? {
            Some((current, _)) if current == to => Ok(()),
            _ => Err(Failure::Unavailable("the master key was changed by another process: try again".into())),
        }
    }

    async fn rewrap(&self, limit: usize) -> Result<usize, Failure> {
        let Some((current, _)) = self.current().await? else { return Ok(0) };
        for wrapped in &WRAPPED {
            let mut connection = self.ledger.pool.acquire().await.map_err(|e| unavailable(&e))?;
            let mut transaction = connection.begin().await.map_err(|e| unavailable(&e))?;
            let done = self.batch(&mut transaction, wrapped, &current, limit).await.map_err(|e| unavailable(&e))??;
            transaction.commit().await.map_err(|e| unavailable(&e))?;
            if done > 0 {
                return Ok(done);
            }
        }
        Ok(0)
    }

    async fn finish(&self) -> Result<(), Failure> {
        sqlx::query(FINISH).execute(&self.ledger.pool).await.map_err(|e| unavailable(&e))?;
        let standing = self.standing().await?;
        if standing.previous.is_some() || standing.left() > 0 {
            let left = standing.left();
            return Err(Failure::Unavailable(format!("{left} secrets are still wrapped under another key: try again")));
        }
        // Copies under the key before go from the table's file as well, where nobody is in the way; that key is destroyed
        // anyway.
        scrub(&self.ledger.pool).await.ok();
        Ok(())
    }
}

impl PostgresVault {
    async fn batch(
        &self,
        connection: &mut PgConnection,
        wrapped: &Wrapped,
        current: &str,
        limit: usize,
    ) -> Result<Result<usize, Failure>, sqlx::Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let keyring: &Keyring = &self.keyring;
        let Some(to) = keyring.find(current) else { return Ok(Err(Failure::NoMaster(current.to_owned()))) };
        let rows = sqlx::query(wrapped.list).bind(current).bind(limit).fetch_all(&mut *connection).await?;
        for row in &rows {
            let (id, key, master): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let (old_nonce, secret): (Vec<u8>, Vec<u8>) = (row.try_get(3)?, row.try_get(4)?);
            let workspace = self.ledger.workspace();
            let place = Place { workspace, table: wrapped.table, row: &id, column: "wrapped", key: &key };
            let Some(from) = keyring.find(&master) else { return Ok(Err(Failure::NoMaster(master))) };
            let opened = <&[u8; 24]>::try_from(old_nonce.as_slice()).ok().and_then(|n| from.unwrap(&place, &secret, n));
            let Some(opened) = opened else {
                let what = format!("a secret of {} does not open under its own master key {master}", wrapped.table);
                return Ok(Err(Failure::Unavailable(what)));
            };
            let mut nonce = [0; 24];
            self.ledger.clock.fill(&mut nonce);
            let anew = to.wrap(&place, &opened, &nonce);
            let put = sqlx::query(wrapped.put).bind(current).bind(nonce.to_vec()).bind(anew).bind(id).bind(old_nonce);
            put.execute(&mut *connection).await?;
        }
        Ok(Ok(rows.len()))
    }
}
