//! Control calls of the USchedule model, `/_sandbox/…`: what customers do in their app.
//!
//! `PUT webhook {url, secret}` · `GET appointments` · `POST appointments` (as in the API) ·
//! `POST appointments/{id}/reschedule {starts_at, ends_at, time_zone?}`, `/describe {service, notes?}`, `/cancel`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Appointment, NewAppointment, Refusal, USchedule, Webhook, answers::error};
use crate::{adapters::sandbox::target::Target, ports::transport::Response};

#[derive(Deserialize)]
struct Slot {
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    #[serde(default)]
    time_zone: Option<Tz>,
}

#[derive(Deserialize)]
struct TextChanges {
    service: String,
    #[serde(default)]
    notes: Option<String>,
}

#[derive(Deserialize)]
struct WebhookBody {
    url: String,
    secret: String,
}

impl USchedule {
    pub(super) fn control_call(
        &mut self,
        method: &str,
        target: &Target,
        body: &Value,
        now: DateTime<Utc>,
    ) -> Option<Response> {
        let parts = target.parts();
        let answer = match (method, parts.strip_prefix(&["_sandbox"])?) {
            ("PUT", ["webhook"]) => read::<WebhookBody>(body).map(|to| {
                self.settings.webhook = Some(Webhook { url: to.url, secret: to.secret });
                Response::empty(204)
            }),
            ("GET", ["appointments"]) => {
                let all: Vec<Value> = self.appointments().map(Appointment::to_json).collect();
                Ok(Response::json(200, &json!({"appointments": all})))
            }
            ("POST", ["appointments"]) => read::<NewAppointment>(body).map(|new| match self.create(new, now) {
                Ok(id) => self.now_as(201, &id),
                Err(refusal) => refusal.into(),
            }),
            ("POST", ["appointments", id, "reschedule"]) => read::<Slot>(body).map(|to| {
                let done = self.reschedule(id, to.starts_at, to.ends_at, to.time_zone, now);
                self.done(id, done)
            }),
            ("POST", ["appointments", id, "describe"]) => read::<TextChanges>(body).map(|to| {
                let done = self.describe(id, &to.service, to.notes.as_deref(), now);
                self.done(id, done)
            }),
            ("POST", ["appointments", id, "cancel"]) => {
                let done = self.cancel(id, now);
                Ok(self.done(id, done))
            }
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal))
    }

    fn done(&self, id: &str, result: Result<(), Refusal>) -> Response {
        result.map_or_else(Response::from, |()| self.now_as(200, id))
    }

    fn now_as(&self, status: u16, id: &str) -> Response {
        self.appointment(id).map_or_else(|| Response::empty(204), |a| Response::json(status, &a.to_json()))
    }
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, Response> {
    serde_json::from_value(body.clone()).map_err(|e| error(400, "invalid", &e.to_string()))
}
