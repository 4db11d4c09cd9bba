//! Classes of failed calls, by what may be done next (retry matrix: `docs/DESIGN.md`, "Retries").

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Class of a failed call. Adapters translate a provider's answers into these; `reconcile/retry.rs` decides by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// It had no effect and may work later (no connection, 5xx).
    Transient,
    /// It may have had an effect. Check before anything is repeated.
    OutcomeUnknown,
    /// Too many calls; does not count as an attempt.
    RateLimited,
    /// The account is locked for hours by a hidden usage limit.
    UsageLocked,
    /// Access was revoked: only a person can grant it again.
    AuthRevoked,
    /// The credential was refused twice; access may still be granted.
    Unauthorised,
    /// The granted scope does not cover this call.
    ScopeMissing,
    /// We lack permission for this operation on the calendar.
    Forbidden,
    /// An operator must change something at the provider (API not enabled, domain policy, daily limit, wrong client).
    OperatorNeeded,
    /// The provider will never accept this request as it is.
    NonRetryable,
    /// The delta token is no longer valid.
    CursorExpired,
    /// The resource changed since we read it (412).
    Stale,
    /// The resource does not exist (404 or 410 for its id).
    Gone,
    /// The id we chose is taken (409 on create).
    IdentityTaken,
    /// The calendar itself cannot be reached (404 on the calendar). Says nothing about its entries.
    CalendarUnavailable,
    /// The source refuses this change (409 or 422).
    RejectedBySource,
    /// The calendar does not support push.
    PushUnsupported,
    /// The requested window is too wide for the provider; request a narrower one.
    WindowTooWide,
}

impl FailureClass {
    /// The permanent name, used in events and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::RateLimited => "rate_limited",
            Self::UsageLocked => "usage_locked",
            Self::AuthRevoked => "auth_revoked",
            Self::Unauthorised => "unauthorised",
            Self::ScopeMissing => "scope_missing",
            Self::Forbidden => "forbidden",
            Self::OperatorNeeded => "operator_needed",
            Self::NonRetryable => "non_retryable",
            Self::CursorExpired => "cursor_expired",
            Self::Stale => "stale",
            Self::Gone => "gone",
            Self::IdentityTaken => "identity_taken",
            Self::CalendarUnavailable => "calendar_unavailable",
            Self::RejectedBySource => "rejected_by_source",
            Self::PushUnsupported => "push_unsupported",
            Self::WindowTooWide => "window_too_wide",
        }
    }
}

/// A failed call as recorded in the ledger: no secrets, no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallFailure {
    /// Its class.
    pub class: FailureClass,
    /// One line for people: status, provider's reason, invalid field. At most 300 characters.
    pub summary: String,
    /// The HTTP status, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The provider's own error code (`rateLimitExceeded`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The wait requested by the provider, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl CallFailure {
    /// A failure of this class, with a line for people.
    pub fn new(class: FailureClass, summary: impl Into<String>) -> Self {
        let summary: String = summary.into();
        Self { class, summary: summary.chars().take(300).collect(), status: None, reason: None, retry_after_ms: None }
    }
}

impl std::fmt::Display for CallFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.class.as_str(), self.summary)
    }
}

impl std::error::Error for CallFailure {}
