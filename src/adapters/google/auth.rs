//! Access tokens: fetched once for everybody who waits, renewed before they end, never printed.

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

/// The one scope we ask for. It covers reading, writing and watching entries, and stopping channels. What `describe`
/// answers stands in every listing as well (`accessRole`, `timeZone`), so `calendars.get`, which would need
/// `calendar.readonly` or `calendar.calendars.readonly` besides, is not called. `calendar.events.owned` would not do: a
/// calendar that was shared with a service account is not its own.
pub const SCOPE: &str = "https://www.googleapis.com/auth/calendar.events";

const TOKEN_TIMEOUT: Duration = Duration::from_secs(20);
/// A token is renewed this long before it ends, or in the last fifth of a shorter life.
const RENEW_BEFORE: TimeDelta = TimeDelta::minutes(2);
/// How long a token lives where Google does not say: what its guide says.
const LIFE_S_DEFAULT: i64 = 3600;
const LIFE_S_MAX: i64 = 86_400;

/// An access token. Never prints itself; wiped when dropped.
#[derive(Clone)]
pub struct AccessToken(Arc<Zeroizing<String>>);

impl AccessToken {
    /// The value of the `Authorization` header.
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
    /// How the latest fetch failed, if it did.
    failure: Option<CallFailure>,
}

/// The access tokens of one service account.
pub struct Tokens {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    account: ServiceAccount,
    url: String,
    state: Mutex<State>,
    /// Fetches that ended. Whoever waited while one ended takes its result, success or failure, and fetches no other.
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

    /// The account's address.
    pub fn account(&self) -> &str {
        self.account.name()
    }

    /// A token that has not ended.
    ///
    /// # Errors
    /// Why there is none: see `errors::token_refused`.
    pub async fn current(&self) -> Result<AccessToken, CallFailure> {
        self.other_than(None).await
    }

    /// A token fetched now: proof that the credential works.
    ///
    /// # Errors
    /// As [`Tokens::current`].
    pub async fn renewed(&self) -> Result<AccessToken, CallFailure> {
        let held = self.state.lock().await.held.as_ref().map(|held| held.token.clone());
        self.other_than(held.as_ref()).await
    }

    /// A token other than `refused`: what a peer fetched meanwhile, or a fresh one.
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
                // The token held so far stays, unless it is the one that was refused: a token endpoint that is down
                // does not end it.
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
            return Err(CallFailure::new(FailureClass::ScopeMissing, "Google granted less than we asked for"));
        }
        let life = TimeDelta::seconds(granted.expires_in.unwrap_or(LIFE_S_DEFAULT).clamp(0, LIFE_S_MAX));
        let renew_at = now + life - RENEW_BEFORE.min(life / 5);
        Ok(CachedToken { token: AccessToken(Arc::new(Zeroizing::new(granted.access_token))), renew_at })
    }
}
