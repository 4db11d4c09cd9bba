//! `Idempotency-Key`s seen by this process, and what each was used for.
//!
//! A booking durably remembers the keys that changed it. This memory adds what a booking cannot know: that a key was used
//! for another booking before, and requests that changed nothing.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use crate::domain::{
    booking::RequestMark,
    ids::{BookingId, Revision},
};

/// Maximum number of keys kept.
const KEYS_MAX: usize = 20_000;

/// The first use of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// Hash of the request.
    pub digest: String,
    /// Id of the booking.
    pub booking: BookingId,
    /// Its revision afterwards.
    pub revision: Revision,
    /// Whether the request created it.
    pub created: bool,
}

/// The keys.
#[derive(Debug, Default)]
pub struct RequestKeys(Mutex<(HashMap<String, KeyUse>, VecDeque<String>)>);

impl RequestKeys {
    /// The first use of this key.
    pub fn find(&self, mark: &RequestMark) -> Option<KeyUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.get(&mark.key).cloned()
    }

    /// Remembers the first use of a key; drops the oldest key if full.
    pub fn remember(&self, mark: &RequestMark, used: KeyUse) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, order) = &mut *guard;
        if known.contains_key(&mark.key) {
            return;
        }
        if order.len() >= KEYS_MAX
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        order.push_back(mark.key.clone());
        known.insert(mark.key.clone(), used);
    }
}
