//! The server's address and credentials: the connection string is validated before it is given to the client.
//!
//! The client would panic on an unreadable certificate file, ignore unknown settings, and send a
//! password with its `%` escapes. So files are read here first, settings are compared with a list, and the
//! credentials are sent with every call instead of being in the string.

use std::path::Path;

use eventstore::{ClientSettings, Credentials};
use percent_encoding::percent_decode_str;
use tokio_rustls::rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use url::form_urlencoded;

use super::failure::OpenFailure;

/// The settings of a connection string, in lower case.
const SETTINGS: [&str; 13] = [
    "maxdiscoverattempts",
    "discoveryinterval",
    "gossiptimeout",
    "tls",
    "tlsverifycert",
    "nodepreference",
    "keepaliveinterval",
    "keepalivetimeout",
    "defaultdeadline",
    "connectionname",
    "usercertfile",
    "userkeyfile",
    "tlscafile",
];

/// The client waits this long before every connection, including the first; its default is half a second.
const DISCOVERY: &str = "discoveryInterval=50";

/// A server and how to log in.
#[derive(Clone)]
pub struct Options {
    /// `esdb://[user@]host[:port][,host…][?settings]`, or `esdb+discover://`.
    pub url: String,
    /// The user's password.
    pub password: Option<String>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Parameters of the client.
#[derive(Clone)]
pub(super) struct Address {
    /// Address for messages, without credentials.
    pub redacted: String,
    pub settings: ClientSettings,
    pub credentials: Option<Credentials>,
}

impl Address {
    /// Parses a connection string.
    pub fn read(options: &Options) -> Result<Self, OpenFailure> {
        let wrong = |reason: String| OpenFailure::Address { url: options.url.clone(), reason };
        let (scheme, rest) = options.url.split_once("://").ok_or_else(|| wrong("it has no ://".to_owned()))?;
        let ends = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(ends);
        let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        let mut given = Vec::new();
        for (name, value) in form_urlencoded::parse(tail.split_once('?').map_or("", |(_, query)| query).as_bytes()) {
            let name = name.to_lowercase();
            if !SETTINGS.contains(&name.as_str()) {
                return Err(wrong(format!("{name} is not a known setting: use one of {}", SETTINGS.join(", "))));
            }
            file(&name, &value).map_err(wrong)?;
            given.push(name);
        }
        let redacted = format!("{scheme}://{hosts}{tail}");
        let mut whole = redacted.clone();
        if !given.iter().any(|name| name == "discoveryinterval") {
            whole.push_str(if tail.contains('?') { "&" } else { "?" });
            whole.push_str(DISCOVERY);
        }
        let settings: ClientSettings = whole.parse().map_err(|e| wrong(format!("{e}")))?;
        let credentials = user.map(|user| {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            let user = percent_decode_str(user).decode_utf8_lossy();
            Credentials::new(user.into_owned(), options.password.clone().unwrap_or_default())
        });
        Ok(Self { redacted, settings, credentials })
    }
}

/// Checks a file named by a setting.
fn file(setting: &str, path: &str) -> Result<(), String> {
    let describe = |error: &dyn std::fmt::Display| format!("{setting} {path:?} cannot be used: {error}");
    match setting {
        "tlscafile" => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(Path::new(path)).map_err(|e| describe(&e))? {
                roots.add(certificate.map_err(|e| describe(&e))?).map_err(|e| describe(&e))?;
            }
            if roots.is_empty() { Err(describe(&"the file contains no certificate")) } else { Ok(()) }
        }
        "usercertfile" => match CertificateDer::pem_file_iter(Path::new(path)).map_err(|e| describe(&e))?.next() {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(describe(&error)),
            None => Err(describe(&"the file contains no certificate")),
        },
        "userkeyfile" => PrivateKeyDer::from_pem_file(Path::new(path)).map(drop).map_err(|e| describe(&e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, String> {
        let options = Options { url: url.to_owned(), password: Some("s%3c+ret".to_owned()) };
        Address::read(&options).map_err(|e| e.to_string())
    }

    #[test]
    fn credentials_stand_beside_it() {
        let address = read("esdb://us%65r+1@a:1,b:2?tls=false&connectionName=x").unwrap();
        assert_eq!(address.redacted, "esdb://a:1,b:2?tls=false&connectionName=x");
        assert_eq!(address.settings.hosts().len(), 2);
        assert!(!address.settings.is_secure_mode_enabled());
        assert_eq!(address.credentials, Some(Credentials::new("user+1", "s%3c+ret")));
        assert_eq!(read("esdb://a").unwrap().credentials, None);
        let odd = read("esdb://a%26b=c@h").unwrap().credentials;
        assert_eq!(odd, Some(Credentials::new("a&b=c", "s%3c+ret")), "it is no form");
    }

    #[test]
    fn what_the_client_would_choke_on_is_told() {
        let missing = read("esdb://a?tlsCAFile=/nowhere/ca.pem").err().unwrap();
        assert!(missing.contains("/nowhere/ca.pem"), "{missing}");
        let unknown = read("esdb://a?tlsCaFiel=x").err().unwrap();
        assert!(unknown.contains("tlscafiel is not a known setting"), "{unknown}");
        for wrong in ["esdb:/a", "http://a", "esdb://a?tls=perhaps", "esdb://a:port"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
