//! A model of Google Calendar v3 and of Google's token endpoint, based on the documentation and on reports of users.
//!
//! Recurring entries are stored but never expanded into instances. Every caller sees every calendar: permissions
//! are the calendar's access role and the token's scopes.

mod auth;
mod calendars;
mod call;
mod control;
mod entry;
mod errors;
mod freebusy;
mod list;
mod oauth;
mod page;
mod person;
pub mod service_account;
mod state;
mod watch;
mod when;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

pub use entry::{AccessRole, Calendar};
pub use oauth::Consent;
pub use person::NoSuchEntry;

use super::{
    model::{Desk, Model, scramble},
    outbox::{Delivery, Outbox},
    target::Target,
};
use crate::ports::transport::{Request, Response};
use call::Call;
use errors::{Answer, error};

/// How the model behaves where real accounts differ.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Ids, tokens and the length of short pages follow from it.
    pub seed: u64,
    /// The most entries on one page, whatever is asked for; Google's own is 2,500.
    pub page_entries_max: usize,
    /// Whether pages come shorter than asked for, and empty at times.
    pub short_pages: bool,
    /// How long an access token is good for.
    pub access_token_life: TimeDelta,
    /// The longest a watch channel lives.
    pub channel_life_max: TimeDelta,
    /// How long deletions stay listed and sync tokens good; also how far back `updatedMin` may reach.
    pub tombstone_life: TimeDelta,
    /// How long after a change its notification is sent.
    pub notify_after: TimeDelta,
    /// How many calls per minute are answered.
    pub quota: Option<Quota>,
    /// The OAuth client that refresh tokens and codes belong to.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// How the service account signs its assertions.
    pub assertions: Assertions,
}

/// How a service account signs its assertions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assertions {
    /// With the private key of [`service_account::credentials`] (RS256), as Google wants it.
    PrivateKey,
    /// With [`service_account::SHARED_SECRET`] (HS256): a hundred times faster, for the simulation.
    SharedSecret,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            page_entries_max: 2_500,
            short_pages: false,
            access_token_life: TimeDelta::hours(1),
            channel_life_max: TimeDelta::days(7),
            tombstone_life: TimeDelta::days(28),
            notify_after: TimeDelta::zero(),
            quota: None,
            client_id: "sandbox-client".into(),
            client_secret: "sandbox-secret".into(),
            assertions: Assertions::PrivateKey,
        }
    }
}

/// A limit on calls in any 60 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many calls.
    pub per_minute: usize,
    /// `None`: calls above it are 403 `rateLimitExceeded`. Else 429 with this `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
}

/// The model.
#[derive(Debug)]
pub struct Google {
    settings: Settings,
    /// What the person at the consent page will do.
    pub consent: Consent,
    desk: Desk,
    /// Counts changes; the order of everything.
    change: u64,
    chances: u64,
    sync_generation: u64,
    calendars: BTreeMap<String, Calendar>,
    primary: Option<String>,
    grants: auth::Grants,
    consents: oauth::Consents,
    channels: Vec<watch::Channel>,
    outbox: Outbox<watch::Notice>,
    recent_calls: VecDeque<DateTime<Utc>>,
}

impl Google {
    /// A provider without calendars.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            consent: Consent::default(),
            desk: Desk::default(),
            change: 0,
            chances: 0,
            sync_generation: 0,
            calendars: BTreeMap::new(),
            primary: None,
            grants: auth::Grants::default(),
            consents: oauth::Consents::default(),
            channels: Vec::new(),
            outbox: Outbox::new(&[1, 5, 30]),
            recent_calls: VecDeque::new(),
        }
    }

    /// How it behaves. May be changed at any time.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// An access token with these scopes (full URLs), without a token call.
    pub fn access_token(&mut self, scopes: &[&str], now: DateTime<Utc>) -> String {
        let scopes = scopes.iter().map(|s| (*s).to_owned()).collect();
        let principal = auth::Principal { service_account: false, scopes };
        self.grants.issue_access(self.settings.seed, principal, now + self.settings.access_token_life)
    }

    /// A refresh token with these scopes (full URLs), as from an earlier consent.
    pub fn refresh_token(&mut self, scopes: &[&str]) -> String {
        self.grants.issue_refresh(self.settings.seed, scopes.iter().map(|s| (*s).to_owned()).collect())
    }

    /// Every access token stops working now; fresh ones can be had.
    pub fn expire_access_tokens(&mut self) {
        self.grants.expire_access();
    }

    /// Every grant is revoked: token calls answer `invalid_grant`.
    pub fn revoke_grants(&mut self) {
        self.grants.revoke_all();
    }

    /// The service account is let in again. Revoked refresh tokens stay revoked.
    pub fn restore_service_account(&mut self) {
        self.grants.service_account_revoked = false;
    }

    fn next_change(&mut self) -> u64 {
        self.change += 1;
        self.change
    }

    fn chance(&mut self) -> u64 {
        self.chances += 1;
        scramble(self.settings.seed, self.chances)
    }

    fn within_quota(&mut self, now: DateTime<Utc>) -> Result<(), Response> {
        let Some(quota) = self.settings.quota else { return Ok(()) };
        while self.recent_calls.front().is_some_and(|at| *at <= now - TimeDelta::minutes(1)) {
            self.recent_calls.pop_front();
        }
        if self.recent_calls.len() < quota.per_minute {
            self.recent_calls.push_back(now);
            return Ok(());
        }
        match quota.retry_after_s {
            None => Err(error(403, "rateLimitExceeded")),
            Some(seconds) => Err(retry_after(error(429, "rateLimitExceeded"), Some(seconds))),
        }
    }

    fn route(&mut self, request: &Request, target: &Target, now: DateTime<Utc>) -> Answer {
        let parts = target.parts();
        let rest = match parts.as_slice() {
            ["token"] if request.method == "POST" => return self.token(request, now),
            ["revoke"] if request.method == "POST" => return self.revoke(request),
            ["o", "oauth2", "v2", "auth"] if request.method == "GET" => return self.consent_page(target, now),
            ["calendar", "v3", rest @ ..] => rest,
            _ => return Err(error(404, "notFound")),
        };
        let principal = self.authorise(request, now)?;
        self.within_quota(now)?;
        let call = Call { request, target, principal, now };
        match (request.method, rest) {
            ("GET", ["users", "me", "calendarList"]) => self.calendar_list(&call),
            ("GET", ["users", "me", "calendarList", id]) => self.calendar_list_entry(&call, id),
            ("POST", ["calendars"]) => self.make_calendar(&call),
            ("GET", ["calendars", id]) => self.calendar(&call, id),
            ("GET", ["calendars", id, "events"]) => self.list(&call, id),
            ("POST", ["calendars", id, "events"]) => self.insert(&call, id),
            ("POST", ["calendars", id, "events", "watch"]) => self.watch(&call, id),
            ("GET", ["calendars", id, "events", entry]) => self.get(&call, id, entry),
            ("PATCH", ["calendars", id, "events", entry]) => self.patch(&call, id, entry),
            ("PUT", ["calendars", id, "events", entry]) => self.update(&call, id, entry),
            ("DELETE", ["calendars", id, "events", entry]) => self.delete(&call, id, entry),
            ("POST", ["channels", "stop"]) => self.stop(&call),
            ("POST", ["freeBusy"]) => self.free_busy(&call),
            _ => Err(error(404, "notFound")),
        }
    }
}

fn retry_after(mut response: Response, seconds: Option<u32>) -> Response {
    if let Some(seconds) = seconds {
        response.headers.push(("retry-after".into(), seconds.to_string()));
    }
    response
}

impl Model for Google {
    fn desk(&mut self) -> &mut Desk {
        &mut self.desk
    }

    fn changes(&self) -> u64 {
        self.change
    }

    fn answer(&mut self, request: &Request, target: &Target, now: DateTime<Utc>) -> Response {
        self.route(request, target, now).unwrap_or_else(|error| error)
    }

    fn failure(&self, target: &Target, status: u16, reason: &str, retry_after_s: Option<u32>) -> Response {
        let response = match target.parts().as_slice() {
            ["token" | "revoke"] => {
                let reason = if reason.is_empty() { "internal_failure" } else { reason };
                errors::token_error(status, reason, "The sandbox was told to say so.")
            }
            _ => error(status, if reason.is_empty() { errors::usual_reason(status) } else { reason }),
        };
        retry_after(response, retry_after_s)
    }

    fn expire_sync_tokens(&mut self) {
        self.sync_generation += 1;
    }

    fn take_deliveries(&mut self, now: DateTime<Utc>) -> Vec<Delivery> {
        self.due_notices(now)
    }

    fn delivered(&mut self, delivery: &Delivery, status: Option<u16>, now: DateTime<Utc>) {
        // Google tries again on these and on no answer; any other status settles it.
        let failed = status.is_none_or(|s| matches!(s, 500 | 502 | 503 | 504));
        self.outbox.settle(delivery.id, failed, now);
    }

    fn control(&mut self, method: &str, target: &Target, body: &Value, now: DateTime<Utc>) -> Option<Response> {
        self.control_call(method, target, body, now)
    }
}
