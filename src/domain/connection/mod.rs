//! A connection: our access to a calendar provider.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    failure::CallFailure,
    ids::{ConnectionId, RemoteCalendarId},
};

/// An event of a connection. Type: `connection.<variant in snake case>`.
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
        /// The account we act as: the address of a service account, which is not a person's.
        account: String,
        /// The requested scopes.
        scopes: Vec<String>,
    },
    /// The provider did not give us a token. Access may still be granted.
    RefreshFailed {
        /// The connection.
        connection: ConnectionId,
        /// What went wrong.
        failure: CallFailure,
        /// When to retry.
        retry_at: DateTime<Utc>,
    },
    /// The provider says that access was revoked (`invalid_grant`). Nothing is sent until it is granted again.
    Revoked {
        /// The connection.
        connection: ConnectionId,
        /// What the provider said.
        failure: CallFailure,
    },
    /// Access works again. What was waiting continues.
    Reauthorised {
        /// The connection.
        connection: ConnectionId,
    },
    /// A route uses a calendar of this connection.
    CalendarSelected {
        /// The connection.
        connection: ConnectionId,
        /// The calendar.
        calendar: RemoteCalendarId,
    },
    /// No route uses a calendar of this connection any more.
    CalendarDeselected {
        /// The connection.
        connection: ConnectionId,
        /// The calendar.
        calendar: RemoteCalendarId,
    },
}

impl Event {
    /// The last part of the event type.
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

/// Whether a connection works, according to its events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connection {
    /// Whether the provider ever gave us a token.
    pub authorised: bool,
    /// Whether access was revoked.
    pub revoked: bool,
    /// Failed token refreshes since the last success.
    pub refresh_failures: u32,
    /// No token refresh before this time.
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
