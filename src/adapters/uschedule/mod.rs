//! USchedule, the golf studio's booking system, as a booking source.
//!
//! Its API is not public: what this adapter assumes is documented in `docs/operating/uschedule-api.md`, and the
//! sandbox implements it. `source.rs` implements the port, `mapping.rs` converts appointments, `errors.rs` classifies
//! errors, `webhook.rs` verifies deliveries.

mod client;
mod errors;
mod mapping;
mod secret;
mod source;
#[cfg(test)]
mod tests;
mod verifier;
pub mod webhook;

use std::sync::Arc;

pub use errors::{Call, refused, unanswered, unreadable};
pub use secret::Secret;
pub use verifier::Verifier;

use crate::{
    adapters::shared::pause::Pause,
    domain::ids::SourceName,
    ports::{clock::Clock, transport::Transport},
};
use client::Client;

/// Settings of an account.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the source in the configuration, events and booking ids.
    pub name: SourceName,
    /// Base URL of every call, without `/v1`.
    pub base_url: String,
    /// The bearer key.
    pub api_key: Secret,
}

/// One USchedule account.
pub struct USchedule {
    name: SourceName,
    client: Client,
}

impl USchedule {
    /// An account with these settings. Makes no calls yet.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        let base_url = settings.base_url.trim_end_matches('/').to_owned();
        Self {
            name: settings.name,
            client: Client { transport, clock, base_url, api_key: settings.api_key, pause: Pause::default() },
        }
    }
}
