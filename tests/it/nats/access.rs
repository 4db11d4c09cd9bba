//! Getting in: passwords, tokens, nkeys, credentials, and TLS under an authority of our own.

use std::{fs, sync::Arc, time::Duration};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use syncledger::{
    adapters::nats::{Access, Nats, NatsCommands, NatsPublisher, Settings},
    ports::{commands::CommandQueue as _, publisher::Publisher as _},
    services::relay::Relay,
};
use zeroize::Zeroizing;

use super::{
    server::Server,
    world::{WORKSPACE, World, shape},
};
use crate::support::{alone::alone, patience::eventually};

/// An nkey, made from a word.
struct Nkey {
    pair: Ed25519KeyPair,
    raw: [u8; 32],
    kind: u8,
}

const OPERATOR: u8 = 14 << 3;
const ACCOUNT: u8 = 0;
const USER: u8 = 20 << 3;

impl Nkey {
    fn new(kind: u8, word: &str) -> Self {
        let raw: [u8; 32] = Sha256::digest(word).into();
        Self { pair: Ed25519KeyPair::from_seed_unchecked(&raw).unwrap(), raw, kind }
    }

    fn public(&self) -> String {
        checked(&[&[self.kind], self.pair.public_key().as_ref()].concat())
    }

    fn seed(&self) -> String {
        let prefix = [(18 << 3) | (self.kind >> 5), (self.kind & 31) << 3];
        checked(&[&prefix[..], &self.raw].concat())
    }

    /// A JWT about `subject`, signed by this key.
    fn signs(&self, subject: &str, name: &str, nats: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let head = part(&json!({"typ": "JWT", "alg": "ed25519-nkey"}));
        let claims = json!({
            "jti": name, "iat": 1_700_000_000, "iss": self.public(), "name": name, "sub": subject, "nats": nats,
        });
        let signed = format!("{head}.{}", part(&claims));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

/// Base32 of the bytes and their CRC-16.
fn checked(bytes: &[u8]) -> String {
    let mut crc: u16 = 0;
    for byte in bytes {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    BASE32_NOPAD.encode(&[bytes, &crc.to_le_bytes()].concat())
}

fn settings(server: &Server, access: Access) -> Settings {
    Settings { servers: server.url(), access, workspace: WORKSPACE.to_owned(), authorities: None }
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

/// Gets in, and sets the stream up.
async fn works(settings: Settings) {
    let nats = Nats::connect_now(settings).await.unwrap();
    assert_eq!(NatsPublisher::new(nats, shape(), "test").prepare().await, Ok(vec![]));
}

async fn refused(settings: Settings) -> String {
    match Nats::connect_now(settings).await {
        Ok(_) => panic!("it was let in"),
        Err(why) => why,
    }
}

#[tokio::test]
async fn a_user_with_a_password_a_token_and_an_nkey_are_let_in_and_nobody_else() {
    let server = Server::with("authorization { user: feed, password: \"pass word\" }");
    works(settings(&server, Access::Password("feed".into(), secret("pass word")))).await;
    let why = refused(settings(&server, Access::Password("feed".into(), secret("wrong one")))).await;
    assert!(why.to_lowercase().contains("authoriz") && !why.contains("wrong one"), "{why}");
    refused(settings(&server, Access::Open)).await;

    let server = Server::with("authorization { token: \"a-token\" }");
    works(settings(&server, Access::Token(secret("a-token")))).await;
    refused(settings(&server, Access::Token(secret("another")))).await;

    let user = Nkey::new(USER, "user");
    let server = Server::with(&format!("authorization {{ users: [ {{ nkey: {} }} ] }}", user.public()));
    works(settings(&server, Access::Nkey(secret(&user.seed())))).await;
    refused(settings(&server, Access::Nkey(secret(&Nkey::new(USER, "other").seed())))).await;
}

#[tokio::test]
async fn credentials_of_an_operators_account_are_let_in() {
    let (operator, account, system, user) = (
        Nkey::new(OPERATOR, "operator"),
        Nkey::new(ACCOUNT, "account"),
        Nkey::new(ACCOUNT, "system"),
        Nkey::new(USER, "user"),
    );
    let version = json!({"type": "operator", "version": 2});
    let unlimited = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let of_account = json!({"type": "account", "version": 2, "limits": unlimited});
    let of_system = json!({"type": "account", "version": 2, "limits": {
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
    }});
    let of_user = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
    let server = Server::with(&format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}",
        operator.signs(&operator.public(), "operator", &version),
        system.public(),
        account.public(),
        operator.signs(&account.public(), "account", &of_account),
        system.public(),
        operator.signs(&system.public(), "system", &of_system),
    ));
    let file = |seed: &str| {
        let jwt = account.signs(&user.public(), "user", &of_user);
        secret(&format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        ))
    };
    works(settings(&server, Access::Credentials(file(&user.seed())))).await;
    refused(settings(&server, Access::Credentials(file(&Nkey::new(USER, "other").seed())))).await;
    let why = refused(settings(&server, Access::Credentials(secret("nothing of the kind")))).await;
    assert!(why.starts_with("nats.credentials_file"), "{why}");
}

#[tokio::test]
async fn tls_is_spoken_with_servers_of_the_named_authority_only() {
    alone("nats::access::tls_is_spoken_with_servers_of_the_named_authority_only", tls_with_the_named_authority).await;
}

async fn tls_with_the_named_authority() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let issuer_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&issuer_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, issuer_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let (cert_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&cert_file, certificate.pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    let server = Server::with(&format!("tls {{ cert_file: {cert_file:?}, key_file: {key_file:?} }}"));
    let with = |authorities: Option<String>| Settings { authorities, ..settings(&server, Access::Open) };
    works(with(Some(root.pem()))).await;
    let tls = Settings { servers: server.url().replace("nats://", "tls://"), ..with(Some(root.pem())) };
    works(tls).await;
    let stranger_key = rcgen::KeyPair::generate().unwrap();
    let mut stranger = rcgen::CertificateParams::new(Vec::new()).unwrap();
    stranger.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    refused(with(Some(stranger.self_signed(&stranger_key).unwrap().pem()))).await;
    refused(with(None)).await;
    let why = refused(with(Some("no certificate".into()))).await;
    assert!(why.contains("nats.ca_file contains no certificate"), "{why}");
    // Nobody chose a cryptography for the whole process: another library here panics where somebody has.
    assert!(async_nats::rustls::crypto::CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn the_rights_that_are_documented_are_enough() {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating/nats.md")).unwrap();
    let rights = manual.split_once("```\npermissions").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    let server =
        Server::with(&format!("authorization {{ users: [ {{ user: feed, password: pw, permissions {rights} }} ] }}"));
    let access = || Access::Password("feed".into(), secret("pw"));
    let nats = Nats::connect_now(settings(&server, access())).await.unwrap();
    let world = World::new();
    world.append(5).await;
    let publisher = Arc::new(NatsPublisher::new(nats.clone(), shape(), "test"));
    let (ledger, checkpoints) = (world.ledger.clone(), world.checkpoints.clone());
    let relay = Relay::new(ledger, world.clock.clone(), checkpoints, publisher, "feed");
    world.publish(&relay).await;
    let queue = NatsCommands::new(nats.clone(), shape());
    queue.prepare().await.unwrap();
    let client = async_nats::ConnectOptions::with_user_and_password("feed".into(), "pw".into());
    let client = async_nats::jetstream::new(client.connect(server.url()).await.unwrap());
    client.publish("syncledger.loft.commands.booking.create", "{}".into()).await.unwrap().await.unwrap();
    let handed = queue.take(1, Duration::from_secs(5)).await.unwrap();
    assert_eq!(handed[0].message().verb, "booking.create");
    handed[0].settle().await.unwrap();
    assert_eq!(queue.waiting().await, Ok(0));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let mut server = Server::start();
    server.kill();
    let why = refused(settings(&server, Access::Open)).await;
    assert!(why.contains(&server.url()), "{why}");
    let nats = Nats::connect(settings(&server, Access::Open)).await.unwrap();
    let publisher = NatsPublisher::new(nats, shape(), "test");
    let why = publisher.prepare().await.unwrap_err().to_string();
    assert!(why.contains("no connection"), "{why}");
    server.restart();
    assert!(eventually(async || publisher.prepare().await.is_ok()).await, "it did not come back");
}
