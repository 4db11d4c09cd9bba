//! Tokens: fetched once, renewed in time, refused, revoked; and who is to blame.

use chrono::TimeDelta;
use futures::future::join_all;
use syncledger::{
    adapters::{
        google::{SCOPE, ServiceAccount},
        sandbox::{
            faults::{Kind, Rule},
            google::service_account::{PRIVATE_KEY_PEM, credentials},
        },
    },
    domain::failure::FailureClass,
    ports::provider::CalendarProvider as _,
};

use super::stand::{Stand, calendar, class, remote, status};

const TOKEN: &str = "/token";

async fn read(stand: &Stand) -> Result<(), syncledger::domain::failure::CallFailure> {
    stand.provider.get(&calendar(), &remote()).await.map(drop)
}

#[tokio::test]
async fn the_account_is_named_with_the_one_scope_it_needs() {
    for stand in Stand::both().await {
        let account = stand.provider.authorise().await.unwrap();
        assert_eq!(account.name, "sync-bot@sandbox.example");
        assert_eq!(account.scopes, [SCOPE]);
        assert_eq!(SCOPE, "https://www.googleapis.com/auth/calendar.events");
        assert_eq!(stand.calls_to(TOKEN), 1);
        stand.provider.authorise().await.unwrap();
        assert_eq!(stand.calls_to(TOKEN), 2, "a token held proves nothing about now");
        read(&stand).await.unwrap();
        assert_eq!(stand.calls_to(TOKEN), 2);
    }
}

#[test]
fn it_works_without_a_runtime() {
    let stand = Stand::direct();
    futures::executor::block_on(async {
        stand.create().await.unwrap();
        join_all((0..4).map(|_| read(&stand))).await.into_iter().for_each(|r| r.unwrap());
    });
    assert_eq!(stand.calls_to(TOKEN), 1);
}

#[tokio::test]
async fn everybody_who_waits_gets_the_one_token_that_was_fetched() {
    let stand = Stand::over_http().await;
    join_all((0..16).map(|_| read(&stand))).await.into_iter().for_each(|r| r.unwrap());
    assert_eq!(stand.calls_to(TOKEN), 1);
    stand.model().expire_access_tokens();
    join_all((0..16).map(|_| read(&stand))).await.into_iter().for_each(|r| r.unwrap());
    assert_eq!(stand.calls_to(TOKEN), 2, "sixteen were refused, and one fetched for all");
    stand.close();
}

#[tokio::test]
async fn everybody_who_waits_gets_the_one_failure_too() {
    let stand = Stand::over_http().await;
    stand.arm(Rule::on("POST", TOKEN, Kind::Slow { ms: 100 }));
    stand.arm(Rule::on("POST", TOKEN, status(503, "")));
    let results = join_all((0..16).map(|_| read(&stand))).await;
    assert!(results.into_iter().all(|r| class(r) == FailureClass::Transient));
    assert_eq!(stand.calls_to(TOKEN), 1);
    read(&stand).await.expect("a failure is not kept for those who come later");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    for stand in Stand::both().await {
        read(&stand).await.unwrap();
        stand.advance(TimeDelta::minutes(57));
        read(&stand).await.unwrap();
        assert_eq!(stand.calls_to(TOKEN), 1);
        stand.advance(TimeDelta::seconds(90));
        read(&stand).await.unwrap();
        assert_eq!(stand.calls_to(TOKEN), 2);
        assert!(stand.calls().iter().all(|(_, _, status)| *status != Some(401)), "no call was refused for it");
        stand.close();
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_call_repeated_once() {
    for stand in Stand::both().await {
        stand.arm(Rule::on("POST", "*/events", Kind::Unauthorised));
        stand.create().await.unwrap();
        assert_eq!((stand.calls_to("/events"), stand.calls_to(TOKEN)), (2, 2));
        assert_eq!(stand.model().entries(super::stand::BAY).len(), 1);
        stand.arm(Rule::on("GET", "*/events/*", Kind::Unauthorised).times(2));
        assert_eq!(class(read(&stand).await), FailureClass::Unauthorised);
        assert_eq!(stand.calls_to(remote().as_str()), 2);
        read(&stand).await.unwrap();
        stand.close();
    }
}

#[tokio::test]
async fn only_a_revoked_grant_is_revoked() {
    for stand in Stand::both().await {
        read(&stand).await.unwrap();
        stand.model().revoke_grants();
        let failure = read(&stand).await.unwrap_err();
        assert_eq!((failure.class, failure.reason.as_deref()), (FailureClass::AuthRevoked, Some("invalid_grant")));
        assert_eq!(class(stand.provider.authorise().await), FailureClass::AuthRevoked);
        assert_eq!(class(stand.create().await), FailureClass::AuthRevoked);
        stand.model().restore_service_account();
        stand.create().await.expect("let in again, it works again");
        stand.close();
    }
}

#[tokio::test]
async fn a_token_endpoint_in_trouble_blames_nobody() {
    for stand in Stand::both().await {
        for (kind, expected) in [
            (status(500, ""), FailureClass::Transient),
            (status(503, ""), FailureClass::Transient),
            (status(429, ""), FailureClass::RateLimited),
            (status(401, "invalid_client"), FailureClass::OperatorNeeded),
            (status(401, "unauthorized_client"), FailureClass::OperatorNeeded),
            (status(400, "invalid_scope"), FailureClass::OperatorNeeded),
            (Kind::BeforeCommit, FailureClass::Transient),
            (Kind::AfterCommit, FailureClass::Transient),
            (Kind::Truncated, FailureClass::Transient),
        ] {
            stand.arm(Rule::on("POST", TOKEN, kind.clone()));
            let failure = stand.create().await.unwrap_err();
            assert_eq!(failure.class, expected, "{kind:?}: nothing was sent to the calendar, so it is never unknown");
        }
        assert_eq!(stand.calls_to("/events"), 0);
        stand.create().await.unwrap();
        stand.close();
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_ours_to_mend() {
    let stand = Stand::direct();
    let early = ServiceAccount::from_json(&credentials("https://oauth2.googleapis.com").to_string()).unwrap();
    let then = super::stand::start() - TimeDelta::days(1);
    let clock = std::sync::Arc::new(syncledger::adapters::memory::VirtualClock::new(1, then));
    let provider = stand.provider_with(early, clock);
    assert_eq!(class(provider.authorise().await), FailureClass::OperatorNeeded);
}

#[test]
fn a_key_file_that_is_none_says_what_is_missing_and_repeats_nothing() {
    let good = credentials("https://oauth2.googleapis.com");
    let with = |key: &str, value: serde_json::Value| {
        let mut file = good.clone();
        file[key] = value;
        ServiceAccount::from_json(&file.to_string()).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(with("type", "service_account".into()), Ok(()));
    assert!(with("type", "authorized_user".into()).unwrap_err().contains("service_account"));
    assert!(with("private_key", "-----BEGIN s3cret".into()).unwrap_err().contains("PEM"));
    assert!(with("private_key", serde_json::Value::Null).unwrap_err().contains("private_key"));
    let broken = format!("{{\"private_key\": \"{}\"", "s3cret");
    assert!(!ServiceAccount::from_json(&broken).unwrap_err().to_string().contains("s3cret"));
    let account = ServiceAccount::from_json(&good.to_string()).unwrap();
    let printed = format!("{account:?}");
    assert!(PRIVATE_KEY_PEM.lines().all(|line| !printed.contains(line)) && printed.contains("sync-bot"), "{printed}");
}
