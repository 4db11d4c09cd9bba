//! Meaning of Google's errors: the Google rows of the retry matrix (`docs/DESIGN.md`, "Retries") as one table.
//!
//! Total: every status, with or without body, of any call, has one class. The first matching row decides. A summary
//! consists of our own sentence and fixed words from Google (reason, field), never of Google's message, which may
//! contain a title or an address.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    adapters::shared::retry_after::retry_after_ms,
    domain::failure::{CallFailure, FailureClass},
    ports::transport::{Failure, Response},
};

/// The failed call: the same status has different meanings for different calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `events.insert`.
    Create,
    /// `events.patch`.
    Update,
    /// `events.delete`.
    Delete,
    /// `events.get`.
    Get,
    /// `events.list` of a window.
    List,
    /// `events.list` with a sync token.
    ListChanges,
    /// `events.watch`.
    Watch,
    /// `channels.stop`.
    Stop,
}

impl Call {
    /// All calls.
    pub const ALL: [Self; 8] =
        [Self::Create, Self::Update, Self::Delete, Self::Get, Self::List, Self::ListChanges, Self::Watch, Self::Stop];

    /// Whether a second call could meet changes of the first. Stopping a channel is idempotent.
    pub fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete | Self::Watch)
    }

    fn names_an_entry(self) -> bool {
        matches!(self, Self::Update | Self::Delete | Self::Get)
    }

    fn lists(self) -> bool {
        matches!(self, Self::List | Self::ListChanges)
    }
}

/// Conditions of a row besides status and reason.
pub(super) struct FailedCall {
    call: Call,
    /// Google blames the sync token.
    sync_token: bool,
    /// Google sent `Retry-After`.
    retry_after: bool,
}

pub(super) struct Row {
    status: RangeInclusive<u16>,
    /// Google's reasons; empty for any or none.
    reasons: &'static [&'static str],
    when: fn(&FailedCall) -> bool,
    class: FailureClass,
    pub(super) says: &'static str,
}

const fn row(
    status: RangeInclusive<u16>,
    reasons: &'static [&'static str],
    when: fn(&FailedCall) -> bool,
    class: FailureClass,
    says: &'static str,
) -> Row {
    Row { status, reasons, when, class, says }
}

const ALWAYS: fn(&FailedCall) -> bool = |_| true;

/// The matrix. 5xx is transient even for a write that may have been carried out: a create repeated with the same
/// id gets 409 and is adopted, and a repeated change or deletion has the `If-Match` of the previous state.
pub(super) static ROWS: [Row; 29] = {
    use FailureClass as C;
    [
        row(
            401..=401,
            &["push.webhookUrlUnauthorized", "webhookUrlUnauthorized"],
            ALWAYS,
            C::OperatorNeeded,
            "Google does not accept our address for notifications; verify the domain in the project",
        ),
        row(401..=401, &[], ALWAYS, C::Unauthorised, "the access token was refused"),
        row(
            400..=404,
            &["pushNotSupportedForRequestedResource", "push.notSupported"],
            ALWAYS,
            C::PushUnsupported,
            "this calendar does not support notifications; it is polled",
        ),
        row(400..=400, &["timeRangeTooLong"], ALWAYS, C::WindowTooWide, "the time range is too long for Google"),
        row(
            400..=400,
            &["fullSyncRequired", "updatedMinTooLongAgo"],
            |seen| seen.call.lists(),
            C::CursorExpired,
            "a full listing is needed",
        ),
        row(
            400..=400,
            &[],
            |seen| seen.call == Call::ListChanges && seen.sync_token,
            C::CursorExpired,
            "the sync token is invalid; a full listing is needed",
        ),
        row(
            400..=400,
            &["push.webhookUrlNotHttps", "webhookUrlNotHttps"],
            ALWAYS,
            C::OperatorNeeded,
            "Google sends notifications only to https addresses; set public_url",
        ),
        row(400..=400, &[], ALWAYS, C::NonRetryable, "Google does not accept this request as it is"),
        row(
            403..=403,
            &["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"],
            ALWAYS,
            C::RateLimited,
            "too many calls per minute",
        ),
        row(
            403..=403,
            &["quotaExceeded"],
            ALWAYS,
            C::UsageLocked,
            "Calendar usage limits: Google locks the account's changes for hours",
        ),
        row(
            403..=403,
            &["dailyLimitExceeded", "dailyLimitExceededUnreg"],
            ALWAYS,
            C::OperatorNeeded,
            "the project's daily limit is used up",
        ),
        row(
            403..=403,
            &["accessNotConfigured", "SERVICE_DISABLED"],
            ALWAYS,
            C::OperatorNeeded,
            "the Calendar API is not enabled in the project",
        ),
        row(403..=403, &["domainPolicy"], ALWAYS, C::OperatorNeeded, "the domain's policy does not allow it"),
        row(
            403..=403,
            &["insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"],
            ALWAYS,
            C::ScopeMissing,
            "the granted scopes do not cover this call",
        ),
        row(
            403..=403,
            &["forbiddenForServiceAccounts"],
            ALWAYS,
            C::Forbidden,
            "a service account cannot do this without delegation",
        ),
        row(403..=403, &[], ALWAYS, C::Forbidden, "no permission on the calendar; share it with write access"),
        row(
            404..=404,
            &[],
            |seen| !seen.call.names_an_entry() && seen.call != Call::Stop,
            C::CalendarUnavailable,
            "the calendar does not exist, or is not shared with this account",
        ),
        row(404..=404, &[], ALWAYS, C::Gone, "the entry does not exist"),
        row(408..=408, &[], ALWAYS, C::Transient, "Google timed out waiting for the request"),
        row(409..=409, &[], |seen| seen.call == Call::Create, C::IdentityTaken, "the entry's id is taken"),
        row(409..=409, &[], ALWAYS, C::Transient, "another change is in progress"),
        row(410..=410, &[], |seen| seen.call.lists(), C::CursorExpired, "a full listing is needed"),
        row(410..=410, &[], ALWAYS, C::Gone, "the entry was deleted"),
        row(412..=412, &[], |seen| seen.call.writes(), C::Stale, "the entry changed since we read it"),
        row(412..=412, &[], ALWAYS, C::Transient, "Google reports a failed precondition that was not sent"),
        row(429..=429, &[], ALWAYS, C::RateLimited, "too many calls"),
        // An error at Google says nothing about what was done before it.
        row(
            500..=599,
            &[],
            |seen| seen.call.writes(),
            C::OutcomeUnknown,
            "Google had an internal error; the change may have been made",
        ),
        row(503..=503, &[], |seen| seen.retry_after, C::RateLimited, "Google asks us to retry later"),
        row(500..=599, &[], ALWAYS, C::Transient, "Google had an internal error"),
    ]
};

/// Below the table: a redirect means that `api_base` is wrong; anything else means that Google's API changed.
const REDIRECTED: &str = "Google answered with a redirect; check api_base";
const UNKNOWN: &str = "an undocumented answer";

/// Classifies a response other than 2xx.
pub fn refused(response: &Response, call: Call, now: DateTime<Utc>) -> CallFailure {
    let error =
        serde_json::from_slice::<Value>(&response.body).ok().and_then(|mut v| v.get_mut("error").map(Value::take));
    let reasons = reasons(error.as_ref());
    let retry_after_ms = retry_after_ms(response, now);
    let seen =
        FailedCall { call, sync_token: blames_sync_token(error.as_ref()), retry_after: retry_after_ms.is_some() };
    let fits = |row: &&Row| {
        row.status.contains(&response.status)
            && (row.reasons.is_empty() || row.reasons.iter().any(|known| reasons.iter().any(|r| r == known)))
            && (row.when)(&seen)
    };
    let (class, says) = match ROWS.iter().find(fits) {
        Some(row) => (row.class, row.says),
        None if (300..400).contains(&response.status) => (FailureClass::OperatorNeeded, REDIRECTED),
        None => (FailureClass::NonRetryable, UNKNOWN),
    };
    let reason = reasons.into_iter().next();
    let field = field(error.as_ref()).map(|f| format!(", field {f}")).unwrap_or_default();
    let named = reason.as_ref().map(|r| format!(" ({r}{field})")).unwrap_or(field);
    CallFailure {
        status: Some(response.status),
        reason,
        retry_after_ms,
        ..CallFailure::new(class, format!("Google answered {}{named}: {says}", response.status))
    }
}

/// Classifies a 2xx response with an unexpected body.
pub fn unreadable(call: Call, status: u16) -> CallFailure {
    let (class, says) = if call.writes() {
        (FailureClass::OutcomeUnknown, "the change may have been made")
    } else {
        (FailureClass::Transient, "the request is retried")
    };
    let summary = format!("Google answered {status} with a body that cannot be read: {says}");
    CallFailure { status: Some(status), ..CallFailure::new(class, summary) }
}

/// Classifies a missing response.
pub fn unanswered(failure: &Failure, call: Call) -> CallFailure {
    match failure {
        Failure::NoAnswer(why) if call.writes() => {
            let summary = format!("Google did not answer; the change may have been made ({})", plain(why));
            CallFailure::new(FailureClass::OutcomeUnknown, summary)
        }
        Failure::NoAnswer(why) => {
            CallFailure::new(FailureClass::Transient, format!("Google did not answer ({})", plain(why)))
        }
        Failure::NotSent(why) => {
            CallFailure::new(FailureClass::Transient, format!("Google cannot be reached ({})", plain(why)))
        }
    }
}

/// Classifies a response of the token endpoint other than 2xx. Only `invalid_grant` means that access was revoked, and not
/// even that if Google adds that our clock or audience is wrong: an operator must fix those.
pub fn token_refused(response: &Response, now: DateTime<Utc>) -> CallFailure {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let error = body.get("error").and_then(Value::as_str).and_then(word);
    let description = body.get("error_description").and_then(Value::as_str).unwrap_or_default();
    let (class, says) = match (response.status, error.as_deref()) {
        (400 | 401, Some("invalid_grant")) if description.contains("reasonable timeframe") => {
            (FailureClass::OperatorNeeded, "this machine's clock is wrong by minutes")
        }
        (400 | 401, Some("invalid_grant")) if description.contains("audience") => {
            (FailureClass::OperatorNeeded, "the credential's token_uri is wrong")
        }
        (400 | 401, Some("invalid_grant")) => {
            (FailureClass::AuthRevoked, "access was revoked; create a new key or grant access again")
        }
        (429, _) => (FailureClass::RateLimited, "too many calls"),
        (408 | 500..=599, _) => (FailureClass::Transient, "the token endpoint had an internal error"),
        _ => (FailureClass::OperatorNeeded, "the token endpoint does not accept our credential or our request"),
    };
    let named = error.as_ref().map(|e| format!(" ({e})")).unwrap_or_default();
    CallFailure {
        status: Some(response.status),
        reason: error,
        retry_after_ms: retry_after_ms(response, now),
        ..CallFailure::new(class, format!("Google's token endpoint answered {}{named}: {says}", response.status))
    }
}

/// Classifies an unusable answer of the token endpoint: nothing was sent to the calendar.
pub fn token_unanswered(why: &str) -> CallFailure {
    CallFailure::new(FailureClass::Transient, format!("no access token from Google ({})", plain(why)))
}

/// Google's reasons, the most specific first: `errors[].reason`, then `details[].reason` of the newer format.
fn reasons(error: Option<&Value>) -> Vec<String> {
    let in_list = |key: &str| {
        let list = error.and_then(|e| e.get(key)).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|e| e.get("reason")?.as_str().and_then(word)).collect::<Vec<_>>()
    };
    let mut found = in_list("errors");
    found.extend(in_list("details"));
    found
}

fn first(error: Option<&Value>) -> Option<&Value> {
    error?.get("errors")?.as_array()?.first()
}

fn field(error: Option<&Value>) -> Option<String> {
    first(error)?.get("location")?.as_str().and_then(word)
}

fn blames_sync_token(error: Option<&Value>) -> bool {
    let says = |v: Option<&Value>| {
        v.and_then(Value::as_str).is_some_and(|t| t.to_ascii_lowercase().replace([' ', '_'], "").contains("synctoken"))
    };
    says(first(error).and_then(|e| e.get("location"))) || says(error.and_then(|e| e.get("message")))
}

/// A word like Google's reasons and field names; `None` for anything that may be free text.
fn word(text: &str) -> Option<String> {
    let fixed = |b: u8| b.is_ascii_alphanumeric() || b"._[]-".contains(&b);
    (!text.is_empty() && text.len() <= 80 && text.bytes().all(fixed)).then(|| text.to_owned())
}

/// The transport's message without URLs, which may contain a calendar's address.
fn plain(why: &str) -> String {
    why.split_whitespace().filter(|w| !w.contains("://") && !w.contains('@')).collect::<Vec<_>>().join(" ")
}
