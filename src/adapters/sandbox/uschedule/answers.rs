//! USchedule's REST API: routes, cursors, idempotency keys, errors.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Appointment, NewAppointment, Refusal, USchedule};
use crate::{
    adapters::sandbox::target::Target,
    ports::transport::{Request, Response},
};

type Answer = Result<Response, Response>;

/// How long an idempotency key is remembered.
const KEY_LIFE: TimeDelta = TimeDelta::hours(24);

/// A successful response remembered for an idempotency key.
#[derive(Debug, Clone)]
pub(super) struct StoredAnswer {
    call: String,
    response: Response,
    at: DateTime<Utc>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slot {
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    #[serde(default)]
    time_zone: Option<Tz>,
}

/// An error in USchedule's shape.
pub(super) fn error(status: u16, code: &str, message: &str) -> Response {
    Response::json(status, &json!({"error": {"code": code, "message": message}}))
}

/// The default code of a status.
pub(super) fn usual_code(status: u16) -> &'static str {
    match status {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        409 => "slot_taken",
        412 => "revision_mismatch",
        422 => "invalid",
        429 => "rate_limited",
        503 => "unavailable",
        _ => "internal",
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::Unknown(_) => (404, "not_found"),
            Refusal::SlotTaken { .. } => (409, "slot_taken"),
            Refusal::Cancelled(_) => (409, "cancelled"),
            Refusal::NoDuration | Refusal::NoResource => (422, "invalid"),
        };
        error(status, code, &refusal.to_string())
    }
}

impl USchedule {
    pub(super) fn route(&mut self, request: &Request, target: &Target, now: DateTime<Utc>) -> Answer {
        let key = request.header_value("authorization").and_then(|h| h.strip_prefix("Bearer "));
        if key != Some(self.settings.api_key.as_str()) {
            return Err(error(401, "unauthorized", "An API key is needed."));
        }
        match (request.method, target.parts().as_slice()) {
            ("GET", ["v1", "appointments"]) => self.page(target),
            ("GET", ["v1", "appointments", id]) => Ok(appointment_response(200, self.known(id)?)),
            ("POST", ["v1", "appointments"]) => self.once(request, target, now, |model| {
                let new: NewAppointment = body(request)?;
                let id = model.create(new, now)?;
                Ok(appointment_response(201, model.known(&id)?))
            }),
            ("PATCH", ["v1", "appointments", id]) => self.once(request, target, now, |model| {
                check_match(request, model.known(id)?)?;
                let to: Slot = body(request)?;
                model.reschedule(id, to.starts_at, to.ends_at, to.time_zone, now)?;
                Ok(appointment_response(200, model.known(id)?))
            }),
            ("POST", ["v1", "appointments", id, "cancel"]) => self.once(request, target, now, |model| {
                check_match(request, model.known(id)?)?;
                model.cancel(id, now)?;
                Ok(appointment_response(200, model.known(id)?))
            }),
            _ => Err(error(404, "not_found", "There is no such call.")),
        }
    }

    fn known(&self, id: &str) -> Result<&Appointment, Response> {
        self.appointments.get(id).ok_or_else(|| Refusal::Unknown(id.into()).into())
    }

    /// Runs a write once per idempotency key. Successes are remembered; a refusal or failure is not.
    fn once(
        &mut self,
        request: &Request,
        target: &Target,
        now: DateTime<Utc>,
        write: impl FnOnce(&mut Self) -> Answer,
    ) -> Answer {
        self.answered.retain(|_, answered| answered.at > now - KEY_LIFE);
        let Some(key) = request.header_value("idempotency-key") else { return write(self) };
        let call = format!("{} {} {}", request.method, target.path, String::from_utf8_lossy(&request.body));
        if let Some(answered) = self.answered.get(key) {
            if answered.call == call {
                return Ok(answered.response.clone());
            }
            return Err(error(422, "idempotency_key_reused", "The key was used for another call."));
        }
        let response = write(self)?;
        self.answered.insert(key.to_owned(), StoredAnswer { call, response: response.clone(), at: now });
        Ok(response)
    }

    /// `GET /v1/appointments`: by time of change, then id.
    fn page(&self, target: &Target) -> Answer {
        let invalid = |name: &str| error(422, "invalid", &format!("{name} is not valid."));
        let since = match target.query_value("updated_since") {
            None => DateTime::UNIX_EPOCH,
            Some(text) => DateTime::parse_from_rfc3339(text).map_err(|_| invalid("updated_since"))?.to_utc(),
        };
        let limit = match target.query_value("limit") {
            None => self.settings.page_max,
            Some(text) => match text.parse::<usize>() {
                Ok(n) if n > 0 => n.min(self.settings.page_max),
                _ => return Err(invalid("limit")),
            },
        };
        let after = match target.query_value("page_token") {
            None => None,
            Some(text) => Some(place_of(text).ok_or_else(|| invalid("page_token"))?),
        };
        let mut found: Vec<&Appointment> = self.appointments.values().filter(|a| a.updated_at >= since).collect();
        found.sort_by_key(|a| place(a));
        found.retain(|a| after.as_ref().is_none_or(|after| place(a) > *after));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| token(last));
        let appointments: Vec<Value> = found.iter().map(|a| a.to_json()).collect();
        Ok(Response::json(200, &json!({"appointments": appointments, "next_page_token": next})))
    }
}

fn place(appointment: &Appointment) -> (i64, String) {
    (appointment.updated_at.timestamp_micros(), appointment.id.clone())
}

fn token(appointment: &Appointment) -> String {
    let (micros, id) = place(appointment);
    BASE64URL_NOPAD.encode(format!("{micros} {id}").as_bytes())
}

fn place_of(token: &str) -> Option<(i64, String)> {
    let text = String::from_utf8(BASE64URL_NOPAD.decode(token.as_bytes()).ok()?).ok()?;
    let (micros, id) = text.split_once(' ')?;
    Some((micros.parse().ok()?, id.to_owned()))
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Response> {
    serde_json::from_slice(&request.body).map_err(|e| error(422, "invalid", &e.to_string()))
}

/// `If-Match: "<revision>"`, if given, must match the appointment's revision.
fn check_match(request: &Request, appointment: &Appointment) -> Result<(), Response> {
    match request.header_value("if-match") {
        None => Ok(()),
        Some(given) if given == format!("\"{}\"", appointment.revision) => Ok(()),
        Some(_) => {
            let message = format!("The appointment is at revision {}.", appointment.revision);
            Err(error(412, "revision_mismatch", &message))
        }
    }
}

fn appointment_response(status: u16, appointment: &Appointment) -> Response {
    let mut response = Response::json(status, &appointment.to_json());
    response.headers.push(("etag".into(), format!("\"{}\"", appointment.revision)));
    response
}
