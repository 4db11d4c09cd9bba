//! One authorised call on the calendar API, with its parts at hand.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    auth::Principal,
    entry::Entry,
    errors::{error, error_saying, invalid},
};
use crate::{
    adapters::sandbox::target::Target,
    ports::transport::{Request, Response},
};

/// One authorised call.
pub(super) struct Call<'a> {
    pub request: &'a Request,
    pub target: &'a Target,
    pub principal: Principal,
    pub now: DateTime<Utc>,
}

impl Call<'_> {
    /// The body, which must be a JSON object.
    pub fn object(&self) -> Result<Map<String, Value>, Response> {
        match serde_json::from_slice(&self.request.body) {
            Ok(Value::Object(map)) => Ok(map),
            _ => Err(error_saying(400, "parseError", "Parse Error")),
        }
    }

    /// A boolean query parameter.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Response> {
        match self.target.query_value(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(&format!("Invalid boolean value for: {name}"))),
        }
    }

    /// `maxResults`, from 1 up.
    pub fn max_results(&self) -> Result<Option<usize>, Response> {
        let Some(text) = self.target.query_value("maxResults") else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(n) if n > 0 => Ok(Some(n)),
            _ => Err(invalid("Invalid integer value for: maxResults")),
        }
    }

    /// Refuses the call where `If-Match` names another state than the entry's.
    pub fn check_match(&self, entry: &Entry) -> Result<(), Response> {
        match self.request.header_value("if-match") {
            None | Some("*") => Ok(()),
            Some(etag) if Some(etag) == entry.text("etag") => Ok(()),
            Some(_) => Err(error(412, "conditionNotMet")),
        }
    }

    /// Checks `sendUpdates`, which must be one of Google's words.
    pub fn check_send_updates(&self) -> Result<(), Response> {
        match self.target.query_value("sendUpdates") {
            None | Some("all" | "externalOnly" | "none") => Ok(()),
            Some(_) => Err(invalid("Invalid string value for: sendUpdates")),
        }
    }
}
