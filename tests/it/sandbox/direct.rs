//! The transport without a network: what the simulation sees of the models.

use std::{sync::Arc, time::Duration};

use syncledger::{
    adapters::sandbox::{
        faults::{Kind, Rule},
        model::Model,
        wire::DirectTransport,
    },
    ports::transport::{Failure, Request, Transport},
};

use super::support::{BAY, EVENTS, StillClock, entry, google};

const TIMEOUT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn calls_reach_the_model_of_their_host_and_failures_say_what_is_known() {
    let clock = StillClock::new();
    let (model, token) = google(clock.as_ref());
    let direct = DirectTransport::new(clock).with("www.googleapis.com", model.clone());
    let insert = |id: &str| {
        Request::new("POST", format!("https://www.googleapis.com{EVENTS}"))
            .header("authorization", format!("Bearer {token}"))
            .json(&entry(id))
    };
    let there = |id: &str| model.lock().unwrap().entry(BAY, id).is_some();
    let arm = |kind| model.lock().unwrap().desk().faults.arm(Rule::next(kind));

    assert_eq!(direct.send(insert("plain"), TIMEOUT).await.unwrap().status, 200);
    arm(Kind::Unreachable);
    assert!(matches!(direct.send(insert("never"), TIMEOUT).await, Err(Failure::NotSent(_))));
    for (id, kind, carried_out) in [
        ("before", Kind::BeforeCommit, false),
        ("after", Kind::AfterCommit, true),
        ("trunc", Kind::Truncated, true),
        ("slack", Kind::Slow { ms: 1_000 }, true),
    ] {
        arm(kind);
        assert!(matches!(direct.send(insert(id), TIMEOUT).await, Err(Failure::NoAnswer(_))), "{id}");
        assert_eq!(there(id), carried_out, "{id}");
    }
    arm(Kind::Slow { ms: 999 });
    assert_eq!(direct.send(insert("intime"), TIMEOUT).await.unwrap().status, 200);
    assert!(!there("never"));
    let elsewhere = Request::new("GET", "https://elsewhere.example/");
    assert!(matches!(direct.send(elsewhere, TIMEOUT).await, Err(Failure::NotSent(_))));
    let kinds: Vec<_> = model.lock().unwrap().desk().faults.struck().keys().copied().collect();
    assert_eq!(kinds, ["after_commit", "before_commit", "slow", "truncated", "unreachable"]);
    let _: Arc<dyn Transport> = Arc::new(direct);
}
