//! Who asks over HTTP. What they may do is decided in `services/access.rs`.

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
