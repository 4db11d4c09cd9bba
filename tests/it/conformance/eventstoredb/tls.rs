//! TLS, in whatever order the program's clients come: the client of EventStoreDB installs a provider of TLS for the whole
//! process and panics where one is installed already. So nobody else may install one.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use syncledger::{
    adapters::{eventstoredb::OpenFailure, memory::MemoryLedger, system::HttpTransport},
    gateway::acceptor,
    ports::{
        event_store::ExpectedVersion,
        transport::{Request, Transport as _},
    },
};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::CryptoProvider;

use super::{
    super::given::{append, event, folder, sound},
    served::Served,
};
use crate::support::alone::alone;

/// A server with a certificate of its own, and the file that vouches for it.
async fn served() -> (Served, TempDir, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let tls = acceptor(cert.pem().as_bytes(), signing_key.serialize_pem().as_bytes()).unwrap();
    let folder = folder();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, cert.pem()).unwrap();
    let served = Served::with(Arc::new(MemoryLedger::new()), Some(tls)).await;
    (served, folder, format!("tlsCAFile={}", file.display()))
}

/// Sets up the HTTP client and has it try TLS, against a server that does not vouch for itself.
async fn call(served: &Served) {
    let request = Request::new("GET", format!("https://{}/", served.address));
    HttpTransport::new().unwrap().send(request, std::time::Duration::from_secs(10)).await.unwrap_err();
}

async fn keep(served: &Served, settings: &str) {
    let ledger = served.try_open(settings).await.unwrap();
    append(&ledger, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    assert!(!sound(&ledger).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_after_an_http_client() {
    alone("conformance::eventstoredb::tls::the_ledger_after_an_http_client", async || {
        let (served, _folder, settings) = served().await;
        call(&served).await;
        assert!(CryptoProvider::get_default().is_none(), "somebody installed a provider for the whole process");
        keep(&served, &settings).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_client_after_the_ledger() {
    alone("conformance::eventstoredb::tls::an_http_client_after_the_ledger", async || {
        let (served, _folder, settings) = served().await;
        keep(&served, &settings).await;
        call(&served).await;
        keep(&served, &settings).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_nobody_vouches_for_is_refused() {
    let (served, _folder, _) = served().await;
    assert!(matches!(served.try_open("").await, Err(OpenFailure::Server { .. })));
    assert!(matches!(served.try_open("tlsCAFile=/nowhere.pem").await, Err(OpenFailure::Address { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_of_somebody_else_is_told() {
    alone("conformance::eventstoredb::tls::a_provider_of_somebody_else_is_told", async || {
        let (served, _folder, settings) = served().await;
        tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
        let told = served.try_open(&settings).await.err().unwrap().to_string();
        assert!(told.contains("TLS provider was installed"), "{told}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_told() {
    let (served, _folder, settings) = served().await;
    let mut options = served.options(&settings);
    options.password = Some("sl_wrong".to_owned());
    let told = syncledger::adapters::eventstoredb::EventStoreDbLedger::open(&options).await.err().unwrap();
    assert!(matches!(told, OpenFailure::Denied { .. }), "{told}");
}
