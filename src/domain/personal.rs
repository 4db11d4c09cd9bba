//! Personal data: a text that belongs to a subject and may have been erased.
//!
//! In the program it is plain or erased. In a stored event it is ciphertext: see `record/sealing.rs`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::ids::SubjectId;

/// A text about a person. Equality compares the texts, not the subjects.
#[derive(Clone, Eq, Serialize, Deserialize)]
pub struct Personal {
    /// The subject whose key it is sealed under.
    pub subject: SubjectId,
    /// The text; `None` if its subject was erased.
    pub text: Option<String>,
}

impl Personal {
    /// A readable text.
    pub fn new(subject: SubjectId, text: impl Into<String>) -> Self {
        Self { subject, text: Some(text.into()) }
    }

    /// The replacement for an erased text, as a text of its own: always readable.
    pub fn erased() -> Self {
        Self::new(nobody(), ERASED)
    }

    /// Whether `self` only replaces erased text in `other` by [`ERASED`].
    pub fn stands_in_for(&self, other: &Self) -> bool {
        other.text.is_none() && self.text.as_deref() == Some(ERASED)
    }

    /// The text, or the replacement for an erased one.
    pub fn display_text(&self) -> &str {
        self.text.as_deref().unwrap_or(ERASED)
    }
}

/// Shown in place of an erased text.
pub const ERASED: &str = "[erased]";

/// The subject of texts that are about nobody, such as [`ERASED`] itself. It is never erased.
pub fn nobody() -> SubjectId {
    SubjectId::new("nobody").expect("a plain word is a subject")
}

impl PartialEq for Personal {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Hashes only the text, consistent with `==`.
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

/// The schema of the stored form, which readers of the ledger see.
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
                "subject": {"type": "string", "description": "The subject whose key it is sealed under."},
                "key": {"type": "string", "description": "The key's id."},
                "nonce": {"type": "string", "description": "24 bytes, base64url without padding."},
                "sealed": {"type": "string", "description": "Ciphertext and tag, base64url without padding."}
            },
            "required": ["subject", "key", "nonce", "sealed"]
        });
        let forgotten = json_schema!({
            "type": "object",
            "description": "Erased before the event was written.",
            "properties": {
                "subject": {"type": "string", "description": "The subject it belonged to."},
                "text": {"type": "null", "description": "Always null."}
            },
            "required": ["subject", "text"]
        });
        json_schema!({"description": "A text about a person.", "anyOf": [sealed, forgotten]})
    }
}
