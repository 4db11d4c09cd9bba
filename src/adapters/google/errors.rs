//! What Google's refusals mean: the Google rows of the retry matrix (`docs/DESIGN.md`, "Retries") as one table.
//!
//! Total: every status, with any body or none, on any call, is one class. The first row that fits decides. A summary is
//! made of our own sentence and Google's words of fixed form (reason, field): never of Google's message, which may
//! repeat a title or an address.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    adapters::shared::retry_after::retry_after_ms,
    domain::failure::{CallFailure, FailureClass},
    ports::transport::{Failure, Response},
};

/// Which call was refused: the same status means different things to different calls.
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
    /// `events.list` from a sync token.
    ListChanges,
    /// `events.watch`.
    Watch,
    /// `channels.stop`.
    Stop,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 8] =
        [Self::Create, Self::Update, Self::Delete, Self::Get, Self::List, Self::ListChanges, Self::Watch, Self::Stop];

    /// Whether it changes something that a second call would meet. Stopping a channel twice is stopping it once.
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

/// What a row may look at besides status and reason.
pub(super) struct FailedCall {
    call: Call,
    /// Google says that the sync token is at fault.
    sync_token: bool,
    /// Google says when to come back.
    retry_after: bool,
}

pub(super) struct Row {
    status: RangeInclusive<u16>,
    /// Google's reasons; empty for any, and for none.
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

/// The matrix. 5xx is transient even on a write, although it may have been carried out: a create repeated under the same
/// id answers 409 and is adopted, and a repeated change or deletion bears the `If-Match` of the state before it.
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
            "this calendar has no notifications; it is polled",
        ),
        row(400..=400, &["timeRangeTooLong"], ALWAYS, C::WindowTooWide, "the window is wider than Google answers"),
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
            "the sync token is not one; a full listing is needed",
        ),
        row(
            400..=400,
            &["push.webhookUrlNotHttps", "webhookUrlNotHttps"],
            ALWAYS,
            C::OperatorNeeded,
            "Google sends notifications to https addresses only; set public_url",
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
            "the grant does not cover this call",
        ),
        row(
            403..=403,
            &["forbiddenForServiceAccounts"],
            ALWAYS,
            C::Forbidden,
            "a service account may not do this without delegation",
        ),
        row(403..=403, &[], ALWAYS, C::Forbidden, "the calendar does not allow us this; share it with write access"),
        row(
            404..=404,
            &[],
            |seen| !seen.call.names_an_entry() && seen.call != Call::Stop,
            C::CalendarUnavailable,
            "there is no such calendar, or it is not shared with us",
        ),
        row(404..=404, &[], ALWAYS, C::Gone, "there is no such entry"),
        row(408..=408, &[], ALWAYS, C::Transient, "Google did not wait for the request"),
        row(409..=409, &[], |seen| seen.call == Call::Create, C::IdentityTaken, "the entry's id is taken"),
        row(409..=409, &[], ALWAYS, C::Transient, "another change is in progress"),
        row(410..=410, &[], |seen| seen.call.lists(), C::CursorExpired, "a full listing is needed"),
        row(410..=410, &[], ALWAYS, C::Gone, "the entry was deleted"),
        row(412..=412, &[], |seen| seen.call.writes(), C::Stale, "the entry changed since we read it"),
        row(412..=412, &[], ALWAYS, C::Transient, "a condition failed that we did not set"),
        row(429..=429, &[], ALWAYS, C::RateLimited, "too many calls"),
        // A fault at the other side says nothing about what was done before it.
        row(
            500..=599,
            &[],
            |seen| seen.call.writes(),
            C::OutcomeUnknown,
            "Google had a fault; it may have been carried out",
        ),
        row(503..=503, &[], |seen| seen.retry_after, C::RateLimited, "Google asks us to come back later"),
        row(500..=599, &[], ALWAYS, C::Transient, "Google had a fault"),
    ]
};

/// What stands below the table: a redirect means that `api_base` is wrong, anything else that Google changed.
const REDIRECTED: &str = "Google answered with a redirect; check api_base";
const UNKNOWN: &str = "an answer that is in no document";

/// What an answer other than 2xx means.
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

/// What an answer 2xx means whose body is not what the call answers.
pub fn unreadable(call: Call, status: u16) -> CallFailure {
    let (class, says) = if call.writes() {
        (FailureClass::OutcomeUnknown, "it may have been carried out")
    } else {
        (FailureClass::Transient, "it is asked again")
    };
    let summary = format!("Google answered {status} with a body that cannot be read: {says}");
    CallFailure { status: Some(status), ..CallFailure::new(class, summary) }
}

/// What it means that there is no answer.
pub fn unanswered(failure: &Failure, call: Call) -> CallFailure {
    match failure {
        Failure::NoAnswer(why) if call.writes() => {
            let summary = format!("Google did not answer, it may have been carried out ({})", plain(why));
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

/// What an answer of the token endpoint other than 2xx means. Only `invalid_grant` says that the grant is gone, and not
/// even that where Google adds that our clock or our audience is wrong: those are the operator's, not the user's.
pub fn token_refused(response: &Response, now: DateTime<Utc>) -> CallFailure {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let error = body.get("error").and_then(Value::as_str).and_then(word);
    let description = body.get("error_description").and_then(Value::as_str).unwrap_or_default();
    let (class, says) = match (response.status, error.as_deref()) {
        (400 | 401, Some("invalid_grant")) if description.contains("reasonable timeframe") => {
            (FailureClass::OperatorNeeded, "our clock is wrong by minutes")
        }
        (400 | 401, Some("invalid_grant")) if description.contains("audience") => {
            (FailureClass::OperatorNeeded, "the credential's token_uri is wrong")
        }
        (400 | 401, Some("invalid_grant")) => (FailureClass::AuthRevoked, "the grant is gone; connect again"),
        (429, _) => (FailureClass::RateLimited, "too many calls"),
        (408 | 500..=599, _) => (FailureClass::Transient, "the token endpoint had a fault"),
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

/// What it means that the token endpoint gave no answer that can be used: nothing was sent to the calendar.
pub fn token_unanswered(why: &str) -> CallFailure {
    CallFailure::new(FailureClass::Transient, format!("no access token from Google ({})", plain(why)))
}

/// Google's reasons, the most telling first: `errors[].reason`, then `details[].reason` of the newer form.
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

/// A word of fixed form, as Google's reasons and field names are; `None` for anything that may be free text.
fn word(text: &str) -> Option<String> {
    let fixed = |b: u8| b.is_ascii_alphanumeric() || b"._[]-".contains(&b);
    (!text.is_empty() && text.len() <= 80 && text.bytes().all(fixed)).then(|| text.to_owned())
}

/// A transport's reason without addresses: it may name the URL, and with it somebody's calendar.
fn plain(why: &str) -> String {
    why.split_whitespace().filter(|w| !w.contains("://") && !w.contains('@')).collect::<Vec<_>>().join(" ")
}
