//! Stored events as facts: decoded, and with personal texts opened where somebody needs them and the key is still there.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use crate::{
    domain::{
        event::Event,
        ids::{Position, SubjectId},
    },
    ports::vault::{self, KeyState, SubjectKey, Vault},
    record::{
        codec,
        envelope::Recorded,
        sealing::{self, KeyRef},
    },
};

/// An event that cannot be read. It stays where it is: whoever needs it stops in front of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event at position {position} cannot be read: {reason}")]
pub struct Poison {
    /// Where it stands.
    pub position: Position,
    /// What hinders. No personal data.
    pub reason: String,
}

/// Keys that were looked up, by subject; `None` for those that were destroyed.
///
/// Kept for one batch only: a key that is destroyed meanwhile must not be used for long after that.
#[derive(Debug, Default)]
pub struct Keys(HashMap<SubjectId, Option<SubjectKey>>);

/// Reads stored events.
#[derive(Clone)]
pub struct Reader {
    vault: Arc<dyn Vault>,
}

impl Reader {
    /// A reader with the keys of that vault.
    pub fn new(vault: Arc<dyn Vault>) -> Self {
        Self { vault }
    }

    /// The fact with every personal text closed, as if all subjects were forgotten. Asks nobody.
    ///
    /// # Errors
    /// [`Poison`] where its type is not known, or its data is not what the type says.
    pub fn closed(recorded: &Recorded) -> Result<Event, Poison> {
        opened(recorded, parse(recorded)?, &Keys::default())
    }

    /// Looks up the keys of everybody whose texts stand in `recorded`, except those known already.
    ///
    /// # Errors
    /// Where the vault gives no answer. What does not parse has no keys; [`Reader::open`] says so.
    pub async fn fetch(&self, recorded: &Recorded, keys: &mut Keys) -> Result<(), vault::Failure> {
        let Ok(data) = parse(recorded) else { return Ok(()) };
        for subject in sealing::sealed_subjects(&data) {
            if keys.0.contains_key(&subject) {
                continue;
            }
            let key = match self.vault.key(&subject).await? {
                KeyState::Held(key) => Some(key),
                KeyState::Destroyed(_) | KeyState::Unknown => None,
            };
            keys.0.insert(subject, key);
        }
        Ok(())
    }

    /// The fact with every text open whose key is among `keys`; the others read as forgotten.
    ///
    /// # Errors
    /// [`Poison`] as for [`Reader::closed`], and where a text does not open under its own key.
    pub fn open(recorded: &Recorded, keys: &Keys) -> Result<Event, Poison> {
        opened(recorded, parse(recorded)?, keys)
    }

    /// The fact with its texts open, keys looked up as needed.
    ///
    /// # Errors
    /// The vault's failure, or the event's.
    pub async fn read(&self, recorded: &Recorded) -> Result<Result<Event, Poison>, vault::Failure> {
        let mut keys = Keys::default();
        self.fetch(recorded, &mut keys).await?;
        Ok(Self::open(recorded, &keys))
    }
}

fn parse(recorded: &Recorded) -> Result<Value, Poison> {
    serde_json::from_str(&recorded.event.data).map_err(|_| poison(recorded, "its data is not JSON"))
}

fn opened(recorded: &Recorded, mut data: Value, keys: &Keys) -> Result<Event, Poison> {
    let key_of = |subject: &str| {
        let subject = SubjectId::new(subject).ok()?;
        let key = keys.0.get(&subject)?.as_ref()?;
        // The map holds the key for as long as the reference lives.
        Some(KeyRef { id: &key.id, bytes: &key.bytes })
    };
    sealing::open(&mut data, recorded.event.id, &key_of).map_err(|error| poison(recorded, &error.to_string()))?;
    codec::from_data(&recorded.event.kind, recorded.event.schema, data)
        .map_err(|error| poison(recorded, &error.to_string()))
}

fn poison(recorded: &Recorded, reason: &str) -> Poison {
    Poison { position: recorded.position, reason: reason.to_owned() }
}
