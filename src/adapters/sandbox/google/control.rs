//! Control calls of the Google model, `/_sandbox/…`, for a driver in another process.
//!
//! `GET service-account` (the credentials file) · `POST calendars {id, summary, time_zone}` ·
//! `PATCH calendars/{id} {push?, gone?, access_role?}` · `GET entries/{calendar}[?private=name=value]` ·
//! `POST entries/{calendar} {summary, starts_at, ends_at}` · `GET|DELETE entries/{calendar}/{id}` ·
//! `POST entries/{calendar}/{id}/move {starts_at, ends_at}`, `/rename {summary}`, `/strip`, `/copy` ·
//! `POST access-tokens/expire` · `POST grants/revoke` · `POST grants/restore` · `POST refresh-tokens {scopes}` ·
//! `PUT consent {scopes?}`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Consent, Google, NoSuchEntry, entry::AccessRole, service_account};
use crate::{adapters::sandbox::target::Target, ports::transport::Response};

#[derive(Deserialize)]
struct NewCalendarBody {
    id: String,
    summary: String,
    time_zone: Tz,
}

#[derive(Deserialize)]
struct CalendarBody {
    push: Option<bool>,
    gone: Option<bool>,
    access_role: Option<AccessRole>,
}

#[derive(Deserialize)]
struct Times {
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct NewEntry {
    summary: String,
    #[serde(flatten)]
    times: Times,
}

#[derive(Deserialize)]
struct Name {
    summary: String,
}

#[derive(Deserialize)]
struct Scopes {
    scopes: Vec<String>,
}

#[derive(Deserialize)]
struct ConsentBody {
    /// `None`: everything is granted. Empty: denied.
    scopes: Option<Vec<String>>,
}

impl Google {
    pub(super) fn control_call(
        &mut self,
        method: &str,
        target: &Target,
        body: &Value,
        now: DateTime<Utc>,
    ) -> Option<Response> {
        let parts = target.parts();
        let parts = parts.strip_prefix(&["_sandbox"])?;
        let answer = match (method, parts) {
            ("GET", ["service-account"]) => {
                let base = format!("http://{}", target.host);
                Ok(Response::json(200, &service_account::credentials(&base)))
            }
            ("POST", ["calendars"]) => read::<NewCalendarBody>(body).map(|new| {
                self.add_calendar(&new.id, &new.summary, new.time_zone);
                Response::empty(204)
            }),
            ("PATCH", ["calendars", id]) => {
                read::<CalendarBody>(body).map(|changed| self.change_calendar(id, &changed))
            }
            ("POST", ["access-tokens", "expire"]) => {
                self.expire_access_tokens();
                Ok(Response::empty(204))
            }
            ("POST", ["grants", "revoke"]) => {
                self.revoke_grants();
                Ok(Response::empty(204))
            }
            ("POST", ["grants", "restore"]) => {
                self.restore_service_account();
                Ok(Response::empty(204))
            }
            ("POST", ["refresh-tokens"]) => read::<Scopes>(body).map(|asked| {
                let scopes: Vec<&str> = asked.scopes.iter().map(String::as_str).collect();
                Response::json(200, &json!({"refresh_token": self.refresh_token(&scopes)}))
            }),
            ("PUT", ["consent"]) => read::<ConsentBody>(body).map(|consent| {
                self.consent = match consent.scopes {
                    None => Consent::All,
                    Some(scopes) if scopes.is_empty() => Consent::Denied,
                    Some(scopes) => Consent::Only(scopes),
                };
                Response::empty(204)
            }),
            (_, ["entries", rest @ ..]) => return self.control_entries(method, rest, target, body, now),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal))
    }

    fn control_entries(
        &mut self,
        method: &str,
        parts: &[&str],
        target: &Target,
        body: &Value,
        now: DateTime<Utc>,
    ) -> Option<Response> {
        let done = |result: Result<(), NoSuchEntry>| match result {
            Ok(()) => Response::empty(204),
            Err(error) => Response::json(404, &json!({"error": error.to_string()})),
        };
        let answer = match (method, parts) {
            ("GET", [calendar]) => {
                let entries = match target.query_value("private").and_then(|p| p.split_once('=')) {
                    Some((name, value)) => self.entries_with(calendar, name, value),
                    None => self.entries(calendar),
                };
                Ok(Response::json(200, &json!({"entries": entries})))
            }
            ("GET", [calendar, id]) => Ok(match self.entry(calendar, id) {
                Some(entry) => Response::json(200, &json!(entry)),
                None => Response::json(404, &json!({"error": "no such entry"})),
            }),
            ("POST", [calendar]) if self.find_calendar(calendar).is_none() => {
                Ok(Response::json(404, &json!({"error": "no such calendar"})))
            }
            ("POST", [calendar]) => read::<NewEntry>(body).map(|new| {
                let id = self.create_entry(calendar, &new.summary, new.times.starts_at, new.times.ends_at, now);
                Response::json(201, &json!({"id": id}))
            }),
            ("POST", [calendar, id, "move"]) => {
                read::<Times>(body).map(|to| done(self.move_entry(calendar, id, to.starts_at, to.ends_at, now)))
            }
            ("POST", [calendar, id, "rename"]) => {
                read::<Name>(body).map(|to| done(self.rename_entry(calendar, id, &to.summary, now)))
            }
            ("POST", [calendar, id, "strip"]) => Ok(done(self.strip_marker(calendar, id, now))),
            ("POST", [calendar, id, "copy"]) => Ok(match self.copy_entry(calendar, id, now) {
                Ok(copy) => Response::json(201, &json!({"id": copy})),
                Err(error) => Response::json(404, &json!({"error": error.to_string()})),
            }),
            ("DELETE", [calendar, id]) => Ok(done(self.delete_entry(calendar, id, now))),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal))
    }

    fn change_calendar(&mut self, id: &str, to: &CalendarBody) -> Response {
        let Some(calendar) = self.calendar_mut(id) else {
            return Response::json(404, &json!({"error": "no such calendar"}));
        };
        calendar.push = to.push.unwrap_or(calendar.push);
        calendar.gone = to.gone.unwrap_or(calendar.gone);
        calendar.access_role = to.access_role.unwrap_or(calendar.access_role);
        Response::empty(204)
    }
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, Response> {
    serde_json::from_value(body.clone()).map_err(|error| Response::json(400, &json!({"error": error.to_string()})))
}
