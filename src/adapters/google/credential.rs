//! A service account's key file, and assertions signed with it.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

/// Google's token endpoint, for key files without one.
pub const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

/// Lifetime of an assertion: the longest that Google accepts.
const ASSERTION_LIFE: TimeDelta = TimeDelta::hours(1);

/// Why a text is not a service account's key file.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Not JSON, or a field is missing. The parser's message contains the field and the line, never a value.
    #[error("the key file cannot be read: it needs client_email and private_key ({kind}, line {line})")]
    Unreadable {
        /// Kind of error.
        kind: String,
        /// Line of the error.
        line: usize,
    },
    /// A key file of another kind.
    #[error(
        "the key file is not for a service account (its type must be service_account): create a service account key"
    )]
    OtherType,
    /// The key is not an RSA key in PEM.
    #[error("the key file's private_key is not an RSA key in PEM form")]
    BadKey,
}

/// Signing failed: the key is damaged.
#[derive(Debug, thiserror::Error)]
#[error("the service account's key cannot sign: create a new key")]
pub struct SigningError;

/// A service account that can sign. Its key is never printed.
#[derive(Clone)]
pub struct ServiceAccount {
    client_email: String,
    key_id: Option<String>,
    token_uri: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceAccount({})", self.client_email)
    }
}

#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    token_uri: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

impl ServiceAccount {
    /// Parses the JSON key file downloaded from Google's console.
    ///
    /// # Errors
    /// [`CredentialError`], without any content of the file.
    pub fn from_json(text: &str) -> Result<Self, CredentialError> {
        let file: KeyFile = serde_json::from_str(text)
            .map_err(|e| CredentialError::Unreadable { kind: format!("{:?}", e.classify()), line: e.line() })?;
        if file.kind.as_deref().is_some_and(|kind| kind != "service_account") {
            return Err(CredentialError::OtherType);
        }
        // Wiped at the end of this function.
        let pem = zeroize::Zeroizing::new(file.private_key);
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| CredentialError::BadKey)?;
        let token_uri = file.token_uri.unwrap_or_else(|| TOKEN_URL.to_owned());
        Ok(Self {
            client_email: file.client_email,
            key_id: file.private_key_id,
            token_uri,
            algorithm: Algorithm::RS256,
            key,
        })
    }

    /// An account that signs with a secret shared with its token endpoint (HS256). Google does not support that: it is
    /// for the simulation, which would otherwise spend half of its time on RSA.
    pub fn with_shared_secret(client_email: &str, token_uri: &str, secret: &[u8]) -> Self {
        Self {
            client_email: client_email.to_owned(),
            key_id: None,
            token_uri: token_uri.to_owned(),
            algorithm: Algorithm::HS256,
            key: EncodingKey::from_secret(secret),
        }
    }

    /// Email address of the account.
    pub fn name(&self) -> &str {
        &self.client_email
    }

    /// The token endpoint in the key file.
    pub fn token_uri(&self) -> &str {
        &self.token_uri
    }

    /// An assertion for `scope` (RFC 7523), valid for an hour from `now`. Its audience is the key file's own token
    /// endpoint, even if the call goes to another address, as Google expects.
    ///
    /// # Errors
    /// `SigningError`.
    pub fn assertion(&self, scope: &str, now: DateTime<Utc>) -> Result<String, SigningError> {
        let mut header = Header::new(self.algorithm);
        header.kid.clone_from(&self.key_id);
        let claims = Claims {
            iss: &self.client_email,
            scope,
            aud: &self.token_uri,
            iat: now.timestamp(),
            exp: (now + ASSERTION_LIFE).timestamp(),
        };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_| SigningError)
    }
}
