//! `[gateway]`: serves the ledger to clients of EventStoreDB and KurrentDB. Without this section there is no gateway.

use std::{net::SocketAddr, path::PathBuf};

use super::{Secret, section::Section};

/// Settings of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Address it listens on.
    pub listen: SocketAddr,
    /// TLS certificate; `None` means plain text, for this machine only or behind a TLS proxy.
    pub tls: Option<GatewayTls>,
    /// Which events it accepts.
    pub accept: Accept,
}

/// A certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayTls {
    /// Certificate chain, a PEM file.
    pub certificate: PathBuf,
    /// Private key in PEM format.
    pub key: Secret,
}

/// Which events are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Only event types that this program knows, in our own envelope.
    Known,
    /// Any type, with the sender's envelope: for another `syncledger` that keeps its ledger here.
    Any,
}

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Option<Gateway> {
    let listen = section.required("listen", "127.0.0.1:2113");
    let listen = section.parsed("listen", listen, |text| {
        text.parse::<SocketAddr>()
            .map_err(|_| format!("{text:?} is not an address to listen on: write something like 127.0.0.1:2113"))
    });
    let certificate = section.path("tls_cert_file");
    let key = section.secret("tls_key", certificate.is_some());
    if certificate.is_none() && key.is_some() {
        section.problem("tls_cert_file", "is missing: a key needs its certificate");
    }
    let plain = match section.text("tls").as_deref() {
        None => false,
        Some("off") if certificate.is_none() => true,
        Some("off") => {
            section.problem("tls", "is \"off\", but a certificate is set: remove one of them");
            false
        }
        Some(other) => {
            section.problem("tls", format!("{other:?} is not valid: write \"off\", or leave it out"));
            false
        }
    };
    if let Some(listen) = listen
        && !listen.ip().is_loopback()
        && certificate.is_none()
        && !plain
    {
        let advice = "add tls_cert_file and tls_key_file, or tls = \"off\" if a proxy in front of it speaks TLS";
        section.problem(
            "listen",
            format!("{listen} can be reached from other machines, and tokens would be sent in plain text: {advice}"),
        );
    }
    let accept = match section.text("accept").as_deref() {
        None | Some("known") => Accept::Known,
        Some("any") => Accept::Any,
        Some(other) => {
            section.problem("accept", format!("{other:?} is not valid: write \"known\" or \"any\""));
            Accept::Known
        }
    };
    section.finish();
    let tls = certificate.zip(key).map(|(certificate, key)| GatewayTls { certificate, key });
    Some(Gateway { listen: listen?, tls, accept })
}
