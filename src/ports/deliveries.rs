//! Verifies signed deliveries of a source. Pure: headers, body and time in.

use chrono::{DateTime, Utc};

use super::webhooks::{Headers, Refusal};
use crate::domain::ids::{SourceName, SubjectId};

/// A delivery as received, not interpreted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The source's id of the delivery; the same if it is sent again.
    pub id: String,
    /// The person whose data it contains, as far as can be told without parsing everything.
    pub subject: SubjectId,
    /// The booking as JSON.
    pub body: String,
}

/// Verifies the deliveries of one source.
pub trait WebhookVerifier: Send + Sync {
    /// Name of the source.
    fn source(&self) -> &SourceName;

    /// Verifies a delivery. Nothing in the body is trusted before that.
    ///
    /// # Errors
    /// [`Refusal`].
    fn verify(&self, headers: &Headers<'_>, body: &[u8], now: DateTime<Utc>) -> Result<Delivery, Refusal>;
}
