//! A calendar provider: entries on remote calendars, and their changes.
//!
//! Contract: an adapter translates and makes no decisions. It sends a command once; only a 401 is retried
//! after a token refresh. Every failure is a class of the retry matrix; `OutcomeUnknown` if a write may have
//! been carried out without our knowledge.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::domain::{
    calendar::Window,
    entry::{Content, Marker, RemoteEntry},
    failure::CallFailure,
    ids::{CalendarKey, ChannelId, CursorToken, Etag, Generation, IdempotencyKey, LinkId, RemoteId},
};

/// Where a listing starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListFrom {
    /// All entries now in the window.
    Window(Window),
    /// All changes since this token, including removals.
    Cursor(CursorToken),
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The listed entries, ours and others.
    pub entries: Vec<RemoteEntry>,
    /// Token of the next page; `None` on the last one.
    pub next: Option<String>,
    /// On the last page: cursor for the next listing.
    pub cursor: Option<CursorToken>,
}

/// A push channel to open.
#[derive(Clone, PartialEq, Eq)]
pub struct WatchRequest {
    /// Its id, chosen by us.
    pub channel: ChannelId,
    /// Token that its notifications must carry. A secret.
    pub token: String,
    /// Address to send them to.
    pub address: String,
    /// Requested lifetime, in seconds.
    pub life_s: u64,
}

/// Never prints the token.
impl std::fmt::Debug for WatchRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WatchRequest({} to {} for {} s)", self.channel, self.address, self.life_s)
    }
}

/// A push channel as granted by the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The provider's id of the watched resource, needed to stop the channel.
    pub resource: String,
    /// Its expiry, as answered by the provider.
    pub expires_at: DateTime<Utc>,
}

/// A calendar as the provider describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarFacts {
    /// Whether we may write.
    pub writable: bool,
    /// Its IANA time zone.
    pub zone: Option<String>,
}

/// One connection to a provider.
#[async_trait]
pub trait CalendarProvider: Send + Sync {
    /// `google`, `microsoft`, `caldav`: for tables, logs and metrics.
    fn name(&self) -> &'static str;

    /// The entry's id for this generation of a link: deterministic, in the provider's alphabet.
    fn identity(&self, link: &LinkId, generation: Generation) -> RemoteId;

    /// Fingerprint of the query behind this adapter's delta tokens: a token is used only with its own query.
    fn query_fingerprint(&self) -> String;

    /// Whether a listing of a window shows everything from the window's start on and does not stop at its end. An entry that
    /// such a listing lacks is gone, however far ahead it was.
    fn lists_beyond_window(&self) -> bool;

    /// Creates the entry with this id and marker.
    async fn create(
        &self,
        calendar: &CalendarKey,
        remote: &RemoteId,
        marker: &Marker,
        content: &Content,
        key: &IdempotencyKey,
    ) -> Result<RemoteEntry, CallFailure>;

    /// Changes the entry from `from` to `content`, if it still has version `expect`. Sends only what differs.
    async fn update(
        &self,
        calendar: &CalendarKey,
        remote: &RemoteId,
        expect: &Etag,
        from: &Content,
        content: &Content,
        key: &IdempotencyKey,
    ) -> Result<RemoteEntry, CallFailure>;

    /// Deletes the entry, if it still has version `expect`; `true` if it was already gone.
    async fn delete(&self, calendar: &CalendarKey, remote: &RemoteId, expect: &Etag) -> Result<bool, CallFailure>;

    /// Reads an entry by id; `None` if the provider answers that it does not exist (404 or 410 for that id).
    async fn get(&self, calendar: &CalendarKey, remote: &RemoteId) -> Result<Option<RemoteEntry>, CallFailure>;

    /// Reads one page. `page` is `next` of the previous one.
    async fn list(&self, calendar: &CalendarKey, from: &ListFrom, page: Option<&str>) -> Result<Page, CallFailure>;

    /// Opens a push channel.
    async fn watch(&self, calendar: &CalendarKey, request: &WatchRequest) -> Result<Watch, CallFailure>;

    /// Stops a push channel. Succeeds if the provider does not know it.
    async fn stop(&self, channel: &ChannelId, resource: &str) -> Result<(), CallFailure>;

    /// Our permissions on the calendar, and its properties.
    async fn describe(&self, calendar: &CalendarKey) -> Result<CalendarFacts, CallFailure>;

    /// Tests the credential; returns the account and scopes.
    async fn authorise(&self) -> Result<Account, CallFailure>;
}

/// The account and scopes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Address of the service account, or the provider's id of the user.
    pub name: String,
    /// The requested scopes.
    pub scopes: Vec<String>,
}
