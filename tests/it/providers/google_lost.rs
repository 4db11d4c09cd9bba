//! Answers that never come, and errors at a bad moment: what may be concluded, and what may not.

use chrono::TimeDelta;
use syncledger::{
    adapters::sandbox::faults::{Kind, Rule},
    domain::{
        calendar::Window,
        failure::FailureClass,
        ids::{ChannelId, Etag},
    },
    ports::provider::{CalendarProvider as _, ListFrom, WatchRequest},
};

use super::stand::{Stand, calendar, class, content, key, live, moved, remote, start, status};

#[tokio::test]
async fn a_lost_answer_to_a_write_is_unknown_and_a_look_tells() {
    for stand in Stand::both().await {
        let provider = &stand.provider;
        for (kind, done) in [(Kind::BeforeCommit, false), (Kind::AfterCommit, true)] {
            stand.arm(Rule::on("POST", "*/events", kind));
            assert_eq!(class(stand.create().await), FailureClass::OutcomeUnknown);
            assert_eq!(provider.get(&calendar(), &remote()).await.unwrap().is_some(), done);
        }
        let mut entry = provider.get(&calendar(), &remote()).await.unwrap().unwrap();
        let mut from = content();
        for (kind, hours, done) in
            [(Kind::BeforeCommit, 1, false), (Kind::AfterCommit, 2, true), (Kind::Truncated, 3, true)]
        {
            stand.arm(Rule::on("PATCH", "*/events/*", kind));
            let lost = provider.update(&calendar(), &remote(), &entry.etag, &from, &moved(hours), &key()).await;
            assert_eq!(class(lost), FailureClass::OutcomeUnknown);
            let now = provider.get(&calendar(), &remote()).await.unwrap().unwrap();
            assert_eq!((now.etag != entry.etag, live(&now).same(&moved(hours))), (done, done));
            (from, entry) = (live(&now).clone(), now);
        }
        stand.arm(Rule::on("DELETE", "*/events/*", Kind::AfterCommit));
        assert_eq!(class(provider.delete(&calendar(), &remote(), &entry.etag).await), FailureClass::OutcomeUnknown);
        assert!(provider.delete(&calendar(), &remote(), &entry.etag).await.unwrap(), "it had been carried out");
        stand.close();
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_read_is_transient() {
    for stand in Stand::both().await {
        let window = ListFrom::Window(Window { from: start(), until: start() + TimeDelta::days(90) });
        for kind in [Kind::BeforeCommit, Kind::AfterCommit, Kind::Truncated] {
            stand.arm(Rule::on("GET", "*/events*", kind).times(2));
            assert_eq!(class(stand.provider.get(&calendar(), &remote()).await), FailureClass::Transient);
            assert_eq!(class(stand.provider.list(&calendar(), &window, None).await), FailureClass::Transient);
        }
        stand.close();
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_watch_is_unknown() {
    for stand in Stand::both().await {
        let request = WatchRequest {
            channel: ChannelId::new("channel-1").unwrap(),
            token: "secret".into(),
            address: "https://sync.example.org/webhook/gcal".into(),
            life_s: 3600,
        };
        stand.arm(Rule::on("POST", "*/watch", Kind::AfterCommit));
        assert_eq!(class(stand.provider.watch(&calendar(), &request).await), FailureClass::OutcomeUnknown);
        assert_eq!(stand.model().live_channels(start()).len(), 1, "a channel that nobody has the resource of");
        stand.close();
    }
}

#[tokio::test]
async fn what_never_left_is_transient() {
    let stand = Stand::direct();
    stand.provider.authorise().await.unwrap();
    let etag = Etag("\"1\"".into());
    stand.arm(Rule::next(Kind::Unreachable).times(3));
    assert_eq!(class(stand.create().await), FailureClass::Transient);
    let update = stand.provider.update(&calendar(), &remote(), &etag, &content(), &moved(1), &key()).await;
    assert_eq!(class(update), FailureClass::Transient);
    assert_eq!(class(stand.provider.delete(&calendar(), &remote(), &etag).await), FailureClass::Transient);
    assert!(stand.create().await.is_ok());
}

#[tokio::test]
async fn a_write_repeated_after_a_5xx_makes_no_duplicate() {
    for stand in Stand::both().await {
        let hidden = Kind::Status { status: 503, reason: String::new(), retry_after_s: None, carried_out: true };
        stand.arm(Rule::on("POST", "*/events", hidden.clone()));
        assert_eq!(class(stand.create().await), FailureClass::OutcomeUnknown);
        assert_eq!(class(stand.create().await), FailureClass::IdentityTaken, "the first one had been carried out");
        let made = stand.provider.get(&calendar(), &remote()).await.unwrap().unwrap();
        stand.arm(Rule::on("PATCH", "*", hidden.clone()));
        for expected in [FailureClass::OutcomeUnknown, FailureClass::Stale] {
            let update = stand.provider.update(&calendar(), &remote(), &made.etag, &content(), &moved(1), &key()).await;
            assert_eq!(class(update), expected);
        }
        let now = stand.provider.get(&calendar(), &remote()).await.unwrap().unwrap();
        stand.arm(Rule::on("DELETE", "*", hidden));
        let deleted = stand.provider.delete(&calendar(), &remote(), &now.etag).await;
        assert_eq!(class(deleted), FailureClass::OutcomeUnknown);
        assert!(stand.provider.delete(&calendar(), &remote(), &now.etag).await.unwrap());
        assert_eq!(stand.model().entries(super::stand::BAY).len(), 0);
        stand.close();
    }
}

#[tokio::test]
async fn limits_are_told_apart_and_retry_after_is_passed_on() {
    for stand in Stand::both().await {
        for (code, reason, expected) in [
            (403, "rateLimitExceeded", FailureClass::RateLimited),
            (403, "userRateLimitExceeded", FailureClass::RateLimited),
            (403, "quotaExceeded", FailureClass::UsageLocked),
            (403, "dailyLimitExceeded", FailureClass::OperatorNeeded),
            (429, "rateLimitExceeded", FailureClass::RateLimited),
            (500, "backendError", FailureClass::OutcomeUnknown),
        ] {
            stand.arm(Rule::on("POST", "*/events", status(code, reason)));
            let failure = stand.create().await.unwrap_err();
            assert_eq!((failure.class, failure.status), (expected, Some(code)), "{reason}");
            assert_eq!((failure.reason.as_deref(), failure.retry_after_ms), (Some(reason), None));
        }
        let busy = Kind::Status { status: 429, reason: String::new(), retry_after_s: Some(17), carried_out: false };
        stand.arm(Rule::on("POST", "*/events", busy));
        assert_eq!(stand.create().await.unwrap_err().retry_after_ms, Some(17_000));
        stand.close();
    }
}
