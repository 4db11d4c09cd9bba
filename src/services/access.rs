//! Authorisation: the only place that decides by role and object, for every transport.

use crate::{
    domain::ids::SourceName,
    ports::tokens::Role,
    record::stream::{Category, StreamName},
};

/// Source name of bookings created through the API.
pub const API_SOURCE: &str = "api";

/// May read bookings, links, attempts and status.
pub const READERS: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin];
/// May read bookings, including a system its own.
pub const BOOKING_READERS: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin, Role::Integration];
/// May create and change bookings.
pub const BOOKING_WRITERS: &[Role] = &[Role::Operator, Role::Admin, Role::Integration];
/// May answer, retry and resync.
pub const OPERATORS: &[Role] = &[Role::Operator, Role::Admin];
/// May erase people, which cannot be undone.
pub const ADMINS: &[Role] = &[Role::Admin];
/// May read events and proofs.
pub const AUDITORS: &[Role] = &[Role::Auditor, Role::Admin];
/// May append events directly, without the rules that commands must obey.
pub const APPENDERS: &[Role] = &[Role::Admin, Role::Integration];
/// May read how far read models are: useful to readers and auditors.
pub const STATUS_READERS: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin, Role::Auditor];

/// All roles, in the order of tables.
pub const ROLES: [Role; 6] =
    [Role::Viewer, Role::Operator, Role::Admin, Role::Auditor, Role::Device, Role::Integration];

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Id of the token, used in logs and as the actor of events.
    pub token: String,
    /// The token's role.
    pub role: Role,
}

impl Caller {
    /// Whether the caller may see and change bookings of that source. An integration sees only those created through this
    /// API, and no other source's customers.
    pub fn may_touch(&self, source: &SourceName) -> bool {
        self.only_source().is_none_or(|own| own == source.as_str())
    }

    /// Whether the caller may append to that stream. An integration may append only to bookings created through this API.
    pub fn may_append(&self, stream: &StreamName) -> bool {
        let of = |source: &str| {
            let id = stream.id.strip_prefix(source).and_then(|rest| rest.strip_prefix('.'));
            stream.category == Category::Booking && id.is_some()
        };
        APPENDERS.contains(&self.role) && self.only_source().is_none_or(of)
    }

    /// The only source whose bookings the caller may see; `None` for all.
    pub fn only_source(&self) -> Option<&'static str> {
        (self.role == Role::Integration).then_some(API_SOURCE)
    }
}

/// The permanent name of a role.
pub fn name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
        Role::Auditor => "auditor",
        Role::Device => "device",
        Role::Integration => "integration",
    }
}
