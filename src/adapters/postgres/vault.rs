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
    keys::keyring::Keyring,
    ports::vault::{Failure, KeyState, SubjectKey, Vault},
    record::wrap::{Place, new_subject_key},
};

const KEY: &str = "SELECT key_id, master, nonce, wrapped, destroyed_at FROM subject_keys WHERE subject = $1";
/// Under a master key that is not the ledger's any more nothing is added; who is adding holds a share of the row that says so.
const ADD: &str = "INSERT INTO subject_keys (subject, key_id, master, nonce, wrapped, created_at) \
     SELECT $1, $2, $3, $4, $5, $6 FROM master_key WHERE id = $3 FOR SHARE ON CONFLICT DO NOTHING";
/// How often a key is made anew because the master key changed meanwhile.
const TRIES_MAX: usize = 5;
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
    pub(super) ledger: PostgresLedger,
    pub(super) keyring: Keyring,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<SubjectId, (SubjectKey, DateTime<Utc>)>,
    /// Raised by each destruction: a key that was read before it must not be kept after it.
    destroyed: u64,
}

impl PostgresVault {
    /// The vault in the database of `ledger`, whose keys the master key wraps that the ledger says, one of `masters`.
    pub fn new(ledger: &PostgresLedger, masters: impl Into<Keyring>) -> Self {
        Self { ledger: ledger.clone(), keyring: masters.into(), cache: Mutex::default() }
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
        let master: &str = row.try_get(1).map_err(bad)?;
        let nonce: &[u8] = row.try_get(2).map_err(bad)?;
        let wrapped: &[u8] = row.try_get(3).map_err(bad)?;
        let bytes = <&[u8; 24]>::try_from(nonce)
            .ok()
            .zip(self.keyring.find(master))
            .and_then(|(nonce, master)| master.unwrap(&place(self.ledger.workspace(), subject, &id), wrapped, nonce))
            .and_then(|opened| <[u8; 32]>::try_from(opened.as_slice()).ok());
        match bytes {
            Some(bytes) => Ok(KeyState::Held(SubjectKey { id, bytes: Zeroizing::new(bytes) })),
            None => Err(Failure::WrongMaster(subject.clone())),
        }
    }

    /// Makes a key where there is none, wrapped under the master key of this moment; nothing where that changes meanwhile.
    async fn add(&self, subject: &SubjectId) -> Result<(), Failure> {
        let Some((current, _)) = self.current().await? else {
            // The caller asks again, now that the ledger has a master key.
            return self.ready().await;
        };
        let master = self.keyring.find(&current).ok_or(Failure::NoMaster(current))?;
        let clock = Arc::clone(&self.ledger.clock);
        let (id, bytes) = new_subject_key(|bytes| clock.fill(bytes));
        let mut nonce = [0; 24];
        clock.fill(&mut nonce);
        let wrapped = master.wrap(&place(self.ledger.workspace(), subject, &id), bytes.as_ref(), &nonce);
        let add = sqlx::query(ADD).bind(subject.as_str()).bind(&id).bind(master.id()).bind(nonce.to_vec());
        let add = add.bind(wrapped).bind(clock.now().timestamp_micros());
        add.execute(&self.ledger.pool).await.map(drop).map_err(|e| unavailable(&e))
    }
}

fn place<'a>(workspace: &'a str, subject: &'a SubjectId, key: &'a str) -> Place<'a> {
    Place { workspace, table: "subject_keys", row: subject.as_str(), column: "wrapped", key }
}

pub(super) fn unavailable(error: &sqlx::Error) -> Failure {
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
        for _ in 0..TRIES_MAX {
            self.add(subject).await?;
            // Whoever came first: what stands in the table now is the key.
            match self.key(subject).await? {
                KeyState::Held(key) => return Ok(key),
                KeyState::Destroyed(_) => return Err(Failure::Forgotten(subject.clone())),
                KeyState::Unknown => {}
            }
        }
        Err(Failure::Unavailable("the master key is being changed: try again".to_owned()))
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
pub(super) async fn scrub(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    transaction.execute(SCRUB).await?;
    transaction.commit().await
}
