//! Authentication over HTTP. What a caller may do is decided in `services/access.rs`.

use axum::http::{HeaderMap, header};

use super::problem::{Kind, Problem};
pub use crate::services::access::{
    ADMINS, API_SOURCE, AUDITORS, BOOKING_READERS, BOOKING_WRITERS, Caller, OPERATORS, READERS, ROLES, STATUS_READERS,
    name,
};
use crate::{
    ports::tokens::{Role, Tokens},
    services::operators::tokens,
};

/// The caller, if the token is valid and its role is one of `roles`.
///
/// # Errors
/// `Unauthorised`, `Forbidden` or `Unavailable`.
pub async fn admit(tokens: &dyn Tokens, headers: &HeaderMap, roles: &[Role]) -> Result<Caller, Problem> {
    let missing = "send an API token as `Authorization: Bearer sl_…`";
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = bearer.and_then(|text| text.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
    let Some((_, secret)) = secret else { return Err(Problem::new(Kind::Unauthorised, missing)) };
    // The same answer for unknown and revoked tokens, so that it reveals nothing.
    let Some(token) = tokens::recognise(tokens, secret.trim()).await? else {
        return Err(Problem::new(Kind::Unauthorised, "this token is unknown or revoked"));
    };
    if !roles.contains(&token.role) {
        return Err(Problem::new(Kind::Forbidden, format!("the role {} is not allowed to do this", name(token.role))));
    }
    Ok(Caller { token: token.id, role: token.role })
}
