//! I9 and I10, the rules for calls: an idempotency key belongs to one request, `Retry-After` is respected, and the rate limit
//! of a host is not exceeded.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    observations::Observations,
    world::{GOOGLE_HOST, SOURCE_HOST},
};
use crate::{
    adapters::{sandbox::target::Target, shared::retry_after::retry_after_ms},
    ports::transport::{Failure, Request, Response},
};

/// Maximum number of calls per minute of one process to one host: the documented limit of the calendar provider.
const CALLS_PER_MINUTE: usize = 600;

/// The pauses requested from one process, and its recent calls.
#[derive(Debug, Default)]
pub(super) struct CallRules {
    /// The end of the pause that a host requested.
    paused_until: BTreeMap<String, DateTime<Utc>>,
    /// The times of recent calls, by host.
    sent: BTreeMap<String, VecDeque<DateTime<Utc>>>,
}

/// The host if its pauses and limits apply to this call: those of the calendar API do not apply to the token endpoint.
fn host(target: &Target) -> Option<String> {
    let calendar = target.host == GOOGLE_HOST && target.path.starts_with("/calendar/");
    (calendar || target.host == SOURCE_HOST).then(|| target.host.clone())
}

impl CallRules {
    /// Checks a call before it is sent.
    pub fn check_request(&mut self, request: &Request, now: DateTime<Utc>, observations: &mut Observations) {
        let Some(target) = Target::of(&request.url) else { return };
        if let Some(key) = request.header_value("idempotency-key") {
            let body = String::from_utf8_lossy(&request.body);
            let payload = format!("{} {} {body}", request.method, request.url);
            let before = observations.keys.entry(key.to_owned()).or_insert_with(|| payload.clone());
            if *before != payload {
                let what = format!("key {key} was used for {before} before, and now for {payload}");
                observations.add_violation("I9", what);
            }
        }
        let Some(host) = host(&target) else { return };
        *observations.calls.entry((request.method.to_owned(), target.path.clone())).or_default() += 1;
        if let Some(until) = self.paused_until.get(&host).filter(|until| **until > now) {
            let (method, path) = (request.method, &target.path);
            observations.add_violation(
                "I10",
                format!("{method} {path} was sent at {now}, but {host} had requested a pause until {until}"),
            );
        }
        let recent = self.sent.entry(host.clone()).or_default();
        recent.retain(|at| *at > now - TimeDelta::minutes(1));
        recent.push_back(now);
        if recent.len() > CALLS_PER_MINUTE {
            observations.add_violation("I10", format!("{} calls were sent to {host} within one minute", recent.len()));
        }
    }

    /// Records a pause that the response requests.
    pub fn record_pause(
        &mut self,
        request: &Request,
        answer: &Result<Response, Failure>,
        now: DateTime<Utc>,
        observations: &mut Observations,
    ) {
        let (Some(target), Ok(response)) = (Target::of(&request.url), answer) else { return };
        let (Some(host), Some(ms)) = (host(&target), retry_after_ms(response, now)) else { return };
        if !matches!(response.status, 403 | 429 | 503) {
            return;
        }
        observations.count("pauses_asked_for");
        let until = now + TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(0));
        let before = self.paused_until.entry(host).or_insert(until);
        *before = (*before).max(until);
    }
}
