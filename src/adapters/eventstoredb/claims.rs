//! Serialises appends per stream and per event id within this process.
//!
//! Between checking and writing an id nobody else may write it, and the server ensures unique ids at most within a
//! stream. Appends with nothing in common run in parallel.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::{domain::ids::EventId, record::envelope::NewEvent};

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Stream(String),
    Id(EventId),
}

/// Claimed streams and ids, with their waiters.
#[derive(Default)]
pub(super) struct Claims(Mutex<HashMap<Key, Vec<oneshot::Sender<()>>>>);

/// A claim, until dropped.
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    keys: Vec<Key>,
}

impl Claims {
    /// Claims a stream and ids, as soon as nobody else holds any of them.
    pub async fn take(&self, stream: &str, events: &[NewEvent]) -> Claim<'_> {
        let mut keys = vec![Key::Stream(stream.to_owned())];
        keys.extend(events.iter().map(|event| Key::Id(event.id)));
        loop {
            let released = {
                let mut claimed = self.claimed();
                match keys.iter().find(|key| claimed.contains_key(key)).cloned() {
                    None => {
                        claimed.extend(keys.iter().cloned().map(|key| (key, Vec::new())));
                        drop(claimed);
                        return Claim { claims: self, keys };
                    }
                    Some(held) => {
                        let (wake, released) = oneshot::channel();
                        claimed.entry(held).or_default().push(wake);
                        released
                    }
                }
            };
            // Sent or dropped, it is released.
            released.await.ok();
        }
    }

    fn claimed(&self) -> MutexGuard<'_, HashMap<Key, Vec<oneshot::Sender<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut claimed = self.claims.claimed();
        for key in &self.keys {
            // Dropping the sender wakes the waiter.
            claimed.remove(key);
        }
    }
}
