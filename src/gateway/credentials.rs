//! Who calls. A token of ours as `Bearer`, or as the password of `Basic`, where the user's name is free: stock clients know
//! names and passwords only. What a role may do is decided in `services/access.rs`.

use std::time::Duration;

use data_encoding::BASE64;
use tonic::{Status, metadata::MetadataMap};
use zeroize::Zeroizing;

use crate::{
    ports::tokens::{Role, Tokens},
    services::{
        access::{self, Caller},
        operators::tokens,
    },
};

/// The longest credentials that are looked at, in bytes.
const CREDENTIALS_BYTES_MAX: usize = 1_024;

/// A caller and what they came in with: calls that have no end are not to outlive a token.
pub(super) struct AdmittedCaller {
    /// Who calls.
    pub(super) caller: Caller,
    secret: Zeroizing<String>,
}

impl AdmittedCaller {
    /// Returns once the token opens nothing any more. Where that cannot be found out it is asked again.
    pub(super) async fn revoked(&self, tokens: &dyn Tokens, every: Duration) -> Status {
        loop {
            tokio::time::sleep(every).await;
            if let Ok(None) = tokens::recognise(tokens, &self.secret).await {
                return Status::unauthenticated("this token was revoked");
            }
        }
    }
}

/// The caller, if the token is good and its role is one of `roles`.
///
/// # Errors
/// `UNAUTHENTICATED`, `PERMISSION_DENIED` or `UNAVAILABLE`.
pub(super) async fn admit(
    tokens: &dyn Tokens,
    metadata: &MetadataMap,
    roles: &[Role],
) -> Result<AdmittedCaller, Status> {
    let missing =
        "send a token of this ledger: as the password in the connection string, or as Authorization: Bearer sl_…";
    let header = metadata.get("authorization").and_then(|value| value.to_str().ok());
    let Some(secret) = header.and_then(secret) else { return Err(Status::unauthenticated(missing)) };
    let found = tokens::recognise(tokens, &secret).await.map_err(|error| Status::unavailable(error.to_string()))?;
    // One answer for an unknown token and for a revoked one: which of both it was is nobody's business.
    let Some(token) = found else { return Err(Status::unauthenticated("this token is unknown or was revoked")) };
    if !roles.contains(&token.role) {
        let why = format!("a token with the role {} may not do this", access::name(token.role));
        return Err(super::refusal::Refusal::Forbidden(why).status());
    }
    Ok(AdmittedCaller { caller: Caller { token: token.id, role: token.role }, secret })
}

fn secret(header: &str) -> Option<Zeroizing<String>> {
    let (kind, rest) = header.split_once(' ').filter(|_| header.len() <= CREDENTIALS_BYTES_MAX)?;
    let rest = rest.trim();
    if kind.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(rest.to_owned()));
    }
    if !kind.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64.decode(rest.as_bytes()).ok()?);
    let text = std::str::from_utf8(&decoded).ok()?;
    text.split_once(':').map(|(_, password)| Zeroizing::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_by_either_way() {
        let of = |header: &str| secret(header).map(|s| s.to_string());
        assert_eq!(of("Bearer sl_a"), Some("sl_a".into()));
        assert_eq!(of("basic YW55Ym9keTpzbF9hOmI="), Some("sl_a:b".into()), "only the first colon ends the name");
        for wrong in ["", "Bearer", "Basic", "Basic ???", "Basic YW55Ym9keQ==", "Digest a", &"Bearer ".repeat(200)] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
