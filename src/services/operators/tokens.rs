//! API tokens: created, listed, revoked and recognised.
//!
//! A secret is `sl_` and 32 random bytes (256 bits) in base64url. Only its SHA-256 is stored. A token is found by this
//! hash, so timing reveals nothing about the secret. A fast hash is enough, since nobody can guess 256 bits.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    ports::{
        clock::Clock,
        tokens::{Role, Token, Tokens},
    },
    services::Error,
};

/// Prefix of every secret, so that scanners for leaked secrets can find it.
pub const PREFIX: &str = "sl_";
/// Random bytes in a secret.
const SECRET_BYTES: usize = 32;
/// Longer texts are not secrets of ours, in bytes.
const SECRET_TEXT_MAX: usize = 128;

/// A token's secret, shown once. Not printed by `Debug`, wiped when dropped.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret, to show it to whoever created the token.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([hidden])")
    }
}

/// Creates a token. Its secret cannot be recovered later.
///
/// # Errors
/// `Unavailable`.
pub async fn create(tokens: &dyn Tokens, clock: &dyn Clock, role: Role) -> Result<(Token, Secret), Error> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    clock.fill(bytes.as_mut());
    let secret = Zeroizing::new(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(bytes.as_ref())));
    let id = format!("tok_{}", clock.event_id().0.simple());
    let token = Token { id, role, hash: hash(&secret), created_at: clock.now(), revoked_at: None };
    tokens.add(token.clone()).await?;
    Ok((token, Secret(secret)))
}

/// All tokens, oldest first.
///
/// # Errors
/// `Unavailable`.
pub async fn list(tokens: &dyn Tokens) -> Result<Vec<Token>, Error> {
    Ok(tokens.all().await?)
}

/// Revokes a token, with immediate effect.
///
/// # Errors
/// `NotFound`; `Unavailable`.
pub async fn revoke(tokens: &dyn Tokens, clock: &dyn Clock, id: &str) -> Result<(), Error> {
    if tokens.revoke(id, clock.now()).await? {
        Ok(())
    } else {
        Err(Error::NotFound { what: "token", id: id.to_owned() })
    }
}

/// The token with this secret, unless unknown or revoked.
///
/// # Errors
/// `Unavailable`.
pub async fn recognise(tokens: &dyn Tokens, secret: &str) -> Result<Option<Token>, Error> {
    if !secret.starts_with(PREFIX) || secret.len() > SECRET_TEXT_MAX {
        return Ok(None);
    }
    let found = tokens.by_hash(&hash(secret)).await?;
    Ok(found.filter(|token| token.revoked_at.is_none()))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
