//! Who may do what: the one place that decides by role and by object, whatever way they came.

use crate::{
    domain::ids::SourceName,
    ports::tokens::Role,
    record::stream::{Category, StreamName},
};

/// The source of bookings that are created through this API.
pub const API_SOURCE: &str = "api";

/// Reads bookings, links, attempts, status.
pub const READERS: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin];
/// Reads bookings, a system's own among them.
pub const BOOKING_READERS: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin, Role::Integration];
/// Creates and changes bookings.
pub const BOOKING_WRITERS: &[Role] = &[Role::Operator, Role::Admin, Role::Integration];
/// Answers, reprocesses, resyncs.
pub const OPERATORS: &[Role] = &[Role::Operator, Role::Admin];
/// Forgets people: nothing brings them back.
pub const ADMINS: &[Role] = &[Role::Admin];
/// Reads events and proofs.
pub const AUDITORS: &[Role] = &[Role::Auditor, Role::Admin];
/// Appends events as they are, past the rules that commands are held to.
pub const APPENDERS: &[Role] = &[Role::Admin, Role::Integration];
/// Reads how far read models are: of use to readers and auditors.
pub const STATUS_READERS: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin, Role::Auditor];

/// Every role, in the order of tables.
pub const ROLES: [Role; 6] =
    [Role::Viewer, Role::Operator, Role::Admin, Role::Auditor, Role::Device, Role::Integration];

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Their token's id: named in logs and as actor of events.
    pub token: String,
    /// What they may do.
    pub role: Role,
}

impl Caller {
    /// Whether bookings of that source are theirs to see and to change. A system sees what came through this API, and no
    /// other source's customers.
    pub fn may_touch(&self, source: &SourceName) -> bool {
        self.only_source().is_none_or(|own| own == source.as_str())
    }

    /// Whether events are theirs to append to that stream: a system's are those of bookings that came through this API.
    pub fn may_append(&self, stream: &StreamName) -> bool {
        let of = |source: &str| {
            let id = stream.id.strip_prefix(source).and_then(|rest| rest.strip_prefix('.'));
            stream.category == Category::Booking && id.is_some()
        };
        APPENDERS.contains(&self.role) && self.only_source().is_none_or(of)
    }

    /// The one source whose bookings they may see, where they may not see all.
    pub fn only_source(&self) -> Option<&'static str> {
        (self.role == Role::Integration).then_some(API_SOURCE)
    }
}

/// A role's permanent name.
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
