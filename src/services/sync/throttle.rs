//! Rate limits per credential: waits as long as the provider asks, and never makes more calls per minute than
//! the limit.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::failure::{CallFailure, FailureClass};

/// Default calls per minute and credential: Google's documented limit per user.
pub const CALLS_PER_MINUTE: usize = 600;

/// Rate limits by the name of the credential (a connection or a source).
#[derive(Debug)]
pub struct Throttle {
    calls_per_minute: usize,
    limits: Mutex<BTreeMap<String, Limit>>,
}

#[derive(Debug, Default)]
struct Limit {
    closed_until: Option<DateTime<Utc>>,
    calls: VecDeque<DateTime<Utc>>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(CALLS_PER_MINUTE)
    }
}

impl Throttle {
    /// Allows this many calls per minute.
    pub fn new(calls_per_minute: usize) -> Self {
        Self { calls_per_minute: calls_per_minute.max(1), limits: Mutex::default() }
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Limit) -> T) -> T {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        act(limits.entry(name.to_owned()).or_default())
    }

    /// Until when calls must wait; `None` if one may be made now.
    pub fn closed_until(&self, name: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let minute = TimeDelta::minutes(1);
        self.with(name, |limit| {
            while limit.calls.front().is_some_and(|first| *first <= now - minute) {
                limit.calls.pop_front();
            }
            let crowded = limit.calls.len() >= self.calls_per_minute;
            let room_at = limit.calls.front().filter(|_| crowded).map(|first| *first + minute);
            limit.closed_until.filter(|until| *until > now).max(room_at)
        })
    }

    /// Counts a call.
    pub fn count_call(&self, name: &str, now: DateTime<Utc>) {
        self.with(name, |limit| limit.calls.push_back(now));
    }

    /// Holds back all calls with this credential for as long as the failure asks.
    pub fn failed(&self, name: &str, failure: &CallFailure, retry_at: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let asked = failure.retry_after_ms.map(|ms| now + TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(60_000)));
        let until = match failure.class {
            FailureClass::RateLimited | FailureClass::UsageLocked => asked.max(retry_at),
            _ => asked,
        };
        if until.is_some() {
            self.with(name, |limit| limit.closed_until = limit.closed_until.max(until));
        }
    }
}
