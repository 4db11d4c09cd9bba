//! What a failed call means for what may be done next: the classes of the retry matrix (`docs/DESIGN.md`, "Retries").

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The class of a failed call. Adapters translate a provider's answers into these; `reconcile/retry.rs` decides on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// It did not happen and may work later (no connection, 5xx).
    Transient,
    /// It may have happened: nobody knows. Look before anything is repeated.
    OutcomeUnknown,
    /// Too many calls; does not count against the budget.
    RateLimited,
    /// The account is locked for hours by a hidden usage limit.
    UsageLocked,
    /// The grant is gone: only a person can renew it.
    AuthRevoked,
    /// The credential was refused twice; the grant may still stand.
    Unauthorised,
    /// The grant does not cover this call.
    ScopeMissing,
    /// The calendar does not allow this operation to us.
    Forbidden,
    /// An operator must change something at the provider (API not enabled, domain policy, daily limit, wrong client).
    OperatorNeeded,
    /// The other side will never accept this request as it is.
    NonRetryable,
    /// The delta token is not accepted any more.
    CursorExpired,
    /// The thing changed since we read it (412).
    Stale,
    /// The thing is not there (404 or 410 on its id).
    Gone,
    /// The id that we chose is taken (409 on create).
    IdentityTaken,
    /// The calendar itself cannot be reached (404 on the calendar). Says nothing about its entries.
    CalendarUnavailable,
    /// The source says no to this change (409 or 422): it is not wanted there.
    RejectedBySource,
    /// The calendar has no push.
    PushUnsupported,
    /// The asked window is wider than the provider answers; ask for a narrower one.
    WindowTooWide,
}

impl FailureClass {
    /// The permanent name, as in events and tables.
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

/// A failed call, ready for the ledger: no secrets, no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallFailure {
    /// What it means.
    pub class: FailureClass,
    /// One line for a person: the status, the provider's reason, the field at fault. At most 300 characters.
    pub summary: String,
    /// The HTTP status, where there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The provider's own word for it (`rateLimitExceeded`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long the other side asked us to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl CallFailure {
    /// A failure of that class with a line for a person.
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
