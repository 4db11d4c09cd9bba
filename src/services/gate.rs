//! Gates before the calls: one per credential. Closed for as long as the other side asked, and never more calls a minute
//! than the limit.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::failure::{CallFailure, FailureClass};

/// Calls a minute through one gate where nothing else is said: Google's documented limit per user.
pub const CALLS_PER_MINUTE: usize = 600;

/// Gates by the name of their credential (a connection, a source).
#[derive(Debug)]
pub struct Gates {
    calls_per_minute: usize,
    gates: Mutex<BTreeMap<String, Gate>>,
}

#[derive(Debug, Default)]
struct Gate {
    closed_until: Option<DateTime<Utc>>,
    calls: VecDeque<DateTime<Utc>>,
}

impl Default for Gates {
    fn default() -> Self {
        Self::new(CALLS_PER_MINUTE)
    }
}

impl Gates {
    /// Gates that let that many calls a minute through.
    pub fn new(calls_per_minute: usize) -> Self {
        Self { calls_per_minute: calls_per_minute.max(1), gates: Mutex::default() }
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Gate) -> T) -> T {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        act(gates.entry(name.to_owned()).or_default())
    }

    /// Until when the gate is closed; `None` where a call may go now.
    pub fn closed_until(&self, name: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let minute = TimeDelta::minutes(1);
        self.with(name, |gate| {
            while gate.calls.front().is_some_and(|first| *first <= now - minute) {
                gate.calls.pop_front();
            }
            let crowded = gate.calls.len() >= self.calls_per_minute;
            let room_at = gate.calls.front().filter(|_| crowded).map(|first| *first + minute);
            gate.closed_until.filter(|until| *until > now).max(room_at)
        })
    }

    /// Counts a call.
    pub fn passed(&self, name: &str, now: DateTime<Utc>) {
        self.with(name, |gate| gate.calls.push_back(now));
    }

    /// Closes the gate for as long as the failure asks: all calls through it, not only the one that failed.
    pub fn failed(&self, name: &str, failure: &CallFailure, retry_at: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let asked = failure.retry_after_ms.map(|ms| now + TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(60_000)));
        let until = match failure.class {
            FailureClass::RateLimited | FailureClass::UsageLocked => asked.max(retry_at),
            _ => asked,
        };
        if until.is_some() {
            self.with(name, |gate| gate.closed_until = gate.closed_until.max(until));
        }
    }
}
