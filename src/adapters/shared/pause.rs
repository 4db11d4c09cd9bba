//! A pause that the other side asked for (`Retry-After`), kept by every call over the same credential.
//!
//! Whoever decides on calls asks the throttle first. Calls that were decided on already when the pause was asked for are held
//! back here, so that none of them is sent.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::retry_after::retry_after_ms;
use crate::{
    domain::failure::{CallFailure, FailureClass},
    ports::transport::Response,
};

/// The end of the pause, if one was asked for.
#[derive(Debug, Default)]
pub struct Pause(Mutex<Option<DateTime<Utc>>>);

impl Pause {
    /// Whether a call may be sent now.
    ///
    /// # Errors
    /// `RateLimited`, with the time that is left: the call is not sent.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), CallFailure> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match until.filter(|until| *until > now) {
            None => Ok(()),
            Some(until) => {
                let mut failure =
                    CallFailure::new(FailureClass::RateLimited, "not sent: the other side had asked us to wait");
                failure.retry_after_ms = u64::try_from((until - now).num_milliseconds()).ok();
                Err(failure)
            }
        }
    }

    /// Takes note of a pause that an answer asks for: 429 or 503, or 403 where a limit is meant, with `Retry-After`.
    pub fn heed(&self, response: &Response, now: DateTime<Utc>) {
        if !matches!(response.status, 403 | 429 | 503) {
            return;
        }
        let asked = retry_after_ms(response, now).and_then(|ms| i64::try_from(ms).ok());
        let until = asked.and_then(|ms| now.checked_add_signed(TimeDelta::milliseconds(ms)));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = (*known).max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: &str) -> Response {
        Response { headers: vec![("retry-after".into(), retry_after.into())], ..Response::empty(status) }
    }

    #[test]
    fn nothing_is_sent_before_the_end_of_the_longest_pause() {
        let (pause, now) = (Pause::default(), DateTime::UNIX_EPOCH);
        assert!(pause.check(now).is_ok());
        pause.heed(&answer(429, "60"), now);
        pause.heed(&answer(503, "5"), now);
        let refused = pause.check(now + TimeDelta::seconds(59)).expect_err("it is to wait");
        assert_eq!((refused.class, refused.retry_after_ms), (FailureClass::RateLimited, Some(1_000)));
        assert!(pause.check(now + TimeDelta::seconds(60)).is_ok());
    }

    #[test]
    fn an_answer_about_something_else_asks_for_no_pause() {
        let (pause, now) = (Pause::default(), DateTime::UNIX_EPOCH);
        pause.heed(&answer(409, "60"), now);
        pause.heed(&answer(200, "60"), now);
        pause.heed(&answer(429, "soon"), now);
        assert!(pause.check(now).is_ok());
    }
}
