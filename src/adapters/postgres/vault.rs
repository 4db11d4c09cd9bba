//! Subjects' keys in the ledger's database, wrapped under the master key. Table: `subject_keys`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection as _, Executor as _, PgPool, Row as _, postgres::PgRow};
use zeroize::Zeroizing;

use super::{
    event_store::PostgresLedger,
    failure::{Trouble, told},
};
use crate::{
    domain::ids::SubjectId,
    ports::vault::{Failure, KeyState, SubjectKey, Vault},
    record::wrap::{MasterKey, Place, new_subject_key},
};

const KEY: &str = "SELECT key_id, master, nonce, wrapped, destroyed_at FROM subject_keys WHERE subject = $1";
const ADD: &str = "INSERT INTO subject_keys (subject, key_id, master, nonce, wrapped, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const DESTROY: &str = "INSERT INTO subject_keys (subject, destroyed_at) VALUES ($1, $2) \
     ON CONFLICT (subject) DO UPDATE SET key_id = NULL, master = NULL, nonce = NULL, wrapped = NULL, created_at = NULL, \
     destroyed_at = excluded.destroyed_at WHERE subject_keys.destroyed_at IS NULL";
/// A row that was changed stays in its page, and VACUUM keeps it for as long as any old transaction might look at it. A table
/// that is emptied and filled again is a new file, at once; the old one is cut to nothing. What lies between is a table of
/// this session, which is not in the write-ahead log.
const SCRUB: &str = "LOCK TABLE subject_keys IN ACCESS EXCLUSIVE MODE; \
     CREATE TEMPORARY TABLE kept_keys ON COMMIT DROP AS SELECT * FROM subject_keys; \
     TRUNCATE subject_keys; INSERT INTO subject_keys SELECT * FROM kept_keys";

/// Keys kept unwrapped at most.
const CACHE_KEYS_MAX: usize = 1_024;

/// How long a key is kept unwrapped. Within this time a key that another process destroyed may still be used here.
const CACHE_TTL: TimeDelta = TimeDelta::seconds(2);

/// The vault of a PostgreSQL ledger.
pub struct PostgresVault {
    ledger: PostgresLedger,
    master: MasterKey,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<SubjectId, (SubjectKey, DateTime<Utc>)>,
    /// Raised by each destruction: a key that was read before it must not be kept after it.
    destroyed: u64,
}

impl PostgresVault {
    /// The vault in the database of `ledger`, whose keys `master` wraps.
    pub fn new(ledger: &PostgresLedger, master: MasterKey) -> Self {
        Self { ledger: ledger.clone(), master, cache: Mutex::default() }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached(&self, subject: &SubjectId) -> Option<SubjectKey> {
        let now = self.ledger.clock.now();
        let cache = self.cache();
        let (key, read_at) = cache.keys.get(subject)?;
        // A clock that was set back makes a key too young: that is no reason to keep it for longer.
        ((*read_at..*read_at + CACHE_TTL).contains(&now)).then(|| key.clone())
    }

    fn keep(&self, subject: &SubjectId, state: &KeyState, destroyed_before: u64) {
        let KeyState::Held(key) = state else { return };
        let now = self.ledger.clock.now();
        let mut cache = self.cache();
        if cache.destroyed != destroyed_before {
            return;
        }
        if cache.keys.len() >= CACHE_KEYS_MAX {
            cache.keys.clear();
        }
        cache.keys.insert(subject.clone(), (key.clone(), now));
    }

    fn open(&self, subject: &SubjectId, row: &PgRow) -> Result<KeyState, Failure> {
        let bad = |error: sqlx::Error| Failure::Unavailable(format!("a key's row cannot be read: {}", told(&error)));
        if let Some(at) = row.try_get::<Option<i64>, _>(4).map_err(bad)? {
            let at = DateTime::from_timestamp_micros(at);
            return at.map(KeyState::Destroyed).ok_or_else(|| Failure::WrongMaster(subject.clone()));
        }
        let id: String = row.try_get(0).map_err(bad)?;
        let nonce: &[u8] = row.try_get(2).map_err(bad)?;
        let wrapped: &[u8] = row.try_get(3).map_err(bad)?;
        let bytes = <&[u8; 24]>::try_from(nonce)
            .ok()
            .and_then(|nonce| self.master.unwrap(&place(self.ledger.workspace(), subject, &id), wrapped, nonce))
            .and_then(|opened| <[u8; 32]>::try_from(opened.as_slice()).ok());
        match bytes {
            Some(bytes) => Ok(KeyState::Held(SubjectKey { id, bytes: Zeroizing::new(bytes) })),
            None => Err(Failure::WrongMaster(subject.clone())),
        }
    }
}

fn place<'a>(workspace: &'a str, subject: &'a SubjectId, key: &'a str) -> Place<'a> {
    Place { workspace, table: "subject_keys", row: subject.as_str(), column: "wrapped", key }
}

fn unavailable(error: &sqlx::Error) -> Failure {
    Failure::Unavailable(told(error))
}

#[async_trait]
impl Vault for PostgresVault {
    async fn key(&self, subject: &SubjectId) -> Result<KeyState, Failure> {
        if let Some(key) = self.cached(subject) {
            return Ok(KeyState::Held(key));
        }
        let destroyed = self.cache().destroyed;
        let row = sqlx::query(KEY).bind(subject.as_str()).fetch_optional(&self.ledger.pool).await;
        let Some(row) = row.map_err(|e| unavailable(&e))? else { return Ok(KeyState::Unknown) };
        let state = self.open(subject, &row)?;
        self.keep(subject, &state, destroyed);
        Ok(state)
    }

    async fn key_or_new(&self, subject: &SubjectId) -> Result<SubjectKey, Failure> {
        match self.key(subject).await? {
            KeyState::Held(key) => return Ok(key),
            KeyState::Destroyed(_) => return Err(Failure::Forgotten(subject.clone())),
            KeyState::Unknown => {}
        }
        let clock = Arc::clone(&self.ledger.clock);
        let (id, bytes) = new_subject_key(|bytes| clock.fill(bytes));
        let mut nonce = [0; 24];
        clock.fill(&mut nonce);
        let wrapped = self.master.wrap(&place(self.ledger.workspace(), subject, &id), bytes.as_ref(), &nonce);
        let add = sqlx::query(ADD).bind(subject.as_str()).bind(&id).bind(self.master.id()).bind(nonce.to_vec());
        let add = add.bind(wrapped).bind(clock.now().timestamp_micros());
        add.execute(&self.ledger.pool).await.map_err(|e| unavailable(&e))?;
        // Whoever came first: what stands in the table now is the key.
        match self.key(subject).await? {
            KeyState::Held(key) => Ok(key),
            KeyState::Destroyed(_) | KeyState::Unknown => Err(Failure::Forgotten(subject.clone())),
        }
    }

    async fn destroy(&self, subject: &SubjectId, at: DateTime<Utc>) -> Result<(), Failure> {
        let destroy = sqlx::query(DESTROY).bind(subject.as_str()).bind(at.timestamp_micros());
        let destroyed = destroy.execute(&self.ledger.pool).await;
        {
            let mut cache = self.cache();
            cache.destroyed += 1;
            cache.keys.remove(subject);
        }
        destroyed.map_err(|e| unavailable(&e))?;
        // The table's file still holds the row as it was. Only when it is gone has the key been forgotten. Done again
        // for a key that was destroyed before: it may have failed here then.
        scrub(&self.ledger.pool).await.map_err(|e| {
            let why = match Trouble::of(&e) {
                Trouble::Busy => "somebody is reading the table of keys, perhaps a backup".to_owned(),
                other => other.told().to_owned(),
            };
            Failure::Unavailable(format!(
                "the key is destroyed, but an older copy is still in the table's file: {why}; try again"
            ))
        })
    }
}

/// Leaves nothing in the table's file but what the table says. What the write-ahead log, its archive, replicas and backups hold
/// is out of reach from here.
async fn scrub(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    transaction.execute(SCRUB).await?;
    transaction.commit().await
}
