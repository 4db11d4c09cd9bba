//! What follows a failed call: the retry matrix as one total function.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{
    failure::{CallFailure, FailureClass},
    link::Retry,
};

/// First backoff.
const BASE_MS: u64 = 1_000;
/// Longest backoff while there are few failures.
const SHORT_MAX_MS: u64 = 5 * 60_000;
/// Number of failures after which backoff is counted in minutes and hours.
const FAILURES_SHORT_MAX: u32 = 8;
/// Longest backoff.
const LONG_MAX_MS: u64 = 6 * 3_600_000;
/// Attempts to read and decide again before a command backs off.
const ROUNDS_MAX: u32 = 3;
/// Longest wait that a provider may request.
const RETRY_AFTER_MAX_MS: u64 = 24 * 3_600_000;

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureVerdict {
    /// Nothing is sent before this time; `None`: continue at once (read, or decide again).
    pub retry_at: Option<DateTime<Utc>>,
    /// Whether it counts as an attempt.
    pub counts: bool,
    /// Given up until something changes.
    pub dead: bool,
}

/// What follows `failure`, given earlier failures, the maximum number of attempts, and 64 random bits.
pub fn after(
    failure: &CallFailure,
    before: &Retry,
    attempts_max: u32,
    now: DateTime<Utc>,
    chance: u64,
) -> FailureVerdict {
    use FailureClass as F;
    let wait = |ms: u64| Some(now + TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX / 2)));
    let asked = failure.retry_after_ms.map(|ms| ms.min(RETRY_AFTER_MAX_MS));
    let backed_off = |failures: u32| wait(asked.unwrap_or_else(|| backoff_ms(failures, chance)));
    let uncounted = |retry_at| FailureVerdict { retry_at, counts: false, dead: false };
    let counted = || {
        let dead = before.counted + 1 >= attempts_max.max(1);
        FailureVerdict { retry_at: if dead { None } else { backed_off(before.counted) }, counts: true, dead }
    };
    match failure.class {
        F::Transient => counted(),
        // The first check is immediate; if checking fails too, it backs off without ever giving up.
        F::OutcomeUnknown if before.last.as_ref().is_none_or(|l| l.class != F::OutcomeUnknown) => uncounted(None),
        F::OutcomeUnknown => uncounted(backed_off(before.failures)),
        F::RateLimited => uncounted(wait(asked.unwrap_or(0).max(backoff_ms(before.failures, chance)))),
        F::UsageLocked => uncounted(wait((3_600_000_u64 << before.failures.min(4)).min(12 * 3_600_000))),
        F::Unauthorised => uncounted(wait(5 * 60_000)),
        F::AuthRevoked | F::OperatorNeeded | F::CalendarUnavailable => uncounted(wait(3_600_000)),
        F::Stale | F::Gone | F::IdentityTaken if before.failures < ROUNDS_MAX => uncounted(None),
        F::Stale | F::Gone | F::IdentityTaken => counted(),
        F::RejectedBySource => uncounted(None),
        F::ScopeMissing | F::Forbidden | F::NonRetryable | F::CursorExpired | F::PushUnsupported | F::WindowTooWide => {
            FailureVerdict { retry_at: None, counts: true, dead: true }
        }
    }
}

/// Full jitter: up to 1 s · 2ⁿ, at most 5 min; after many failures from 5 min doubling to 6 h.
pub fn backoff_ms(failures: u32, chance: u64) -> u64 {
    if failures < FAILURES_SHORT_MAX {
        let ceiling = (BASE_MS << failures.min(20)).min(SHORT_MAX_MS);
        return 100 + chance % ceiling;
    }
    let ceiling = (SHORT_MAX_MS << (failures - FAILURES_SHORT_MAX).min(10)).min(LONG_MAX_MS);
    ceiling / 2 + chance % (ceiling / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_failures(class: FailureClass, counted: u32, failures: u32, retry_after_ms: Option<u64>) -> FailureVerdict {
        let failure = CallFailure { retry_after_ms, ..CallFailure::new(class, "x") };
        let before = Retry { counted, failures, ..Retry::default() };
        after(&failure, &before, 5, DateTime::UNIX_EPOCH, u64::MAX)
    }

    fn seconds(verdict: FailureVerdict) -> i64 {
        verdict.retry_at.expect("it is tried again").timestamp()
    }

    #[test]
    fn a_transient_failure_counts_and_is_given_up_in_the_end() {
        assert!(after_failures(FailureClass::Transient, 0, 0, None).counts);
        assert!(!after_failures(FailureClass::Transient, 3, 3, None).dead);
        assert!(after_failures(FailureClass::Transient, 4, 4, None).dead);
    }

    #[test]
    fn retry_after_always_wins() {
        assert_eq!(seconds(after_failures(FailureClass::RateLimited, 0, 0, Some(77_000))), 77);
        assert_eq!(seconds(after_failures(FailureClass::Transient, 0, 0, Some(40_000))), 40);
    }

    #[test]
    fn limits_never_count_and_never_end() {
        for failures in [0, 50, 5_000] {
            for class in [FailureClass::RateLimited, FailureClass::UsageLocked, FailureClass::OutcomeUnknown] {
                let verdict = after_failures(class, 0, failures, None);
                assert!(!verdict.counts && !verdict.dead, "{class:?}");
            }
        }
        assert_eq!(seconds(after_failures(FailureClass::UsageLocked, 0, 0, None)), 3_600);
        assert_eq!(seconds(after_failures(FailureClass::UsageLocked, 0, 9, None)), 12 * 3_600);
    }

    #[test]
    fn what_can_never_work_is_given_up_at_once() {
        for class in [FailureClass::NonRetryable, FailureClass::Forbidden, FailureClass::ScopeMissing] {
            assert!(after_failures(class, 0, 0, None).dead, "{class:?}");
        }
    }

    #[test]
    fn backoff_is_jittered_and_bounded() {
        for failures in 0..64 {
            for chance in [0, 1, u64::MAX / 2, u64::MAX] {
                let ms = backoff_ms(failures, chance);
                assert!((100..=LONG_MAX_MS).contains(&ms), "{failures}: {ms}");
                assert!(failures >= FAILURES_SHORT_MAX || ms <= SHORT_MAX_MS + 100, "{failures}: {ms}");
            }
        }
    }
}
