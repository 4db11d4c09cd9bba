//! A short-lived cache of subjects' decrypted keys.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::ids::SubjectId,
    ports::vault::{KeyState, SubjectKey},
};

/// Maximum number of cached keys.
const KEYS_MAX: usize = 1_024;

/// How long a decrypted key is cached. During this time a key destroyed by another process may still be used here.
const TIME_TO_LIVE: TimeDelta = TimeDelta::seconds(2);

/// Keys by subject.
#[derive(Default)]
pub(super) struct KeyCache(Mutex<CachedKeys>);

#[derive(Default)]
struct CachedKeys {
    keys: HashMap<SubjectId, (SubjectKey, DateTime<Utc>)>,
    /// Increased by each destruction: a key read before it must not be cached after it.
    destroyed: u64,
}

impl KeyCache {
    fn cached_keys(&self) -> MutexGuard<'_, CachedKeys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key that was read a moment ago.
    pub(super) fn get(&self, subject: &SubjectId, now: DateTime<Utc>) -> Option<SubjectKey> {
        let cached = self.cached_keys();
        let (key, read_at) = cached.keys.get(subject)?;
        // If the clock was set back, a key looks too young; it is not kept longer for that.
        ((*read_at..*read_at + TIME_TO_LIVE).contains(&now)).then(|| key.clone())
    }

    /// How many keys were destroyed so far: to be asked before a key is read.
    pub(super) fn destroyed(&self) -> u64 {
        self.cached_keys().destroyed
    }

    /// Keeps what was read, unless a key was destroyed since `destroyed_before` was asked for.
    pub(super) fn keep(&self, subject: &SubjectId, state: &KeyState, destroyed_before: u64, now: DateTime<Utc>) {
        let KeyState::Held(key) = state else { return };
        let mut cached = self.cached_keys();
        if cached.destroyed != destroyed_before {
            return;
        }
        if cached.keys.len() >= KEYS_MAX {
            cached.keys.clear();
        }
        cached.keys.insert(subject.clone(), (key.clone(), now));
    }

    /// Forgets a key that was destroyed, and what others are reading at this moment.
    pub(super) fn forget(&self, subject: &SubjectId) {
        let mut cached = self.cached_keys();
        cached.destroyed += 1;
        cached.keys.remove(subject);
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn held() -> KeyState {
        KeyState::Held(SubjectKey { id: "k".to_owned(), bytes: Zeroizing::new([7; 32]) })
    }

    #[test]
    fn a_key_is_kept_for_its_time_and_no_longer() {
        let (cache, anna, now) = (KeyCache::default(), SubjectId::new("anna").unwrap(), DateTime::UNIX_EPOCH);
        cache.keep(&anna, &held(), cache.destroyed(), now);
        assert!(cache.get(&anna, now).is_some() && cache.get(&anna, now + TimeDelta::milliseconds(1_999)).is_some());
        assert!(cache.get(&anna, now + TIME_TO_LIVE).is_none(), "too old");
        assert!(cache.get(&anna, now - TimeDelta::seconds(1)).is_none(), "the clock was set back");
    }

    #[test]
    fn a_key_that_was_read_before_a_destruction_is_not_kept_after_it() {
        let (cache, anna, now) = (KeyCache::default(), SubjectId::new("anna").unwrap(), DateTime::UNIX_EPOCH);
        let before = cache.destroyed();
        cache.forget(&anna);
        cache.keep(&anna, &held(), before, now);
        assert!(cache.get(&anna, now).is_none());
    }
}
