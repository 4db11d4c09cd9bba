//! Implements the provider port with Google's API.

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    Google,
    auth::SCOPE,
    errors::{self, Call},
    identity,
    mapping::{self, ReadOptions, text},
    push,
};
use crate::{
    adapters::shared::percent::percent_encoded,
    domain::{
        entry::{Content, Marker, RemoteEntry},
        failure::{CallFailure, FailureClass},
        ids::{CalendarKey, ChannelId, CursorToken, Etag, Generation, IdempotencyKey, LinkId, RemoteId},
    },
    ports::{
        provider::{Account, CalendarFacts, CalendarProvider, ListFrom, Page, Watch, WatchRequest},
        transport::Request,
    },
};

/// Google returns at most 2,500 entries per page; 250 keep the writes of a page under a second.
const PAGE_ENTRIES_MAX: u32 = 250;

/// Parameters shared by all listings with a sync token. Others except `timeMin` must not be set: a token is valid
/// only for a query with the same parameters, and `showDeleted=false` cannot be combined with one.
fn listing_query() -> String {
    format!("maxResults={PAGE_ENTRIES_MAX}&singleEvents=false")
}

#[async_trait]
impl CalendarProvider for Google {
    fn name(&self) -> &'static str {
        "google"
    }

    fn identity(&self, link: &LinkId, generation: Generation) -> RemoteId {
        identity::identity(link, generation)
    }

    /// The first listing has `timeMin` but no `timeMax`: its token is used for weeks, and with an end
    /// it would miss later bookings. It lists more than the window, never less.
    fn query_fingerprint(&self) -> String {
        format!("google.v3 events.list?{}; first listing: timeMin=window.from, no timeMax", listing_query())
    }

    fn lists_beyond_window(&self) -> bool {
        true
    }

    /// Google has no idempotency keys: our own id makes a repeated create safe.
    async fn create(
        &self,
        calendar: &CalendarKey,
        remote: &RemoteId,
        marker: &Marker,
        content: &Content,
        _key: &IdempotencyKey,
    ) -> Result<RemoteEntry, CallFailure> {
        let resource = mapping::resource(remote, marker, content)?;
        let url = format!("{}?sendUpdates=none", self.client.entries_url(calendar)?);
        let (status, answer) = self.client.ask(Call::Create, Request::new("POST", url).json(&resource)).await?;
        let made = self.read(&answer, content).ok_or_else(|| errors::unreadable(Call::Create, status))?;
        if made.id == *remote {
            return Ok(made);
        }
        // No retry here: each attempt would create another entry.
        let summary = "Google created the entry with a different id than requested";
        Err(CallFailure { status: Some(status), ..CallFailure::new(FailureClass::NonRetryable, summary) })
    }

    async fn update(
        &self,
        calendar: &CalendarKey,
        remote: &RemoteId,
        expect: &Etag,
        from: &Content,
        content: &Content,
        _key: &IdempotencyKey,
    ) -> Result<RemoteEntry, CallFailure> {
        let Some(patch) = mapping::patch(from, content) else {
            return self.unchanged(calendar, remote, expect).await;
        };
        let url = format!("{}?sendUpdates=none", self.client.entry_url(calendar, remote)?);
        let request = Request::new("PATCH", url).header("if-match", expect.as_str()).json(&patch);
        match self.client.ask(Call::Update, request).await {
            Ok((status, answer)) => {
                let changed = self.read(&answer, content).filter(|entry| entry.id == *remote);
                changed.ok_or_else(|| errors::unreadable(Call::Update, status))
            }
            Err(failure) => Err(self.client.entry_or_calendar(calendar, remote, failure).await),
        }
    }

    async fn delete(&self, calendar: &CalendarKey, remote: &RemoteId, expect: &Etag) -> Result<bool, CallFailure> {
        let url = format!("{}?sendUpdates=none", self.client.entry_url(calendar, remote)?);
        let request = Request::new("DELETE", url).header("if-match", expect.as_str());
        match self.client.send(Call::Delete, request).await {
            Ok(_) => Ok(false),
            Err(failure) => match self.client.entry_or_calendar(calendar, remote, failure).await {
                failure if failure.class == FailureClass::Gone => Ok(true),
                failure => Err(failure),
            },
        }
    }

    async fn get(&self, calendar: &CalendarKey, remote: &RemoteId) -> Result<Option<RemoteEntry>, CallFailure> {
        let request = Request::new("GET", self.client.entry_url(calendar, remote)?);
        match self.client.ask(Call::Get, request).await {
            Ok((status, answer)) => {
                let entry = mapping::entry(&answer, ReadOptions::default()).filter(|entry| entry.id == *remote);
                entry.map(Some).ok_or_else(|| errors::unreadable(Call::Get, status))
            }
            Err(failure) => match self.client.entry_or_calendar(calendar, remote, failure).await {
                failure if failure.class == FailureClass::Gone => Ok(None),
                failure => Err(failure),
            },
        }
    }

    async fn list(&self, calendar: &CalendarKey, from: &ListFrom, page: Option<&str>) -> Result<Page, CallFailure> {
        let mut query = listing_query();
        let call = match from {
            ListFrom::Window(window) => {
                let from = window.from.to_rfc3339_opts(SecondsFormat::Secs, true);
                query.push_str(&format!("&timeMin={}", percent_encoded(&from)));
                Call::List
            }
            ListFrom::Cursor(token) => {
                query.push_str(&format!("&syncToken={}", percent_encoded(token.as_str())));
                Call::ListChanges
            }
        };
        if let Some(page) = page {
            query.push_str(&format!("&pageToken={}", percent_encoded(page)));
        }
        let url = format!("{}?{query}", self.client.entries_url(calendar)?);
        let (status, answer) = self.client.ask(call, Request::new("GET", url)).await?;
        // A page that cannot be parsed completely fails: a missing entry would look removed.
        self.page(&answer).ok_or_else(|| errors::unreadable(call, status))
    }

    async fn watch(&self, calendar: &CalendarKey, request: &WatchRequest) -> Result<Watch, CallFailure> {
        if request.channel.as_str().len() > 64 || request.token.len() > push::TOKEN_BYTES_MAX {
            let summary = "a channel's id has at most 64 characters and its token at most 256; nothing was sent";
            return Err(CallFailure::new(FailureClass::NonRetryable, summary));
        }
        let life = TimeDelta::seconds(i64::try_from(request.life_s).unwrap_or(i64::MAX).clamp(1, LIFE_S_MAX));
        let ends = self.client.clock.now() + life;
        let url = format!("{}/watch", self.client.entries_url(calendar)?);
        let body = json!({
            "id": request.channel.as_str(),
            "type": "web_hook",
            "address": request.address,
            "token": request.token,
            "expiration": ends.timestamp_millis().to_string(),
        });
        let (status, answer) = self.client.ask(Call::Watch, Request::new("POST", url).json(&body)).await?;
        let resource = text(&answer, "resourceId").ok_or_else(|| errors::unreadable(Call::Watch, status))?.to_owned();
        Ok(Watch { resource, expires_at: expiration(&answer).unwrap_or(ends) })
    }

    async fn stop(&self, channel: &ChannelId, resource: &str) -> Result<(), CallFailure> {
        let url = format!("{}/channels/stop", self.client.api_base);
        let body = json!({"id": channel.as_str(), "resourceId": resource});
        match self.client.send(Call::Stop, Request::new("POST", url).json(&body)).await {
            Err(failure) if failure.class != FailureClass::Gone => Err(failure),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn describe(&self, calendar: &CalendarKey) -> Result<CalendarFacts, CallFailure> {
        let facts = self.client.probe(calendar).await?;
        let role = text(&facts, "accessRole").ok_or_else(|| errors::unreadable(Call::List, 200))?;
        let writable = matches!(role, "owner" | "writer" | "writerWithoutPrivateAccess");
        Ok(CalendarFacts { writable, zone: text(&facts, "timeZone").map(str::to_owned) })
    }

    async fn authorise(&self) -> Result<Account, CallFailure> {
        // A cached token would prove nothing about the credential.
        self.client.tokens.renewed().await?;
        Ok(Account { name: self.client.tokens.account().to_owned(), scopes: vec![SCOPE.to_owned()] })
    }
}

/// The longest channel lifetime we request: thirty days. Google grants seven.
const LIFE_S_MAX: i64 = 30 * 86_400;

impl Google {
    /// Parses Google's answer to a write of `content`: its texts belong to the same subject.
    fn read(&self, answer: &Value, content: &Content) -> Option<RemoteEntry> {
        mapping::entry(answer, ReadOptions { subject: Some(&content.title.subject), zone: None })
    }

    /// An update without changes: reads the entry, and still checks the expected version.
    async fn unchanged(
        &self,
        calendar: &CalendarKey,
        remote: &RemoteId,
        expect: &Etag,
    ) -> Result<RemoteEntry, CallFailure> {
        match self.get(calendar, remote).await? {
            None => Err(CallFailure::new(FailureClass::Gone, "the entry does not exist")),
            Some(entry) if entry.etag == *expect => Ok(entry),
            Some(_) => Err(CallFailure::new(FailureClass::Stale, "the entry changed since we read it")),
        }
    }

    fn page(&self, answer: &Value) -> Option<Page> {
        let reading = ReadOptions { subject: None, zone: text(answer, "timeZone") };
        let items = match answer.get("items") {
            None => &[],
            Some(items) => items.as_array()?.as_slice(),
        };
        let entries = items.iter().map(|item| mapping::entry(item, reading)).collect::<Option<Vec<_>>>()?;
        let next = text(answer, "nextPageToken").map(str::to_owned);
        let cursor = text(answer, "nextSyncToken").filter(|_| next.is_none()).map(|t| CursorToken(t.to_owned()));
        Some(Page { entries, next, cursor })
    }
}

fn expiration(answer: &Value) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(text(answer, "expiration")?.parse().ok()?)
}
