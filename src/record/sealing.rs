//! Encrypts and decrypts personal data in events: XChaCha20-Poly1305 with the subject's key.
//!
//! Form in the event: `{"subject", "key", "nonce", "sealed"}`. Associated data: event id, subject and key id, so that a
//! ciphertext cannot be moved to another event or person.

use std::collections::BTreeSet;

use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};

use crate::domain::ids::{EventId, SubjectId};

/// A subject's key for sealing or opening: its id and its 32 bytes.
#[derive(Clone, Copy)]
pub struct KeyRef<'a> {
    /// The key's id.
    pub id: &'a str,
    /// The key.
    pub bytes: &'a [u8; 32],
}

/// Why data could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No key for this subject.
    #[error("there is no key for subject {0}")]
    NoKey(String),
    /// The stored data was not sealed with this key.
    #[error("the sealed data of subject {0} cannot be decrypted: it was altered, or sealed with another key")]
    Broken(String),
}

/// Whether stored data may hold personal texts, sealed or plain. A backslash could hide the name of a field.
pub fn holds_texts(data: &str) -> bool {
    data.contains("\"subject\"") || data.contains('\\')
}

/// The subjects with plain texts in `data`.
pub fn plain_subjects(data: &Value) -> BTreeSet<SubjectId> {
    subjects(data, |object| plain(object) && object["text"].is_string())
}

/// The subjects with sealed texts in `data`.
pub fn sealed_subjects(data: &Value) -> BTreeSet<SubjectId> {
    subjects(data, sealed)
}

fn subjects(data: &Value, which: fn(&Map<String, Value>) -> bool) -> BTreeSet<SubjectId> {
    let mut found = BTreeSet::new();
    visit(data, &mut |object| {
        if which(object)
            && let Some(Ok(subject)) = object.get("subject").and_then(Value::as_str).map(SubjectId::new)
        {
            found.insert(subject);
        }
    });
    found
}

fn visit(value: &Value, found: &mut impl FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            found(object);
            object.values().for_each(|v| visit(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| visit(v, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A plain personal text: exactly `subject` and `text`.
fn plain(object: &Map<String, Value>) -> bool {
    object.len() == 2 && object.contains_key("subject") && object.contains_key("text")
}

/// A sealed personal text.
fn sealed(object: &Map<String, Value>) -> bool {
    object.len() == 4 && ["subject", "key", "nonce", "sealed"].iter().all(|k| object.contains_key(*k))
}

/// Seals every plain personal text in `data`. Erased texts stay erased.
///
/// # Errors
/// [`Failure::NoKey`].
pub fn seal<'a>(
    data: &mut Value,
    event: EventId,
    key_of: &impl Fn(&str) -> Option<KeyRef<'a>>,
    nonce: &mut impl FnMut() -> [u8; 24],
) -> Result<(), Failure> {
    match data {
        Value::Object(object) if plain(object) => {
            let subject = text(object, "subject");
            let Some(plain_text) = object.get("text").and_then(Value::as_str) else { return Ok(()) };
            let key = key_of(&subject).ok_or_else(|| Failure::NoKey(subject.clone()))?;
            let nonce = nonce();
            let aad = associated(event, &subject, key.id);
            let payload = Payload { msg: plain_text.as_bytes(), aad: &aad };
            let sealed =
                cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(|_| Failure::Broken(subject.clone()))?;
            *data = json!({
                "subject": subject,
                "key": key.id,
                "nonce": BASE64URL_NOPAD.encode(&nonce),
                "sealed": BASE64URL_NOPAD.encode(&sealed),
            });
            Ok(())
        }
        Value::Object(object) => object.values_mut().try_for_each(|v| seal(v, event, key_of, nonce)),
        Value::Array(items) => items.iter_mut().try_for_each(|v| seal(v, event, key_of, nonce)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Opens every sealed text in `data`. If `key_of` has no key, the text is erased and reads as `null`.
///
/// # Errors
/// [`Failure::Broken`] if a key exists but does not decrypt it.
pub fn open<'a>(data: &mut Value, event: EventId, key_of: &impl Fn(&str) -> Option<KeyRef<'a>>) -> Result<(), Failure> {
    match data {
        Value::Object(object) if sealed(object) => {
            let subject = text(object, "subject");
            let opened = match key_of(&subject).filter(|key| key.id == text(object, "key")) {
                None => Value::Null,
                Some(key) => Value::String(unseal(object, event, &subject, key)?),
            };
            *data = json!({"subject": subject, "text": opened});
            Ok(())
        }
        Value::Object(object) => object.values_mut().try_for_each(|v| open(v, event, key_of)),
        Value::Array(items) => items.iter_mut().try_for_each(|v| open(v, event, key_of)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Drops every plain text of these subjects: it reads as erased before it was written.
pub fn forget(data: &mut Value, subjects: &BTreeSet<SubjectId>) {
    match data {
        Value::Object(object) if plain(object) => {
            if SubjectId::new(text(object, "subject")).is_ok_and(|subject| subjects.contains(&subject)) {
                object.insert("text".to_owned(), Value::Null);
            }
        }
        Value::Object(object) => object.values_mut().for_each(|v| forget(v, subjects)),
        Value::Array(items) => items.iter_mut().for_each(|v| forget(v, subjects)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Converts every sealed text in `data` to a text that contains all that is needed to open it, except the key.
/// Read models store such texts. Format: event id, key id, nonce, ciphertext and subject, separated by spaces.
pub fn close(data: &mut Value, event: EventId) {
    match data {
        Value::Object(object) if sealed(object) => {
            let [subject, key, nonce, sealed] = ["subject", "key", "nonce", "sealed"].map(|name| text(object, name));
            *data = json!({"subject": subject, "text": format!("{event} {key} {nonce} {sealed} {subject}")});
        }
        // A plain text here was not written by us and must not be passed on.
        Value::Object(object) if plain(object) => drop(object.insert("text".to_owned(), Value::Null)),
        Value::Object(object) => object.values_mut().for_each(|v| close(v, event)),
        Value::Array(items) => items.iter_mut().for_each(|v| close(v, event)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The subject of a text written by [`close`]; `None` if it is not one.
pub fn closed_subject(closed: &str) -> Option<SubjectId> {
    SubjectId::new(parts(closed)?[4]).ok()
}

/// Opens a text written by [`close`]; `None` if it was sealed with another key than `key`.
///
/// # Errors
/// [`Failure::Broken`] if the key has the right id but does not decrypt it.
pub fn open_closed(closed: &str, key: KeyRef<'_>) -> Result<Option<String>, Failure> {
    let broken = || Failure::Broken("of a read model".to_owned());
    let [event, key_id, nonce, sealed, subject] = parts(closed).ok_or_else(broken)?;
    if key_id != key.id {
        return Ok(None);
    }
    let event: EventId = event.parse().map_err(|_| broken())?;
    let object = Map::from_iter([("nonce".to_owned(), nonce.into()), ("sealed".to_owned(), sealed.into())]);
    unseal(&object, event, subject, key).map(Some)
}

fn parts(closed: &str) -> Option<[&str; 5]> {
    closed.split(' ').collect::<Vec<_>>().try_into().ok()
}

fn unseal(object: &Map<String, Value>, event: EventId, subject: &str, key: KeyRef<'_>) -> Result<String, Failure> {
    let broken = || Failure::Broken(subject.to_owned());
    let decode = |name: &str| BASE64URL_NOPAD.decode(text(object, name).as_bytes()).map_err(|_| broken());
    let nonce: [u8; 24] = decode("nonce")?.try_into().map_err(|_| broken())?;
    let sealed = decode("sealed")?;
    let aad = associated(event, subject, key.id);
    let plain = cipher(key).decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: &aad }).map_err(|_| broken())?;
    String::from_utf8(plain).map_err(|_| broken())
}

fn text(object: &Map<String, Value>, name: &str) -> String {
    object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn cipher(key: KeyRef<'_>) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(*key.bytes))
}

fn associated(event: EventId, subject: &str, key: &str) -> Vec<u8> {
    let mut bytes = event.to_string().into_bytes();
    for part in [subject, key] {
        bytes.push(0);
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}
