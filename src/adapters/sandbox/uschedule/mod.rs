//! A model of USchedule, the booking system of the golf studio. Its API is assumed, because none is public: this and
//! `docs/operating/uschedule-api.md` together describe what the source adapter relies on.

mod answers;
mod appointment;
mod book;
mod control;
mod state;
mod webhook;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use appointment::{Appointment, Customer, NewAppointment, Status};
pub use book::Refusal;
pub use webhook::signature;

use super::{
    model::{Desk, Model},
    outbox::{Delivery, Outbox},
    target::Target,
};
use crate::ports::transport::{Request, Response};

/// Settings of the model.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The API key, sent as a bearer token.
    pub api_key: String,
    /// Webhook for changes, if any.
    pub webhook: Option<Webhook>,
    /// Maximum number of appointments per page.
    pub page_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { api_key: "sandbox-key".into(), webhook: None, page_max: 200 }
    }
}

/// Webhook for changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The address.
    pub url: String,
    /// Secret for signatures.
    pub secret: String,
}

/// The model.
#[derive(Debug)]
pub struct USchedule {
    settings: Settings,
    desk: Desk,
    changes: u64,
    made: u64,
    last_update: DateTime<Utc>,
    appointments: BTreeMap<String, Appointment>,
    answered: BTreeMap<String, answers::StoredAnswer>,
    outbox: Outbox<webhook::Notice>,
}

impl USchedule {
    /// A booking system without appointments.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            desk: Desk::default(),
            changes: 0,
            made: 0,
            last_update: DateTime::UNIX_EPOCH,
            appointments: BTreeMap::new(),
            answered: BTreeMap::new(),
            outbox: Outbox::new(&[1, 5, 30, 120]),
        }
    }

    /// The settings. May be changed at any time.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

impl Model for USchedule {
    fn desk(&mut self) -> &mut Desk {
        &mut self.desk
    }

    fn changes(&self) -> u64 {
        self.changes
    }

    fn answer(&mut self, request: &Request, target: &Target, now: DateTime<Utc>) -> Response {
        self.route(request, target, now).unwrap_or_else(|error| error)
    }

    fn failure(&self, _target: &Target, status: u16, reason: &str, retry_after_s: Option<u32>) -> Response {
        let code = if reason.is_empty() { answers::usual_code(status) } else { reason };
        let mut response = answers::error(status, code, "The sandbox was told to say so.");
        if let Some(seconds) = retry_after_s {
            response.headers.push(("retry-after".into(), seconds.to_string()));
        }
        response
    }

    fn expire_sync_tokens(&mut self) {
        // Its cursor is a time and an id, and never expires.
    }

    fn take_deliveries(&mut self, now: DateTime<Utc>) -> Vec<Delivery> {
        self.due_notices(now)
    }

    fn delivered(&mut self, delivery: &Delivery, status: Option<u16>, now: DateTime<Utc>) {
        let failed = !status.is_some_and(|s| (200..300).contains(&s));
        self.outbox.settle(delivery.id, failed, now);
    }

    fn control(&mut self, method: &str, target: &Target, body: &Value, now: DateTime<Utc>) -> Option<Response> {
        self.control_call(method, target, body, now)
    }
}
