//! One append at a time per stream and per event id within this process.
//!
//! Between looking whether an id is known and writing it nobody else may write it, and the server holds ids unique within a
//! stream at best. Appends that share nothing go on side by side.

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

/// What is claimed, and who waits for it.
#[derive(Default)]
pub(super) struct Claims(Mutex<HashMap<Key, Vec<oneshot::Sender<()>>>>);

/// Claimed until it is dropped.
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    keys: Vec<Key>,
}

impl Claims {
    /// Claims a stream and ids, once nobody else holds any of them.
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
            // Sent or dropped, it is free.
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
            // Whoever waits is woken by its sender being dropped.
            claimed.remove(key);
        }
    }
}
