//! Google Calendar (API v3) as a calendar provider.
//!
//! Start in `provider.rs`, which says what each call of the port sends. `mapping.rs` knows Google's fields, `errors.rs`
//! what its refusals mean, `auth.rs` how we come by a token, `push.rs` what its notifications say.

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

/// Where Google's calendar API is.
pub const API_BASE: &str = "https://www.googleapis.com/calendar/v3";

/// Where, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base of every call, without a slash at its end: [`API_BASE`], or a stand-in's.
    pub api_base: String,
    /// The token endpoint, where it is not the one that the key file names.
    pub token_url: Option<String>,
    /// As whom.
    pub account: ServiceAccount,
}

impl Settings {
    /// Google itself, as `account`.
    pub fn google(account: ServiceAccount) -> Self {
        Self { api_base: API_BASE.to_owned(), token_url: None, account }
    }
}

/// One connection at Google: a service account that calendars were shared with.
pub struct Google {
    client: Client,
}

impl Google {
    /// A connection with these settings. Sends nothing yet.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        let tokens = Tokens::new(transport.clone(), clock.clone(), settings.account, settings.token_url);
        let api_base = settings.api_base.trim_end_matches('/').to_owned();
        Self { client: Client { transport, clock, tokens, api_base, pause: Pause::default() } }
    }
}
