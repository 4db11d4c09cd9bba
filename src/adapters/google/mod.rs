//! Google Calendar (API v3) as a calendar provider.
//!
//! Start in `provider.rs`, which implements the port. `mapping.rs` knows Google's fields, `errors.rs`
//! its errors, `auth.rs` gets access tokens, `push.rs` parses notifications.

mod auth;
mod client;
mod credential;
mod errors;
mod identity;
mod mapping;
mod marker;
mod provider;
pub mod push;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use auth::SCOPE;
use auth::Tokens;
use client::Client;
pub use credential::{CredentialError, ServiceAccount, TOKEN_URL};
pub use errors::{Call, refused, token_refused, unanswered, unreadable};
pub use mapping::CANCELLED_PREFIX;

use crate::{
    adapters::shared::pause::Pause,
    ports::{clock::Clock, transport::Transport},
};

/// Base URL of Google's calendar API.
pub const API_BASE: &str = "https://www.googleapis.com/calendar/v3";

/// Settings of a connection.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base URL of every call, without a trailing slash: [`API_BASE`], or a replacement.
    pub api_base: String,
    /// The token endpoint, if not the one in the key file.
    pub token_url: Option<String>,
    /// The service account.
    pub account: ServiceAccount,
}

impl Settings {
    /// Google itself, with `account`.
    pub fn google(account: ServiceAccount) -> Self {
        Self { api_base: API_BASE.to_owned(), token_url: None, account }
    }
}

/// A connection to Google: a service account that calendars are shared with.
pub struct Google {
    client: Client,
}

impl Google {
    /// A connection with these settings. Makes no calls yet.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        let tokens = Tokens::new(transport.clone(), clock.clone(), settings.account, settings.token_url);
        let api_base = settings.api_base.trim_end_matches('/').to_owned();
        Self { client: Client { transport, clock, tokens, api_base, pause: Pause::default() } }
    }
}
