//! A connection: an authorised grant at a provider.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    failure::CallFailure,
    ids::{ConnectionId, RemoteCalendarId},
};

/// A fact about a connection. Type: `connection.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// The provider gave us a token for the first time.
    Authorised {
        /// The connection.
        connection: ConnectionId,
        /// `google`, `microsoft`, `caldav`.
        provider: String,
        /// Under whose name we act there: a service account's address, which is no person's.
        account: String,
        /// What we asked for.
        scopes: Vec<String>,
    },
    /// The provider did not give us a token. The grant may still stand.
    RefreshFailed {
        /// The connection.
        connection: ConnectionId,
        /// What went wrong.
        failure: CallFailure,
        /// When it is tried again.
        retry_at: DateTime<Utc>,
    },
    /// The provider says that the grant is gone (`invalid_grant`). Nothing is sent until it is renewed.
    Revoked {
        /// The connection.
        connection: ConnectionId,
        /// What the provider said.
        failure: CallFailure,
    },
    /// The grant works again. What waited is taken up.
    Reauthorised {
        /// The connection.
        connection: ConnectionId,
    },
    /// A calendar of this connection is used by a route.
    CalendarSelected {
        /// The connection.
        connection: ConnectionId,
        /// The calendar.
        calendar: RemoteCalendarId,
    },
    /// A calendar of this connection is not used by any route any more.
    CalendarDeselected {
        /// The connection.
        connection: ConnectionId,
        /// The calendar.
        calendar: RemoteCalendarId,
    },
}

impl Event {
    /// The last part of the event's type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Authorised { .. } => "authorised",
            Self::RefreshFailed { .. } => "refresh_failed",
            Self::Revoked { .. } => "revoked",
            Self::Reauthorised { .. } => "reauthorised",
            Self::CalendarSelected { .. } => "calendar_selected",
            Self::CalendarDeselected { .. } => "calendar_deselected",
        }
    }
}

/// Whether a connection works, as far as its events tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connection {
    /// The provider gave us a token once.
    pub authorised: bool,
    /// The grant is gone.
    pub revoked: bool,
    /// Refreshes that failed since the last that worked.
    pub refresh_failures: u32,
    /// No refresh is tried before this.
    pub retry_at: Option<DateTime<Utc>>,
}

/// The connection after one more event. Total: every event applies to every state.
pub fn evolve(mut connection: Connection, event: &Event) -> Connection {
    match event {
        Event::Authorised { .. } | Event::Reauthorised { .. } => {
            connection = Connection { authorised: true, ..Connection::default() };
        }
        Event::RefreshFailed { retry_at, .. } => {
            connection.refresh_failures += 1;
            connection.retry_at = Some(*retry_at);
        }
        Event::Revoked { .. } => connection.revoked = true,
        Event::CalendarSelected { .. } | Event::CalendarDeselected { .. } => {}
    }
    connection
}
