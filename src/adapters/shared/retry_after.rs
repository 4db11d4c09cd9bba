//! Parses `Retry-After`.

use chrono::{DateTime, Utc};

use crate::ports::transport::Response;

/// The longest wait accepted: a day. Longer ones are shortened.
pub const RETRY_AFTER_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// The requested wait in milliseconds: `Retry-After` in seconds or as a date (RFC 9110 §10.2.3).
pub fn retry_after_ms(response: &Response, now: DateTime<Utc>) -> Option<u64> {
    let text = response.header_value("retry-after")?.trim();
    let wait_ms = match text.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(1000),
        Err(_) => {
            let at = DateTime::parse_from_rfc2822(text).ok()?.with_timezone(&Utc);
            u64::try_from((at - now).num_milliseconds()).unwrap_or(0)
        }
    };
    Some(wait_ms.min(RETRY_AFTER_MS_MAX))
}
