//! `[gateway]`: the ledger for clients of EventStoreDB and KurrentDB. Absent: there is none.

use std::{net::SocketAddr, path::PathBuf};

use super::{Secret, section::Section};

/// Where and how the gateway serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Where it listens.
    pub listen: SocketAddr,
    /// With what certificate; `None`: in plain, which only this machine reaches, or what stands before it.
    pub tls: Option<GatewayTls>,
    /// Which events it takes.
    pub accept: Accept,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayTls {
    /// The file with the certificate chain, as PEM.
    pub certificate: PathBuf,
    /// The key, as PEM.
    pub key: Secret,
}

/// Which events are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Those whose type this program knows, under an envelope of ours.
    Known,
    /// Any, under their own envelope: for another `syncledger` that keeps its ledger here.
    Any,
}

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Option<Gateway> {
    let listen = section.required("listen", "127.0.0.1:2113");
    let listen = section.parsed("listen", listen, |text| {
        text.parse::<SocketAddr>().map_err(|_| format!("{text:?} is no address to listen at: write 127.0.0.1:2113"))
    });
    let certificate = section.path("tls_cert_file");
    let key = section.secret("tls_key", certificate.is_some());
    if certificate.is_none() && key.is_some() {
        section.problem("tls_cert_file", "is missing: the key alone is of no use");
    }
    let plain = match section.text("tls").as_deref() {
        None => false,
        Some("off") if certificate.is_none() => true,
        Some("off") => {
            section.problem("tls", "is \"off\", and there is a certificate: leave one of both out");
            false
        }
        Some(other) => {
            section.problem("tls", format!("{other:?} is not known: \"off\", or leave it out"));
            false
        }
    };
    if let Some(listen) = listen
        && !listen.ip().is_loopback()
        && certificate.is_none()
        && !plain
    {
        let advice = "add tls_cert_file and tls_key_file, or tls = \"off\" where something before it speaks TLS";
        section.problem(
            "listen",
            format!("{listen} is reached from other machines, and tokens would go there in plain: {advice}"),
        );
    }
    let accept = match section.text("accept").as_deref() {
        None | Some("known") => Accept::Known,
        Some("any") => Accept::Any,
        Some(other) => {
            section.problem("accept", format!("{other:?} is not known: known or any"));
            Accept::Known
        }
    };
    section.finish();
    let tls = certificate.zip(key).map(|(certificate, key)| GatewayTls { certificate, key });
    Some(Gateway { listen: listen?, tls, accept })
}
