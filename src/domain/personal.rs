//! Personal data: a text that belongs to a subject, and may have been forgotten.
//!
//! Inside the program it is plain or erased. In a stored event it is ciphertext: see `record/sealing.rs`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::ids::SubjectId;

/// A text about a person. Two are equal when they say the same, whoever's key they are sealed under.
#[derive(Clone, Eq, Serialize, Deserialize)]
pub struct Personal {
    /// Under whose key it is sealed.
    pub subject: SubjectId,
    /// The text; `None` once its subject was forgotten.
    pub text: Option<String>,
}

impl Personal {
    /// A text that can be read.
    pub fn new(subject: SubjectId, text: impl Into<String>) -> Self {
        Self { subject, text: Some(text.into()) }
    }

    /// The word that stands for a forgotten text, as a text to be shown to others: readable, whoever was forgotten.
    pub fn erased() -> Self {
        Self::new(nobody(), ERASED)
    }

    /// Whether `self` only puts [`ERASED`] where a text was forgotten.
    pub fn stands_in_for(&self, other: &Self) -> bool {
        other.text.is_none() && self.text.as_deref() == Some(ERASED)
    }

    /// The text, or the word that stands for one that was forgotten.
    pub fn display_text(&self) -> &str {
        self.text.as_deref().unwrap_or(ERASED)
    }
}

/// What stands where a forgotten text stood.
pub const ERASED: &str = "[erased]";

/// The subject of words that are about no person, such as [`ERASED`] itself. Nobody is never forgotten.
pub fn nobody() -> SubjectId {
    SubjectId::new("nobody").expect("a plain word is a subject")
}

impl PartialEq for Personal {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Over the text alone, as `==` is.
impl std::hash::Hash for Personal {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// Never prints the text.
impl std::fmt::Debug for Personal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Personal(of {}, {})", self.subject, if self.text.is_some() { "readable" } else { "erased" })
    }
}

/// The schema is that of the stored form, which is what readers of the ledger meet.
impl JsonSchema for Personal {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sealed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let sealed = json_schema!({
            "type": "object",
            "description": "Encrypted with XChaCha20-Poly1305 under the key of its subject. Associated data: the event's id, \
                the subject and the key id, each ended by a zero byte but the last.",
            "properties": {
                "subject": {"type": "string", "description": "Whose key it is sealed under."},
                "key": {"type": "string", "description": "The key's id."},
                "nonce": {"type": "string", "description": "24 bytes, base64url without padding."},
                "sealed": {"type": "string", "description": "Ciphertext and tag, base64url without padding."}
            },
            "required": ["subject", "key", "nonce", "sealed"]
        });
        let forgotten = json_schema!({
            "type": "object",
            "description": "Forgotten before the event was written.",
            "properties": {
                "subject": {"type": "string", "description": "Whose it was."},
                "text": {"type": "null", "description": "Nothing is left of it."}
            },
            "required": ["subject", "text"]
        });
        json_schema!({"description": "A text about a person.", "anyOf": [sealed, forgotten]})
    }
}
