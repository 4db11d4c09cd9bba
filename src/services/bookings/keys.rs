//! `Idempotency-Key`s of this process's life: what each was used for.
//!
//! A booking remembers the keys that changed it, durably. This memory adds what a booking cannot know: a key that was used
//! for another booking before, and a request that changed nothing because everything was so already.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use crate::domain::{
    booking::RequestMark,
    ids::{BookingId, Revision},
};

/// Keys remembered.
const KEYS_MAX: usize = 20_000;

/// What a key led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// What was asked.
    pub digest: String,
    /// The booking.
    pub booking: BookingId,
    /// Its revision after that.
    pub revision: Revision,
    /// Whether the request created it.
    pub created: bool,
}

/// The memory.
#[derive(Debug, Default)]
pub struct RequestKeys(Mutex<(HashMap<String, KeyUse>, VecDeque<String>)>);

impl RequestKeys {
    /// What that key was used for.
    pub fn find(&self, mark: &RequestMark) -> Option<KeyUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.get(&mark.key).cloned()
    }

    /// Remembers it. The first use stands; the oldest key makes room.
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
