//! USchedule's webhooks: every change, signed.

use chrono::{DateTime, SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use url::Url;

use super::{Appointment, USchedule};
use crate::{adapters::sandbox::outbox::Delivery, ports::transport::Request};

/// One delivery; every attempt has the same id and body.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    id: String,
    body: String,
}

/// The value of `X-USchedule-Signature`: `v1=` and the hex HMAC-SHA256, with the webhook's secret, of delivery id,
/// Unix seconds and body separated by dots.
pub fn signature(secret: &str, delivery: &str, timestamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{delivery}.{timestamp}.{body}").as_bytes());
    format!("v1={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

impl USchedule {
    /// Queues a webhook for a change, if there is one.
    pub(super) fn announce(&mut self, kind: &str, appointment: &Appointment, now: DateTime<Utc>) {
        if self.settings.webhook.is_none() {
            return;
        }
        let id = format!("whd_{:06}", self.changes);
        let body = json!({
            "id": id,
            "type": kind,
            "created_at": now.to_rfc3339_opts(SecondsFormat::Micros, true),
            "data": {"appointment": appointment.to_json()},
        });
        self.outbox.put(Notice { id, body: body.to_string() }, now);
    }

    /// The webhooks due, signed with the present time.
    pub(super) fn due_notices(&mut self, now: DateTime<Utc>) -> Vec<Delivery> {
        let webhook = self.settings.webhook.clone();
        let path = webhook.as_ref().and_then(|w| Url::parse(&w.url).ok()).map(|u| u.path().to_owned());
        let taken = self.outbox.take(now, &mut self.desk.faults, |_| path.clone());
        let Some(webhook) = webhook else { return Vec::new() };
        let signed = |notice: Notice| {
            let timestamp = now.timestamp();
            let mut request = Request::new("POST", webhook.url.clone())
                .header("content-type", "application/json")
                .header("x-uschedule-delivery", &notice.id)
                .header("x-uschedule-timestamp", timestamp.to_string())
                .header("x-uschedule-signature", signature(&webhook.secret, &notice.id, timestamp, &notice.body));
            request.body = notice.body.into_bytes();
            request
        };
        taken.into_iter().map(|p| Delivery { id: p.id, attempt: p.attempt, request: signed(p.what) }).collect()
    }
}
