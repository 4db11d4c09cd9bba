//! I9 and I10: how a process treats those it calls. A key stands for one request; who asks for a pause gets it; what fails
//! is tried less and less often.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    notes::Notes,
    world::{GOOGLE_HOST, SOURCE_HOST},
};
use crate::{
    adapters::{sandbox::target::Target, shared::retry_after::retry_after_ms},
    ports::transport::{Failure, Request, Response},
};

/// Calls a minute that a process may send to one host: the documented limit of the calendar's provider.
const CALLS_PER_MINUTE: usize = 600;

/// What a process was asked, and what it sent lately.
#[derive(Debug, Default)]
pub(super) struct Manners {
    /// Until when a host wants no calls.
    closed_until: BTreeMap<String, DateTime<Utc>>,
    /// When calls were sent, by host.
    sent: BTreeMap<String, VecDeque<DateTime<Utc>>>,
}

/// The host as far as pauses go: asking for a token is another matter than using it.
fn door(target: &Target) -> Option<String> {
    let calendar = target.host == GOOGLE_HOST && target.path.starts_with("/calendar/");
    (calendar || target.host == SOURCE_HOST).then(|| target.host.clone())
}

impl Manners {
    /// Looks at a call that a process means to send now.
    pub fn check(&mut self, request: &Request, now: DateTime<Utc>, notes: &mut Notes) {
        let Some(target) = Target::of(&request.url) else { return };
        if let Some(key) = request.header_value("idempotency-key") {
            let body = String::from_utf8_lossy(&request.body);
            let payload = format!("{} {} {body}", request.method, request.url);
            let known = notes.keys.entry(key.to_owned()).or_insert_with(|| payload.clone());
            if *known != payload {
                let what = format!("key {key} stood for {known}, and now for {payload}");
                notes.broken("I9", what);
            }
        }
        let Some(door) = door(&target) else { return };
        *notes.calls.entry((request.method.to_owned(), target.path.clone())).or_default() += 1;
        if let Some(until) = self.closed_until.get(&door).filter(|until| **until > now) {
            let (method, path) = (request.method, &target.path);
            notes
                .broken("I10", format!("{method} {path} is sent at {now}, and {door} had asked to wait until {until}"));
        }
        let lately = self.sent.entry(door.clone()).or_default();
        lately.retain(|at| *at > now - TimeDelta::minutes(1));
        lately.push_back(now);
        if lately.len() > CALLS_PER_MINUTE {
            notes.broken("I10", format!("{} calls were sent to {door} within a minute", lately.len()));
        }
    }

    /// Remembers a pause that was asked for.
    pub fn heed(
        &mut self,
        request: &Request,
        answer: &Result<Response, Failure>,
        now: DateTime<Utc>,
        notes: &mut Notes,
    ) {
        let (Some(target), Ok(response)) = (Target::of(&request.url), answer) else { return };
        let (Some(door), Some(ms)) = (door(&target), retry_after_ms(response, now)) else { return };
        if !matches!(response.status, 403 | 429 | 503) {
            return;
        }
        notes.count("pauses_asked_for");
        let until = now + TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(0));
        let known = self.closed_until.entry(door).or_insert(until);
        *known = (*known).max(until);
    }
}
