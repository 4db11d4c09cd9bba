//! The server's address, `postgres://user@host:port/database?sslmode=…`, and the password.

use std::fmt;

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use url::Url;
use zeroize::Zeroizing;

use super::failure::OpenFailure;

/// Setting in the address with which an operator accepts a server that may lose acknowledged events.
const UNSAFE: (&str, &str) = ("unsafe_settings", "accepted");

/// Name of our sessions in `pg_stat_activity`, unless set in the address.
const APPLICATION: &str = "syncledger";

/// A database and how to log in.
#[derive(Clone)]
pub struct Server {
    /// Without the password: may be printed.
    pub(super) redacted: String,
    pub(super) options: PgConnectOptions,
    /// Whether a server that is not durable is accepted.
    pub(super) unsafe_accepted: bool,
}

impl Server {
    /// Parses an address. A password in it is used if none is given separately.
    ///
    /// # Errors
    /// [`OpenFailure::Address`] with the reason.
    pub fn new(url: &str, password: Option<Zeroizing<String>>) -> Result<Self, OpenFailure> {
        let refuse = |why: String| OpenFailure::Address { redacted: redacted(url), why };
        let mut parsed = Url::parse(url).map_err(|e| refuse(e.to_string()))?;
        if !["postgres", "postgresql"].contains(&parsed.scheme()) {
            return Err(refuse("it must begin with postgres://".to_owned()));
        }
        let pairs: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
        let (ours, theirs): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| key == UNSAFE.0);
        if let Some((_, value)) = ours.iter().find(|(_, value)| value != UNSAFE.1) {
            return Err(refuse(format!("{}={value} must be {}={}, or be left out", UNSAFE.0, UNSAFE.0, UNSAFE.1)));
        }
        parsed.set_query(None);
        if !theirs.is_empty() {
            parsed.query_pairs_mut().extend_pairs(theirs);
        }
        let mut options = PgConnectOptions::from_url(&parsed).map_err(|e| refuse(e.to_string()))?;
        if options.get_application_name().is_none() {
            options = options.application_name(APPLICATION);
        }
        if let Some(password) = password {
            options = options.password(&password);
        }
        let options = options.disable_statement_logging();
        Ok(Self { redacted: redacted(url), options, unsafe_accepted: !ours.is_empty() })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.redacted)
    }
}

/// The address without password and settings.
fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split('?').next().unwrap_or_default();
    let rest = match rest.rsplit_once('@') {
        Some((user, place)) => format!("{}@{place}", user.split(':').next().unwrap_or_default()),
        None => rest.to_owned(),
    };
    format!("{scheme}://{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_password_and_settings() {
        let server = Server::new("postgres://anna:se%40cret@db.example:5433/loft?sslmode=require", None).unwrap();
        assert_eq!(format!("{server} {server:?}").matches("postgres://anna@db.example:5433/loft").count(), 2);
        assert!(!format!("{server:?}").contains("cret") && !server.unsafe_accepted);
        assert_eq!(server.options.get_host(), "db.example");
        assert_eq!(server.options.get_application_name(), Some(APPLICATION));
    }

    #[test]
    fn less_safety_must_be_asked_for_by_name() {
        let asked = Server::new("postgres://h/d?unsafe_settings=accepted&application_name=x", None).unwrap();
        assert!(asked.unsafe_accepted);
        assert_eq!(asked.options.get_application_name(), Some("x"));
        for wrong in ["postgres://h/d?unsafe_settings=1", "mysql://h/d", "h/d", "postgres://h:port/d"] {
            assert!(matches!(Server::new(wrong, None), Err(OpenFailure::Address { .. })), "{wrong}");
        }
    }
}
