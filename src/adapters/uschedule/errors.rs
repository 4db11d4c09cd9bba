//! What USchedule's refusals mean: the booking source's rows of the retry matrix. Total, like Google's.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    adapters::shared::retry_after::retry_after_ms,
    domain::failure::{CallFailure, FailureClass},
    ports::transport::{Failure, Response},
};

/// Which call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The list of what changed.
    Changes,
    /// One appointment.
    Get,
    /// Moving or cancelling one. Every write bears an idempotency key, so one that a 5xx left open may be repeated.
    Write,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 3] = [Self::Changes, Self::Get, Self::Write];
}

/// What an answer other than 2xx means.
pub fn refused(response: &Response, call: Call, now: DateTime<Utc>) -> CallFailure {
    use FailureClass as C;
    let code = code(&response.body);
    let retry_after_ms = retry_after_ms(response, now);
    let (class, says) = match (response.status, call) {
        (401, _) => (C::Unauthorised, "the API key was refused"),
        (403, _) => (C::OperatorNeeded, "the API key may not do this"),
        (404, Call::Changes) => (C::OperatorNeeded, "there is no such call; check base_url"),
        (404 | 410, Call::Get | Call::Write) => (C::Gone, "there is no such appointment"),
        (410, Call::Changes) => (C::CursorExpired, "changes so long ago are not known any more"),
        (409 | 422, Call::Write) => (C::RejectedBySource, "the change is not possible there"),
        (412, Call::Write) => (C::Stale, "the appointment changed since we read it"),
        (408 | 412 | 425, _) => (C::Transient, "it may work later"),
        (429, _) => (C::RateLimited, "too many calls"),
        (503, _) if retry_after_ms.is_some() => (C::RateLimited, "it asks us to come back later"),
        (500..=599, _) => (C::Transient, "it had a fault"),
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

/// What an answer 2xx means whose body is not what the call answers.
pub fn unreadable(call: Call, status: u16, why: &str) -> CallFailure {
    let class = if call == Call::Write { FailureClass::OutcomeUnknown } else { FailureClass::Transient };
    let summary = format!("USchedule answered {status} with a body that cannot be read: {why}");
    CallFailure { status: Some(status), ..CallFailure::new(class, summary) }
}

/// What it means that there is no answer.
pub fn unanswered(failure: &Failure, call: Call) -> CallFailure {
    match failure {
        Failure::NoAnswer(why) if call == Call::Write => {
            let summary = format!("USchedule did not answer, it may have been carried out ({})", plain(why));
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

/// `error.code`, or `code`, or `error` itself: a word of fixed form, never a message, which may name a customer.
fn code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error");
    let found = error.and_then(|e| e.get("code")).or(body.get("code")).or(error)?.as_str()?;
    let fixed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (!found.is_empty() && found.len() <= 80 && found.bytes().all(fixed)).then(|| found.to_owned())
}

/// A transport's reason without addresses.
fn plain(why: &str) -> String {
    why.split_whitespace().filter(|w| !w.contains("://") && !w.contains('@')).collect::<Vec<_>>().join(" ")
}
