//! Authentication: an API token as `Bearer`, or as the password of `Basic` with any user name, because stock clients support
//! only names and passwords. What a role may do is decided in `services/access.rs`.

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

/// Maximum length of credentials, in bytes.
const CREDENTIALS_BYTES_MAX: usize = 1_024;

/// An admitted caller with its token: calls without an end must not outlive the token.
pub(super) struct AdmittedCaller {
    /// The caller.
    pub(super) caller: Caller,
    secret: Zeroizing<String>,
}

impl AdmittedCaller {
    /// Returns once the token is revoked. If that cannot be checked, it is checked again later.
    pub(super) async fn revoked(&self, tokens: &dyn Tokens, every: Duration) -> Status {
        loop {
            tokio::time::sleep(every).await;
            if let Ok(None) = tokens::recognise(tokens, &self.secret).await {
                return Status::unauthenticated("this token has been revoked");
            }
        }
    }
}

/// The caller, if the token is valid and its role is one of `roles`.
///
/// # Errors
/// `UNAUTHENTICATED`, `PERMISSION_DENIED` or `UNAVAILABLE`.
pub(super) async fn admit(
    tokens: &dyn Tokens,
    metadata: &MetadataMap,
    roles: &[Role],
) -> Result<AdmittedCaller, Status> {
    let missing = "send an API token: as the password in the connection string, or as Authorization: Bearer sl_…";
    let header = metadata.get("authorization").and_then(|value| value.to_str().ok());
    let Some(secret) = header.and_then(secret) else { return Err(Status::unauthenticated(missing)) };
    let found = tokens::recognise(tokens, &secret).await.map_err(|error| Status::unavailable(error.to_string()))?;
    // The same answer for unknown and revoked tokens, so that it reveals nothing.
    let Some(token) = found else { return Err(Status::unauthenticated("this token is unknown or revoked")) };
    if !roles.contains(&token.role) {
        let why = format!("the role {} is not allowed to do this", access::name(token.role));
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
