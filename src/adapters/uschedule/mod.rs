//! USchedule, the golf studio's booking system, as a booking source.
//!
//! Nobody has published its API: what this relies on is written down in `docs/operating/uschedule-api.md`, and the
//! sandbox's model plays it. `source.rs` has the port's calls, `mapping.rs` the appointment, `errors.rs` what refusals
//! mean, `webhook.rs` how a delivery is believed.

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

/// Where, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The source's name in configuration, events and booking ids.
    pub name: SourceName,
    /// Base of every call, without `/v1`.
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
    /// An account with these settings. Sends nothing yet.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        let base_url = settings.base_url.trim_end_matches('/').to_owned();
        Self {
            name: settings.name,
            client: Client { transport, clock, base_url, api_key: settings.api_key, pause: Pause::default() },
        }
    }
}
