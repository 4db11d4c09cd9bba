//! Database addresses: `ledger.url`, `read_models.url`, `vault.url`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use percent_encoding::percent_decode_str;

use super::{Secret, section::Section};

/// A place to store data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Address),
    /// EventStoreDB, KurrentDB, or our own gateway: events only.
    Esdb(Address),
}

/// A database server and its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// URL with user name and settings, but without password.
    pub url: String,
    /// The password.
    pub password: Option<Secret>,
}

impl Store {
    /// Path of the SQLite file; `None` for servers.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) | Self::Esdb(_) => None,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(address) | Self::Esdb(address) => f.write_str(&address.url),
        }
    }
}

impl Store {
    /// Reads `url` and `password`; `None` if missing or invalid (the problems are recorded).
    pub(super) fn read(mut section: Section<'_>, events: bool) -> Option<Self> {
        let folder = section.shared.folder.clone();
        let text = section.text("url");
        let password = section.secret("password", false);
        let from_env = section.overridden("url");
        let wants_password = text.as_deref().is_some_and(|text| !text.starts_with("sqlite:"));
        if password.is_some() && !wants_password {
            section
                .problem("password", "has no effect: only the url of a server (postgres://, esdb://) takes a password");
        }
        let store = section.parsed("url", text, |text| {
            let scheme = text.split("://").next().unwrap_or("");
            match scheme {
                "sqlite" => match text.strip_prefix("sqlite://") {
                    Some(path) if !path.is_empty() && !path.contains(['?', '#']) && path != ":memory:" => {
                        Ok(Self::Sqlite(folder.join(path)))
                    }
                    _ => Err("must be sqlite:// and a path, without settings: sqlite://data/ledger.db".to_owned()),
                },
                "postgres" | "postgresql" => address(&text, password, from_env).map(Self::Postgres),
                "esdb" | "esdb+discover" if events => address(&text, password, from_env).map(Self::Esdb),
                "esdb" | "esdb+discover" => {
                    Err("can only be used for the ledger: write sqlite:// or postgres:// here".to_owned())
                }
                _ if events => Err(format!("{scheme:?} is not supported: write sqlite://, postgres:// or esdb://")),
                _ => Err(format!("{scheme:?} is not supported: write sqlite:// or postgres://")),
            }
        });
        section.finish();
        store
    }
}

/// Separates the password from the address. A password in the file is refused, as every secret is.
fn address(text: &str, password: Option<Secret>, from_env: bool) -> Result<Address, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or((text, ""));
    let ends = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(ends);
    let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
    if hosts.is_empty() {
        return Err(format!("names no server: write {scheme}://host/database"));
    }
    let (user, inner) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        None => (String::new(), ""),
        Some((user, inner)) => (format!("{user}@"), inner),
    };
    if !inner.is_empty() && !from_env {
        return Err("contains a password, which must not be in this file: use password_file or password_env".into());
    }
    if !inner.is_empty() && password.is_some() {
        return Err("contains a password, and another one is set: keep one".into());
    }
    let inner = (!inner.is_empty()).then(|| Secret::new(percent_decode_str(inner).decode_utf8_lossy()));
    Ok(Address { url: format!("{scheme}://{user}{hosts}{tail}"), password: password.or(inner) })
}
