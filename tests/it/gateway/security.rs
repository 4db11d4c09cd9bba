//! Who is let in, by what credentials, over TLS and without.

use std::time::Duration;

use eventstore::{
    BatchAppendOptions, Client, Error, ExpectedRevision, ReadAllOptions, SubscribeToAllOptions, SubscriptionEvent,
};
use syncledger::{gateway::Limits, ports::tokens::Role, services::external_events::Accept};

use super::world::{Backend, World, all, authority, confirmed, expecting, fill, some};
use crate::support::patience::soon;

#[tokio::test(flavor = "multi_thread")]
async fn every_role_is_let_into_what_is_its_own() {
    let world = World::start(Backend::Memory, Accept::Known).await;
    let mut table = String::new();
    let mut id = 0;
    for role in world.secrets.keys() {
        let client = world.client(role);
        let mut may = Vec::new();
        let append = |stream: &'static str, id: u128| {
            let options = expecting(ExpectedRevision::Any);
            let client = client.clone();
            async move { client.append_to_stream(stream, &options, confirmed(id)).await }
        };
        let mut note = |what: &str, result: Result<(), Error>| match result {
            Ok(()) => may.push(what.to_owned()),
            Err(Error::AccessDenied) => {}
            Err(other) => panic!("{role} {what}: {other:?}"),
        };
        note("read", all(&client, &ReadAllOptions::default()).await.map(drop));
        let mut subscription = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
        note("subscribe", soon(subscription.next_subscription_event()).await.map(drop));
        id += 2;
        note("append to booking-api.1", append("booking-api.1", id).await.map(drop));
        note("append to booking-x.1", append("booking-x.1", id + 1).await.map(drop));
        table.push_str(&format!("{role}: {}\n", may.join(", ")));
    }
    let wanted = "admin: read, subscribe, append to booking-api.1, append to booking-x.1\n\
                  auditor: read, subscribe\n\
                  device: \n\
                  integration: append to booking-api.1\n\
                  operator: \n\
                  viewer: \n";
    assert_eq!(table, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nobody_is_let_in() {
    let world = World::start(Backend::Memory, Accept::Known).await;
    let good = &world.secrets["admin"];
    let wrong = [
        format!("esdb://{}?tls=false", world.address),
        format!("esdb://admin:changeit@{}?tls=false", world.address),
        format!("esdb://{good}:anything@{}?tls=false", world.address),
        format!("esdb://admin:{good}x@{}?tls=false", world.address),
    ];
    for url in wrong {
        let client = Client::new(url.parse().unwrap()).unwrap();
        // What a server can do is no secret: clients ask before they have any credentials.
        assert_eq!(client.server_info().await.unwrap().version().major(), 24);
        let read = all(&client, &ReadAllOptions::default()).await;
        assert!(matches!(read, Err(Error::AccessDenied)), "{url}: {read:?}");
        let options = expecting(ExpectedRevision::Any);
        let append = client.append_to_stream("booking-api.1", &options, some(1..2)).await;
        assert!(matches!(append, Err(Error::AccessDenied)), "{url}: {append:?}");
    }
    assert_eq!(world.end().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_credentials_from_the_connection_string() {
    let (authority, acceptor) = authority();
    let world = World::with(Backend::Memory, Accept::Known, Limits::default(), Some(acceptor)).await;
    let url = format!("{}?tlsCaFile={}", world.url_over_tls("admin"), authority.path().display());
    let client = Client::new(url.parse().unwrap()).unwrap();
    fill(&client, "booking-api.1", 0..3).await;
    assert_eq!(all(&client, &ReadAllOptions::default()).await.unwrap(), [0, 1, 2]);

    let key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    assert!(syncledger::gateway::acceptor(other.cert.pem().as_bytes(), key.serialize_pem().as_bytes()).is_err());
    assert!(syncledger::gateway::acceptor(b"", b"").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_end_does_not_outlive_its_token() {
    let limits = Limits { recheck: Duration::from_millis(50), ..Limits::default() };
    let world = World::with(Backend::Memory, Accept::Known, limits, None).await;
    let client = world.client("admin");
    let mut subscription = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
    while !matches!(soon(subscription.next_subscription_event()).await.unwrap(), SubscriptionEvent::CaughtUp) {}
    let batch = client.batch_append(&BatchAppendOptions::default()).await.unwrap();
    soon(batch.append_to_stream("booking-api.1", ExpectedRevision::Any, some(1..2))).await.unwrap();
    assert!(soon(subscription.next_subscription_event()).await.is_ok());
    world.revoke(Role::Admin).await;
    let ended = soon(subscription.next_subscription_event()).await;
    assert!(matches!(ended, Err(Error::AccessDenied)), "{ended:?}");
    let mut id = 1;
    // Until the session has asked again it may still append.
    let refused = loop {
        id += 1;
        let append = batch.append_to_stream("booking-api.1", ExpectedRevision::Any, some(id..id + 1));
        if let Err(refused) = soon(append).await {
            break refused;
        }
    };
    assert!(matches!(refused, Error::AccessDenied | Error::ServerError(_)), "{refused:?}");
}
