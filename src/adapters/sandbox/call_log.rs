//! Log of the calls to a model: the outside view with which the ledger's own audit is compared.

use std::collections::VecDeque;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::ports::transport::Request;

/// The most calls kept; the oldest go first.
pub const CALLS_MAX: usize = 100_000;

/// One call, with secrets removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it came in.
    pub at: DateTime<Utc>,
    /// The HTTP method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Lower-case names; `authorization` carries only its scheme.
    pub headers: Vec<(String, String)>,
    /// The body: JSON, or text with secrets removed; `Null` if there is none.
    pub body: Value,
    /// The status returned, or that would have been; `None` if there was no response.
    pub status: Option<u16>,
    /// Whether the call changed the provider's state, with or without a response.
    pub committed: bool,
    /// The fault applied to it.
    pub fault: Option<&'static str>,
}

impl Call {
    /// The record of a request.
    pub fn of(request: &Request, at: DateTime<Utc>) -> Self {
        let headers = request.headers.iter().map(|(n, v)| (n.clone(), redacted_header(n, v))).collect();
        Self {
            at,
            method: request.method.to_owned(),
            url: request.url.clone(),
            headers,
            body: redacted_body(&request.body),
            status: None,
            committed: false,
            fault: None,
        }
    }

    /// One JSON object in the form `tests/tools/check_google_requests.py` reads, with the outcome beside it.
    pub fn to_json(&self) -> Value {
        let headers: serde_json::Map<_, _> = self.headers.iter().map(|(n, v)| (n.clone(), json!(v))).collect();
        json!({
            "at": self.at.to_rfc3339_opts(SecondsFormat::Micros, true),
            "method": self.method,
            "url": self.url,
            "headers": headers,
            "body": self.body,
            "status": self.status,
            "committed": self.committed,
            "fault": self.fault,
        })
    }
}

fn redacted_header(name: &str, value: &str) -> String {
    match name {
        "authorization" => format!("{} [redacted]", value.split(' ').next().unwrap_or_default()),
        "cookie" | "x-api-key" => "[redacted]".into(),
        _ => value.to_owned(),
    }
}

/// Form fields that may be shown; the values of all others are removed.
const FORM_SHOWN: [&str; 3] = ["grant_type", "scope", "client_id"];

fn redacted_body(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    if let Ok(value) = serde_json::from_slice(body) {
        return value;
    }
    let fields = url::form_urlencoded::parse(body).map(|(name, value)| {
        let value = if FORM_SHOWN.contains(&name.as_ref()) { value } else { "[redacted]".into() };
        format!("{name}={value}")
    });
    Value::String(fields.collect::<Vec<_>>().join("&"))
}

/// The calls of one model, oldest first.
#[derive(Debug, Default)]
pub struct CallLog {
    calls: VecDeque<Call>,
    dropped: u64,
}

impl CallLog {
    /// Adds a call.
    pub fn add(&mut self, call: Call) {
        if self.calls.len() == CALLS_MAX {
            self.calls.pop_front();
            self.dropped += 1;
        }
        self.calls.push_back(call);
    }

    /// Every call kept, oldest first.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Call> {
        self.calls.iter()
    }

    /// Takes every call out, oldest first.
    pub fn take(&mut self) -> Vec<Call> {
        self.calls.drain(..).collect()
    }

    /// How many calls were dropped because more than [`CALLS_MAX`] came.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// One JSON object a line.
    pub fn to_jsonl(&self) -> String {
        self.calls.iter().map(|call| call.to_json().to_string() + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_struck_out() {
        let request = Request {
            method: "POST",
            url: "http://g/token".into(),
            headers: vec![("authorization".into(), "Bearer s3cret".into()), ("accept".into(), "*/*".into())],
            body: b"grant_type=refresh_token&refresh_token=s3cret&client_secret=s3cret".to_vec(),
        };
        let line = Call::of(&request, DateTime::UNIX_EPOCH).to_json().to_string();
        assert!(!line.contains("s3cret"), "{line}");
        assert!(line.contains("grant_type=refresh_token") && line.contains("Bearer [redacted]"), "{line}");
    }

    #[test]
    fn the_oldest_calls_go_first() {
        let mut log = CallLog::default();
        for n in 0..=CALLS_MAX {
            log.add(Call::of(&Request::new("GET", format!("http://g/{n}")), DateTime::UNIX_EPOCH));
        }
        assert_eq!((log.all().len(), log.dropped()), (CALLS_MAX, 1));
        assert_eq!(log.all().next().unwrap().url, "http://g/1");
        assert_eq!(log.take().len(), CALLS_MAX);
        assert_eq!(log.to_jsonl(), "");
    }
}
