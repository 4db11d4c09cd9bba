//! Implements the port for signed deliveries with `webhook.rs`.

use chrono::{DateTime, Utc};

use super::{
    Secret,
    webhook::{self, Refusal},
};
use crate::{
    domain::ids::SourceName,
    ports::{
        deliveries::{Delivery, WebhookVerifier},
        webhooks::{self, Headers},
    },
};

/// Verifies the deliveries of one account.
pub struct Verifier {
    source: SourceName,
    secrets: Vec<Secret>,
}

impl Verifier {
    /// For deliveries to `source`, signed with one of `secrets`.
    pub fn new(source: SourceName, secrets: Vec<Secret>) -> Self {
        Self { source, secrets }
    }
}

impl WebhookVerifier for Verifier {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn verify(&self, headers: &Headers<'_>, body: &[u8], now: DateTime<Utc>) -> Result<Delivery, webhooks::Refusal> {
        match webhook::accept(&self.source, &self.secrets, headers, body, now) {
            Ok(accepted) => Ok(accepted.delivery),
            Err(refusal @ (Refusal::Header(_) | Refusal::Malformed(_))) => {
                Err(webhooks::Refusal::Malformed(refusal.to_string()))
            }
            Err(refusal @ Refusal::TooLong) => Err(webhooks::Refusal::TooLong(refusal.to_string())),
            Err(refusal @ (Refusal::OutsideWindow(_) | Refusal::NoSecret | Refusal::BadSignature)) => {
                Err(webhooks::Refusal::NotAuthentic(refusal.to_string()))
            }
        }
    }
}
