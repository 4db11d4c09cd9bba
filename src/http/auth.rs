//! Who asks, and what they may do: the one place that decides by role and by object.

use axum::http::{HeaderMap, header};

use super::problem::{Kind, Problem};
use crate::{
    domain::ids::SourceName,
    ports::tokens::{Role, Tokens},
    services::tokens,
};

pub use crate::services::bookings::API_SOURCE;

/// Reads bookings, links, attempts, status.
pub const READERS: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin];
/// Reads bookings, a system's own among them.
pub const BOOKING_READERS: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin, Role::Integration];
/// Creates and changes bookings.
pub const BOOKING_WRITERS: &[Role] = &[Role::Operator, Role::Admin, Role::Integration];
/// Answers, reprocesses, resyncs.
pub const OPERATORS: &[Role] = &[Role::Operator, Role::Admin];
/// Reads events and proofs.
pub const AUDITORS: &[Role] = &[Role::Auditor, Role::Admin];
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

    /// The one source whose bookings they may see, where they may not see all.
    pub fn only_source(&self) -> Option<&'static str> {
        (self.role == Role::Integration).then_some(API_SOURCE)
    }
}

/// The caller, if the token is good and its role is one of `roles`.
///
/// # Errors
/// `Unauthorised`, `Forbidden` or `Unavailable`.
pub async fn admit(tokens: &dyn Tokens, headers: &HeaderMap, roles: &[Role]) -> Result<Caller, Problem> {
    let missing = "send a token of this ledger as `Authorization: Bearer sl_…`";
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = bearer.and_then(|text| text.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
    let Some((_, secret)) = secret else { return Err(Problem::new(Kind::Unauthorised, missing)) };
    // One answer for an unknown token and for a revoked one: which of both it was is nobody's business.
    let Some(token) = tokens::recognise(tokens, secret.trim()).await? else {
        return Err(Problem::new(Kind::Unauthorised, "this token is unknown or was revoked"));
    };
    if !roles.contains(&token.role) {
        return Err(Problem::new(
            Kind::Forbidden,
            format!("a token with the role {} may not do this", name(token.role)),
        ));
    }
    Ok(Caller { token: token.id, role: token.role })
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
