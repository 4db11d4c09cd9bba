//! Access tokens: fetched once for all waiting callers, renewed before they expire, never printed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::lock::Mutex;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{credential::ServiceAccount, errors};
use crate::{
    adapters::shared::percent::percent_encoded,
    domain::failure::{CallFailure, FailureClass},
    ports::{
        clock::Clock,
        transport::{Request, Transport},
    },
};

/// The only scope we request. It covers reading, writing and watching entries, and stopping channels. The facts of
/// `describe` are part of every listing (`accessRole`, `timeZone`), so `calendars.get`, which needs
/// `calendar.readonly` or `calendar.calendars.readonly`, is not called. `calendar.events.owned` is not enough: a
/// calendar shared with a service account is not its own.
pub const SCOPE: &str = "https://www.googleapis.com/auth/calendar.events";

const TOKEN_TIMEOUT: Duration = Duration::from_secs(20);
/// A token is renewed this long before it expires, or in the last fifth of a shorter lifetime.
const RENEW_BEFORE: TimeDelta = TimeDelta::minutes(2);
/// Lifetime of a token if Google does not say, according to its guide.
const LIFE_S_DEFAULT: i64 = 3600;
const LIFE_S_MAX: i64 = 86_400;

/// An access token. Not printed by `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct AccessToken(Arc<Zeroizing<String>>);

impl AccessToken {
    /// Value of the `Authorization` header.
    pub fn header(&self) -> String {
        format!("Bearer {}", self.0.as_str())
    }

    fn is(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessToken([secret])")
    }
}

struct CachedToken {
    token: AccessToken,
    renew_at: DateTime<Utc>,
}

#[derive(Default)]
struct State {
    held: Option<CachedToken>,
    /// The failure of the latest fetch, if it failed.
    failure: Option<CallFailure>,
}

/// The access tokens of one service account.
pub struct Tokens {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    account: ServiceAccount,
    url: String,
    state: Mutex<State>,
    /// Number of completed fetches. A caller that waited for one uses its result, success or failure.
    rounds: AtomicU64,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    #[serde(default)]
    expires_in: Option<i64>,
    #[serde(default)]
    scope: Option<String>,
}

impl Tokens {
    /// Tokens for `account`, from its own token endpoint or from `url`.
    pub fn new(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        account: ServiceAccount,
        url: Option<String>,
    ) -> Self {
        let url = url.unwrap_or_else(|| account.token_uri().to_owned());
        Self { transport, clock, account, url, state: Mutex::default(), rounds: AtomicU64::new(0) }
    }

    /// Email address of the account.
    pub fn account(&self) -> &str {
        self.account.name()
    }

    /// A valid token.
    ///
    /// # Errors
    /// Why there is none: see `errors::token_refused`.
    pub async fn current(&self) -> Result<AccessToken, CallFailure> {
        self.other_than(None).await
    }

    /// A newly fetched token, which proves that the credential works.
    ///
    /// # Errors
    /// As [`Tokens::current`].
    pub async fn renewed(&self) -> Result<AccessToken, CallFailure> {
        let held = self.state.lock().await.held.as_ref().map(|held| held.token.clone());
        self.other_than(held.as_ref()).await
    }

    /// A token other than `refused`: one fetched by another caller meanwhile, or a new one.
    ///
    /// # Errors
    /// As [`Tokens::current`].
    pub async fn other_than(&self, refused: Option<&AccessToken>) -> Result<AccessToken, CallFailure> {
        let seen = self.rounds.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        let fits = |held: &&CachedToken| now < held.renew_at && !refused.is_some_and(|refused| refused.is(&held.token));
        if let Some(held) = state.held.as_ref().filter(fits) {
            return Ok(held.token.clone());
        }
        if self.rounds.load(Ordering::Acquire) != seen
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        let fetched = self.fetch(now).await;
        self.rounds.fetch_add(1, Ordering::AcqRel);
        match fetched {
            Ok(held) => {
                let token = held.token.clone();
                *state = State { held: Some(held), failure: None };
                Ok(token)
            }
            Err(failure) => {
                // The present token is kept, unless it is the refused one: a failing token endpoint
                // does not invalidate it.
                state.held = state.held.take().filter(|held| refused.is_none_or(|refused| !refused.is(&held.token)));
                state.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    async fn fetch(&self, now: DateTime<Utc>) -> Result<CachedToken, CallFailure> {
        let assertion = self
            .account
            .assertion(SCOPE, now)
            .map_err(|error| CallFailure::new(FailureClass::OperatorNeeded, error.to_string()))?;
        let grant = percent_encoded("urn:ietf:params:oauth:grant-type:jwt-bearer");
        let mut request = Request::new("POST", &self.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json");
        request.body = format!("grant_type={grant}&assertion={}", percent_encoded(&assertion)).into_bytes();
        let response = self
            .transport
            .send(request, TOKEN_TIMEOUT)
            .await
            .map_err(|failure| errors::token_unanswered(&failure.to_string()))?;
        if !(200..300).contains(&response.status) {
            return Err(errors::token_refused(&response, now));
        }
        let granted: TokenResponse = serde_json::from_slice(&response.body)
            .map_err(|_| errors::token_unanswered("the token endpoint's answer cannot be read"))?;
        if granted.scope.as_deref().is_some_and(|scopes| !scopes.split_whitespace().any(|s| s == SCOPE)) {
            return Err(CallFailure::new(FailureClass::ScopeMissing, "Google granted fewer scopes than requested"));
        }
        let life = TimeDelta::seconds(granted.expires_in.unwrap_or(LIFE_S_DEFAULT).clamp(0, LIFE_S_MAX));
        let renew_at = now + life - RENEW_BEFORE.min(life / 5);
        Ok(CachedToken { token: AccessToken(Arc::new(Zeroizing::new(granted.access_token))), renew_at })
    }
}
