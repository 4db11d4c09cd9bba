//! Meaning of USchedule's errors: the booking source's rows of the retry matrix. Total, like Google's.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    adapters::shared::retry_after::retry_after_ms,
    domain::failure::{CallFailure, FailureClass},
    ports::transport::{Failure, Response},
};

/// The failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The list of changes.
    Changes,
    /// One appointment.
    Get,
    /// Moving or cancelling an appointment. Every write has an idempotency key, so it can be repeated after a 5xx.
    Write,
}

impl Call {
    /// All calls.
    pub const ALL: [Self; 3] = [Self::Changes, Self::Get, Self::Write];
}

/// Classifies a response other than 2xx.
pub fn refused(response: &Response, call: Call, now: DateTime<Utc>) -> CallFailure {
    use FailureClass as C;
    let code = code(&response.body);
    let retry_after_ms = retry_after_ms(response, now);
    let (class, says) = match (response.status, call) {
        (401, _) => (C::Unauthorised, "the API key was refused"),
        (403, _) => (C::OperatorNeeded, "the API key lacks permission"),
        (404, Call::Changes) => (C::OperatorNeeded, "unknown path; check base_url"),
        (404 | 410, Call::Get | Call::Write) => (C::Gone, "the appointment does not exist"),
        (410, Call::Changes) => (C::CursorExpired, "the cursor is too old"),
        (409 | 422, Call::Write) => (C::RejectedBySource, "the change is not possible there"),
        (412, Call::Write) => (C::Stale, "the appointment changed since we read it"),
        (408 | 412 | 425, _) => (C::Transient, "it may work later"),
        (429, _) => (C::RateLimited, "too many calls"),
        (503, _) if retry_after_ms.is_some() => (C::RateLimited, "it asks us to retry later"),
        (500..=599, _) => (C::Transient, "internal error"),
        (300..=399, _) => (C::OperatorNeeded, "a redirect; check base_url"),
        _ => (C::NonRetryable, "it does not accept this request as it is"),
    };
    let named = code.as_ref().map(|c| format!(" ({c})")).unwrap_or_default();
    CallFailure {
        status: Some(response.status),
        reason: code,
        retry_after_ms,
        ..CallFailure::new(class, format!("USchedule answered {}{named}: {says}", response.status))
    }
}

/// Classifies a 2xx response with an unexpected body.
pub fn unreadable(call: Call, status: u16, why: &str) -> CallFailure {
    let class = if call == Call::Write { FailureClass::OutcomeUnknown } else { FailureClass::Transient };
    let summary = format!("USchedule answered {status} with a body that cannot be read: {why}");
    CallFailure { status: Some(status), ..CallFailure::new(class, summary) }
}

/// Classifies a missing response.
pub fn unanswered(failure: &Failure, call: Call) -> CallFailure {
    match failure {
        Failure::NoAnswer(why) if call == Call::Write => {
            let summary = format!("USchedule did not answer; the change may have been made ({})", plain(why));
            CallFailure::new(FailureClass::OutcomeUnknown, summary)
        }
        Failure::NoAnswer(why) => {
            CallFailure::new(FailureClass::Transient, format!("USchedule did not answer ({})", plain(why)))
        }
        Failure::NotSent(why) => {
            CallFailure::new(FailureClass::Transient, format!("USchedule cannot be reached ({})", plain(why)))
        }
    }
}

/// `error.code`, or `code`, or `error`: a fixed word, never a message, which may contain a customer's name.
fn code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error");
    let found = error.and_then(|e| e.get("code")).or(body.get("code")).or(error)?.as_str()?;
    let fixed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (!found.is_empty() && found.len() <= 80 && found.bytes().all(fixed)).then(|| found.to_owned())
}

/// The transport's message without URLs.
fn plain(why: &str) -> String {
    why.split_whitespace().filter(|w| !w.contains("://") && !w.contains('@')).collect::<Vec<_>>().join(" ")
}
