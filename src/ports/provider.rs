//! A calendar provider: entries on remote calendars, and what changed there.
//!
//! Contract: an adapter translates, and does not choose. It sends what the command says, once; a 401 alone is repeated
//! after one refresh. Every failure is one of the classes of the retry matrix; `OutcomeUnknown` whenever a write may have
//! been carried out without our knowing.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::domain::{
    calendar::Window,
    entry::{Content, Marker, RemoteEntry},
    failure::CallFailure,
    ids::{CalendarKey, ChannelId, CursorToken, Etag, Generation, IdempotencyKey, LinkId, RemoteId},
};

/// Where a listing begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListFrom {
    /// Everything in the window that is there now.
    Window(Window),
    /// What changed since this token, removals included.
    Cursor(CursorToken),
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What it lists, ours and others'.
    pub entries: Vec<RemoteEntry>,
    /// How to get the next page; `None` on the last.
    pub next: Option<String>,
    /// On the last page: where the next listing begins.
    pub cursor: Option<CursorToken>,
}

/// A push subscription to be opened.
#[derive(Clone, PartialEq, Eq)]
pub struct WatchRequest {
    /// Its id, chosen by us.
    pub channel: ChannelId,
    /// What its notifications shall bear, so that we believe them. A secret.
    pub token: String,
    /// Where they are to be sent.
    pub address: String,
    /// How long it shall live, in seconds.
    pub life_s: u64,
}

/// Never prints the token.
impl std::fmt::Debug for WatchRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WatchRequest({} to {} for {} s)", self.channel, self.address, self.life_s)
    }
}

/// A push subscription as the provider granted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The provider's name for what is watched: wanted to stop it.
    pub resource: String,
    /// When it ends, as the provider says.
    pub expires_at: DateTime<Utc>,
}

/// A calendar as the provider describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarFacts {
    /// Whether we may write.
    pub writable: bool,
    /// IANA zone of the calendar.
    pub zone: Option<String>,
}

/// One connection at a provider.
#[async_trait]
pub trait CalendarProvider: Send + Sync {
    /// `google`, `microsoft`, `caldav`: for tables, logs and metrics.
    fn name(&self) -> &'static str;

    /// The entry's id for this generation of this link: deterministic, in the provider's alphabet.
    fn identity(&self, link: &LinkId, generation: Generation) -> RemoteId;

    /// What names the query behind this adapter's delta tokens: a token is used only with the query it came from.
    fn query_fingerprint(&self) -> String;

    /// Whether a listing of a window shows everything from the window's beginning on, and does not stop at its end: then an
    /// entry that it lacks is gone, however far ahead it was.
    fn lists_beyond_window(&self) -> bool;

    /// Creates the entry under that id, with that marker.
    async fn create(
        &self,
        calendar: &CalendarKey,
        remote: &RemoteId,
        marker: &Marker,
        content: &Content,
        key: &IdempotencyKey,
    ) -> Result<RemoteEntry, CallFailure>;

    /// Changes the entry from `from` to `content`, if it is still at version `expect`. Sends only what differs.
    async fn update(
        &self,
        calendar: &CalendarKey,
        remote: &RemoteId,
        expect: &Etag,
        from: &Content,
        content: &Content,
        key: &IdempotencyKey,
    ) -> Result<RemoteEntry, CallFailure>;

    /// Deletes the entry, if it is still at version `expect`; `true` where it was gone already.
    async fn delete(&self, calendar: &CalendarKey, remote: &RemoteId, expect: &Etag) -> Result<bool, CallFailure>;

    /// Reads one entry by its id; `None` where the provider answers that there is none (404 or 410 on that id).
    async fn get(&self, calendar: &CalendarKey, remote: &RemoteId) -> Result<Option<RemoteEntry>, CallFailure>;

    /// Reads one page. `page` is the `next` of the page before.
    async fn list(&self, calendar: &CalendarKey, from: &ListFrom, page: Option<&str>) -> Result<Page, CallFailure>;

    /// Opens a push subscription.
    async fn watch(&self, calendar: &CalendarKey, request: &WatchRequest) -> Result<Watch, CallFailure>;

    /// Stops a push subscription. One that the provider does not know is stopped.
    async fn stop(&self, channel: &ChannelId, resource: &str) -> Result<(), CallFailure>;

    /// What the calendar allows us.
    async fn describe(&self, calendar: &CalendarKey) -> Result<CalendarFacts, CallFailure>;

    /// Under whose name we act, and what we asked for; makes sure that the credential works.
    async fn authorise(&self) -> Result<Account, CallFailure>;
}

/// Whose grant a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// A service account's address, or the provider's id of a user.
    pub name: String,
    /// What we asked for.
    pub scopes: Vec<String>,
}
