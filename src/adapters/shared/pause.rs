//! A pause requested by the server (`Retry-After`), which every call with the same credential respects.
//!
//! New calls ask the throttle first. Calls that were already decided when the pause was requested are held
//! back here.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::retry_after::retry_after_ms;
use crate::{
    domain::failure::{CallFailure, FailureClass},
    ports::transport::Response,
};

/// End of the pause, if one was requested.
#[derive(Debug, Default)]
pub struct Pause(Mutex<Option<DateTime<Utc>>>);

impl Pause {
    /// Whether a call may be sent now.
    ///
    /// # Errors
    /// `RateLimited`, with the remaining time: the call is not sent.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), CallFailure> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match until.filter(|until| *until > now) {
            None => Ok(()),
            Some(until) => {
                let mut failure = CallFailure::new(FailureClass::RateLimited, "not sent: the server asked us to wait");
                failure.retry_after_ms = u64::try_from((until - now).num_milliseconds()).ok();
                Err(failure)
            }
        }
    }

    /// Records a pause requested by a response: 429, 503, or a rate-limit 403, with `Retry-After`.
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
