//! The model's rules, one by one, against calls as a client makes them.

mod access;
mod lists;
mod pushes;
mod writes;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Google, Settings};
use crate::{
    adapters::sandbox::model::{Model, Outcome},
    ports::transport::{Request, Response},
};

const BASE: &str = "https://www.googleapis.com/calendar/v3";
const BAY: &str = "bay1@group.calendar.google.com";
const EVENTS: &str = "/calendars/bay1@group.calendar.google.com/events";
const ALL: &str = "https://www.googleapis.com/auth/calendar";

/// A model with one calendar, and someone who calls it.
struct Bench {
    google: Google,
    token: String,
    now: DateTime<Utc>,
}

impl Bench {
    fn new() -> Self {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let mut google = Google::new(Settings::default());
        google.add_calendar(BAY, "Bay 1", chrono_tz::America::New_York);
        let token = google.access_token(&[ALL], now);
        Self { google, token, now }
    }

    fn send(&mut self, request: &Request) -> Response {
        match self.google.handle(request, self.now) {
            Outcome::Answer { response, .. } => response,
            other => panic!("no answer: {other:?}"),
        }
    }

    fn request(&self, method: &'static str, path: &str) -> Request {
        Request::new(method, format!("{BASE}{path}")).header("authorization", format!("Bearer {}", self.token))
    }

    fn get(&mut self, path: &str) -> (u16, Value) {
        let request = self.request("GET", path);
        parts(&self.send(&request))
    }

    fn call(&mut self, method: &'static str, path: &str, body: &Value) -> (u16, Value) {
        let request = self.request(method, path).json(body);
        parts(&self.send(&request))
    }

    fn delete(&mut self, id: &str) -> u16 {
        let request = self.request("DELETE", &format!("{EVENTS}/{id}"));
        self.send(&request).status
    }

    fn insert(&mut self, id: &str) -> Value {
        let (status, entry) = self.call("POST", EVENTS, &hour(id, 15));
        assert_eq!(status, 200, "{entry}");
        self.advance(1);
        entry
    }

    fn advance(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
    }
}

/// A body for an entry of one hour, starting at this hour UTC.
fn hour(id: &str, from: u32) -> Value {
    json!({
        "id": id,
        "summary": "Bay 1",
        "start": {"dateTime": format!("2026-11-23T{from:02}:00:00Z")},
        "end": {"dateTime": format!("2026-11-23T{:02}:00:00Z", from + 1)},
        "extendedProperties": {"private": {"link": id}},
    })
}

fn parts(response: &Response) -> (u16, Value) {
    (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null))
}

fn reason(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["errors"][0]["reason"].as_str().unwrap_or_default())
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}
