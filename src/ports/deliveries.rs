//! A source's signed deliveries: whether one is what it says it is. Pure: headers, body and time in.

use chrono::{DateTime, Utc};

use super::webhooks::{Headers, Refusal};
use crate::domain::ids::{SourceName, SubjectId};

/// A delivery as it came, not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The source's id of the delivery: a replay bears the same.
    pub id: String,
    /// Whose data it is, as far as can be told without understanding it all.
    pub subject: SubjectId,
    /// The booking's JSON.
    pub body: String,
}

/// Knows one source's signed deliveries.
pub trait WebhookVerifier: Send + Sync {
    /// Whose deliveries.
    fn source(&self) -> &SourceName;

    /// Believes a delivery, or says why not. Nothing of the body is looked at before it is believed.
    ///
    /// # Errors
    /// [`Refusal`].
    fn verify(&self, headers: &Headers<'_>, body: &[u8], now: DateTime<Utc>) -> Result<Delivery, Refusal>;
}
