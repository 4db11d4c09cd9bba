//! Keys that checkpoints are signed with, in the ledger's database. Table: `signing_keys`.

use async_trait::async_trait;
use chrono::DateTime;
use sqlx::{Connection as _, Row as _, postgres::PgRow};

use super::{event_store::PostgresLedger, failure::told};
use crate::{
    keys::keyring::Keyring,
    ports::signing_keys::{Failure, KnownKey, SigningKeys},
    record::{
        checkpoint::origin,
        note::{SigningKey, VerifierKey},
        signing::WrappedSigningKey,
    },
};

const CURRENT: &str = "SELECT id FROM master_key";
const SHARED: &str = "SELECT id FROM master_key FOR SHARE";
/// What a caller is told who comes while the master key is rotated.
const CHANGING: &str = "the master key is being changed: try again";
const IN_USE: &str = "SELECT public, master, nonce, wrapped FROM signing_keys WHERE name = $1 AND retired_at IS NULL";
const ALL: &str = "SELECT name, public, created_at, retired_at FROM signing_keys ORDER BY created_at, public";
const ADD: &str = "INSERT INTO signing_keys (public, name, master, nonce, wrapped, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT DO NOTHING";
const LEARN: &str =
    "INSERT INTO signing_keys (public, name, created_at, retired_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const RETIRE: &str = "UPDATE signing_keys SET retired_at = $1, master = NULL, nonce = NULL, wrapped = NULL \
     WHERE name = $2 AND retired_at IS NULL";

/// The signing keys of a PostgreSQL ledger.
pub struct PostgresSigningKeys {
    ledger: PostgresLedger,
    keyring: Keyring,
}

impl PostgresSigningKeys {
    /// Keys in the database of `ledger`, wrapped under the master key that the ledger says, one of `masters`.
    pub fn new(ledger: &PostgresLedger, masters: impl Into<Keyring>) -> Self {
        Self { ledger: ledger.clone(), keyring: masters.into() }
    }

    async fn in_use(&self) -> Result<Option<SigningKey>, Failure> {
        let query = sqlx::query(IN_USE).bind(origin(self.ledger.workspace()));
        let row = query.fetch_optional(&self.ledger.pool).await.map_err(|e| unavailable(&e))?;
        let Some(row) = row else { return Ok(None) };
        let public: Vec<u8> = row.try_get(0).map_err(|e| unavailable(&e))?;
        let master: String = row.try_get(1).map_err(|e| unavailable(&e))?;
        let nonce: Vec<u8> = row.try_get(2).map_err(|e| unavailable(&e))?;
        let wrapped: Vec<u8> = row.try_get(3).map_err(|e| unavailable(&e))?;
        let key = self
            .keyring
            .find(&master)
            .and_then(|master| WrappedSigningKey { public, nonce, wrapped }.open(&master, self.ledger.workspace()));
        key.map(Some).ok_or_else(|| Failure::WrongMaster(origin(self.ledger.workspace())))
    }

    async fn current(&self) -> Result<Option<String>, Failure> {
        let id = sqlx::query_scalar(CURRENT).fetch_optional(&self.ledger.pool).await;
        id.map_err(|e| unavailable(&e))
    }

    /// Adds a fresh key, after retiring the one in use where that is asked for.
    async fn add(&self, retire: bool) -> Result<(), Failure> {
        let clock = &self.ledger.clock;
        let (name, now) = (origin(self.ledger.workspace()), clock.now().timestamp_micros());
        let master = match self.current().await? {
            Some(id) => self.keyring.find(&id),
            None => self.keyring.newest(),
        };
        let master = master.ok_or_else(|| Failure::WrongMaster(origin(self.ledger.workspace())))?;
        let new = WrappedSigningKey::make(&master, self.ledger.workspace(), |bytes| clock.fill(bytes));
        let WrappedSigningKey { public, nonce, wrapped } = new.map_err(|e| Failure::Unavailable(e.to_string()))?;
        let master = master.id().to_owned();
        let write = async {
            let mut connection = self.ledger.pool.acquire().await?;
            let mut transaction = connection.begin().await?;
            // Until the end of this transaction no other becomes the master key.
            let current: Option<String> = sqlx::query_scalar(SHARED).fetch_optional(&mut *transaction).await?;
            if current.is_some_and(|current| current != master) {
                return Ok(false);
            }
            if retire {
                sqlx::query(RETIRE).bind(now).bind(name.as_str()).execute(&mut *transaction).await?;
            }
            let query = sqlx::query(ADD).bind(public).bind(name).bind(master).bind(nonce).bind(wrapped);
            query.bind(now).execute(&mut *transaction).await?;
            transaction.commit().await.map(|()| true)
        };
        let written: Result<bool, sqlx::Error> = write.await;
        if written.map_err(|e| unavailable(&e))? { Ok(()) } else { Err(Failure::Unavailable(CHANGING.to_owned())) }
    }

    async fn signer_now(&self) -> Result<SigningKey, Failure> {
        let key = self.in_use().await?;
        key.ok_or_else(|| Failure::Unavailable("the key that was just made is not there".to_owned()))
    }
}

#[async_trait]
impl SigningKeys for PostgresSigningKeys {
    async fn signer(&self) -> Result<SigningKey, Failure> {
        if let Some(key) = self.in_use().await? {
            return Ok(key);
        }
        // Whoever comes first: what stands in the table then is the key.
        self.add(false).await?;
        self.signer_now().await
    }

    async fn known(&self) -> Result<Vec<KnownKey>, Failure> {
        let rows = sqlx::query(ALL).fetch_all(&self.ledger.pool).await.map_err(|e| unavailable(&e))?;
        rows.iter().map(decode).collect()
    }

    async fn rotate(&self) -> Result<SigningKey, Failure> {
        self.add(true).await?;
        self.signer_now().await
    }

    async fn learn(&self, keys: &[VerifierKey]) -> Result<(), Failure> {
        let now = self.ledger.clock.now().timestamp_micros();
        for key in keys {
            let query = sqlx::query(LEARN).bind(key.public().to_vec()).bind(key.name()).bind(now).bind(now);
            query.execute(&self.ledger.pool).await.map_err(|e| unavailable(&e))?;
        }
        Ok(())
    }
}

fn decode(row: &PgRow) -> Result<KnownKey, Failure> {
    let bad = || Failure::Unavailable("a row of signing_keys cannot be read".to_owned());
    let name: String = row.try_get(0).map_err(|_| bad())?;
    let public: &[u8] = row.try_get(1).map_err(|_| bad())?;
    let verifier = VerifierKey::new(name, public.try_into().map_err(|_| bad())?).map_err(|_| bad())?;
    let created_at = row.try_get(2).ok().and_then(DateTime::from_timestamp_micros).ok_or_else(bad)?;
    let retired_at = row.try_get::<Option<i64>, _>(3).map_err(|_| bad())?;
    let retired_at = retired_at.map(|at| DateTime::from_timestamp_micros(at).ok_or_else(bad)).transpose()?;
    Ok(KnownKey { verifier, created_at, retired_at })
}

fn unavailable(error: &sqlx::Error) -> Failure {
    Failure::Unavailable(told(error))
}
