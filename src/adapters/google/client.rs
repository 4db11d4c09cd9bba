//! One call to Google's calendar API: URL, bearer token, and one retry after a 401.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    auth::Tokens,
    errors::{self, Call},
};
use crate::{
    adapters::shared::{pause::Pause, percent::percent_encoded},
    domain::{
        failure::{CallFailure, FailureClass},
        ids::{CalendarKey, RemoteId},
    },
    ports::{
        clock::Clock,
        transport::{Request, Response, Transport},
    },
};

const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls the API with one credential.
pub(super) struct Client {
    pub transport: Arc<dyn Transport>,
    pub clock: Arc<dyn Clock>,
    pub tokens: Tokens,
    /// Without a trailing slash.
    pub api_base: String,
    pub pause: Pause,
}

impl Client {
    /// `<base>/calendars/<id>/events`.
    pub fn entries_url(&self, calendar: &CalendarKey) -> Result<String, CallFailure> {
        Ok(format!("{}/calendars/{}/events", self.api_base, segment(calendar.calendar.as_str())?))
    }

    /// `<base>/calendars/<id>/events/<id>`.
    pub fn entry_url(&self, calendar: &CalendarKey, remote: &RemoteId) -> Result<String, CallFailure> {
        Ok(format!("{}/{}", self.entries_url(calendar)?, segment(remote.as_str())?))
    }

    /// Sends the request with a token, and once more with a new one if it is refused. Returns 2xx responses only.
    pub async fn send(&self, call: Call, request: Request) -> Result<Response, CallFailure> {
        let token = self.tokens.current().await?;
        let response = self.send_once(call, request.clone().header("authorization", token.header())).await?;
        if response.status != 401 {
            return self.judge(call, response);
        }
        // A call answered with 401 had no effect, so it is safe to retry writes as well.
        let token = self.tokens.other_than(Some(&token)).await?;
        let response = self.send_once(call, request.header("authorization", token.header())).await?;
        self.judge(call, response)
    }

    async fn send_once(&self, call: Call, request: Request) -> Result<Response, CallFailure> {
        let request = request.header("accept", "application/json");
        self.pause.check(self.clock.now())?;
        let answer = self.transport.send(request, CALL_TIMEOUT).await;
        let response = answer.map_err(|failure| errors::unanswered(&failure, call))?;
        self.pause.heed(&response, self.clock.now());
        Ok(response)
    }

    fn judge(&self, call: Call, response: Response) -> Result<Response, CallFailure> {
        if (200..300).contains(&response.status) {
            Ok(response)
        } else {
            Err(errors::refused(&response, call, self.clock.now()))
        }
    }

    /// Like [`Client::send`], and parses the JSON object of the response.
    pub async fn ask(&self, call: Call, request: Request) -> Result<(u16, Value), CallFailure> {
        let response = self.send(call, request).await?;
        match serde_json::from_slice::<Value>(&response.body) {
            Ok(value) if value.is_object() => Ok((response.status, value)),
            Ok(_) | Err(_) => Err(errors::unreadable(call, response.status)),
        }
    }

    /// Reads properties of the calendar with the smallest possible listing.
    pub async fn probe(&self, calendar: &CalendarKey) -> Result<Value, CallFailure> {
        let url = format!("{}?maxResults=1", self.entries_url(calendar)?);
        self.ask(Call::List, Request::new("GET", url)).await.map(|(_, facts)| facts)
    }

    /// A 404 for an entry may mean that the *calendar* is gone or no longer shared, which says nothing about the entry.
    /// Returns `failure` if the calendar exists and still lacks the entry, otherwise why it is not known.
    pub async fn entry_or_calendar(
        &self,
        calendar: &CalendarKey,
        remote: &RemoteId,
        failure: CallFailure,
    ) -> CallFailure {
        if failure.class != FailureClass::Gone || failure.status != Some(404) {
            return failure;
        }
        if let Err(of_calendar) = self.probe(calendar).await {
            return of_calendar;
        }
        // The calendar may have come back between the two calls.
        let url = match self.entry_url(calendar, remote) {
            Ok(url) => url,
            Err(invalid) => return invalid,
        };
        match self.ask(Call::Get, Request::new("GET", url)).await {
            Err(again) if again.class == FailureClass::Gone => failure,
            Err(again) => again,
            Ok(_) => {
                CallFailure::new(FailureClass::Transient, "Google did not find the entry, and found it right after")
            }
        }
    }
}

/// Encodes a path segment. An empty one, or dots, would address another resource.
fn segment(text: &str) -> Result<String, CallFailure> {
    if text.is_empty() || text == "." || text == ".." || text.len() > 1024 {
        return Err(CallFailure::new(FailureClass::NonRetryable, "the id is not valid in a URL; nothing was sent"));
    }
    Ok(percent_encoded(text))
}
