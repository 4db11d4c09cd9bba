//! Listings, deltas and channels.

use chrono::{DateTime, TimeDelta, Utc};
use syncledger::{
    adapters::{google::push, sandbox::model::Model as _},
    domain::{
        calendar::Window,
        entry::{Body, RemoteEntry},
        failure::FailureClass,
        ids::{ChannelId, CursorToken},
    },
    ports::provider::{CalendarProvider as _, ListFrom, WatchRequest},
};

use super::stand::{BAY, Stand, calendar, class, live, marker, remote, start};

fn window() -> ListFrom {
    ListFrom::Window(Window { from: start() - TimeDelta::days(1), until: start() + TimeDelta::days(90) })
}

fn theirs(stand: &Stand, summary: &str, starts_at: DateTime<Utc>) -> String {
    stand.model().create_entry(BAY, summary, starts_at, starts_at + TimeDelta::hours(1), start())
}

/// All pages of a listing, and how many there were.
async fn all(stand: &Stand, from: &ListFrom) -> (Vec<RemoteEntry>, CursorToken, usize) {
    let (mut entries, mut next, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = stand.provider.list(&calendar(), from, next.as_deref()).await.unwrap();
        entries.extend(page.entries);
        pages += 1;
        assert!(pages < 1000, "an endless listing");
        match (page.next, page.cursor) {
            (Some(token), None) => next = Some(token),
            (None, Some(cursor)) => return (entries, cursor, pages),
            both_or_none => panic!("{both_or_none:?}"),
        }
    }
}

#[tokio::test]
async fn a_listing_has_pages_and_the_last_a_cursor() {
    for stand in Stand::both().await {
        stand.model().settings_mut().page_entries_max = 2;
        stand.create().await.unwrap();
        for hour in 0..4 {
            theirs(&stand, "Dentist", start() + TimeDelta::hours(hour));
        }
        theirs(&stand, "Long ago", start() - TimeDelta::days(30));
        let (entries, _, pages) = all(&stand, &window()).await;
        assert_eq!((entries.len(), pages), (5, 3));
        let ours: Vec<_> = entries.iter().filter(|e| e.marker.is_some()).collect();
        assert_eq!((ours.len(), &ours[0].marker, &ours[0].id), (1, &Some(marker()), &remote()));
        stand.close();
    }
}

#[tokio::test]
async fn pages_that_are_short_or_empty_end_nothing() {
    let stand = Stand::direct();
    stand.model().settings_mut().short_pages = true;
    for hour in 0..300 {
        theirs(&stand, "Dentist", start() + TimeDelta::hours(hour));
    }
    let (entries, _, pages) = all(&stand, &window()).await;
    assert_eq!(entries.len(), 300);
    assert!(pages > 1);
    stand.close();
}

#[tokio::test]
async fn a_delta_brings_what_changed_removals_included() {
    for stand in Stand::both().await {
        stand.create().await.unwrap();
        let dentist = theirs(&stand, "Dentist", start());
        let (_, cursor, _) = all(&stand, &window()).await;
        let (nothing, cursor, _) = all(&stand, &ListFrom::Cursor(cursor)).await;
        assert_eq!(nothing, []);
        stand.model().rename_entry(BAY, &dentist, "Doctor", start()).unwrap();
        stand.model().delete_entry(BAY, remote().as_str(), start()).unwrap();
        let (changed, cursor, _) = all(&stand, &ListFrom::Cursor(cursor)).await;
        assert_eq!(changed.len(), 2);
        let of = |id: &str| changed.iter().find(|e| e.id.as_str() == id).unwrap();
        assert_eq!(live(of(&dentist)).title.display_text(), "Doctor");
        assert_eq!(of(remote().as_str()).body, Body::Deleted);
        assert_eq!(all(&stand, &ListFrom::Cursor(cursor)).await.0, []);
        stand.close();
    }
}

#[tokio::test]
async fn a_delta_is_not_blind_beyond_the_first_window() {
    let stand = Stand::direct();
    let fingerprint = stand.provider.query_fingerprint();
    let (_, cursor, _) = all(&stand, &window()).await;
    stand.advance(TimeDelta::days(20));
    let far = theirs(&stand, "Next year", start() + TimeDelta::days(400));
    let (changed, _, _) = all(&stand, &ListFrom::Cursor(cursor)).await;
    assert_eq!(changed.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), [far.as_str()]);
    assert_eq!(stand.provider.query_fingerprint(), fingerprint, "and is of the same query at any time");
    assert_eq!(Stand::direct().provider.query_fingerprint(), fingerprint);
    stand.close();
}

#[tokio::test]
async fn a_cursor_that_is_not_good_any_more_says_so() {
    for stand in Stand::both().await {
        let (_, cursor, _) = all(&stand, &window()).await;
        let cursor = ListFrom::Cursor(cursor);
        stand.model().expire_sync_tokens();
        assert_eq!(class(stand.provider.list(&calendar(), &cursor, None).await), FailureClass::CursorExpired);
        let garbage = ListFrom::Cursor(CursorToken("not a token & more=1".into()));
        assert_eq!(class(stand.provider.list(&calendar(), &garbage, None).await), FailureClass::CursorExpired);
        assert!(stand.provider.list(&calendar(), &window(), None).await.is_ok());
        let odd_page = stand.provider.list(&calendar(), &window(), Some("no page")).await;
        assert_eq!(class(odd_page), FailureClass::NonRetryable);
        stand.close();
    }
}

fn request(channel: &str) -> WatchRequest {
    WatchRequest {
        channel: ChannelId::new(channel).unwrap(),
        token: "a-secret-of-ours".into(),
        address: "https://sync.example.org/webhook/gcal".into(),
        life_s: 7 * 86_400,
    }
}

#[tokio::test]
async fn a_channel_is_opened_notifies_and_is_stopped() {
    for stand in Stand::both().await {
        stand.model().settings_mut().channel_life_max = TimeDelta::days(2);
        let watch = stand.provider.watch(&calendar(), &request("channel-1")).await.unwrap();
        assert_eq!(watch.expires_at, start() + TimeDelta::days(2), "what Google grants, not what was asked");
        assert_eq!(stand.model().live_channels(start()), [("channel-1", BAY, watch.expires_at)]);
        if !stand.over_http {
            // Over HTTP the server has sent it already.
            theirs(&stand, "Dentist", start());
            let sent = stand.model().take_deliveries(start());
            let read = |i: usize| {
                push::PushHeaders::from_headers(|name| {
                    let request = &sent[i].request;
                    request.header_value(name)
                })
            };
            let (first, second) = (read(0).unwrap(), read(1).unwrap());
            assert_eq!((first.state, second.state), (push::State::Sync, push::State::Exists));
            assert_eq!((first.channel.as_str(), first.token.as_deref()), ("channel-1", Some("a-secret-of-ours")));
            assert_eq!((&first.resource, first.expires_at), (&watch.resource, Some(watch.expires_at)));
            assert!(second.number > first.number);
        }
        let again = stand.provider.watch(&calendar(), &request("channel-1")).await;
        assert_eq!(class(again), FailureClass::NonRetryable, "the id is taken");
        let channel = ChannelId::new("channel-1").unwrap();
        stand.provider.stop(&channel, &watch.resource).await.unwrap();
        assert_eq!(stand.model().live_channels(start()), []);
        stand.provider.stop(&channel, &watch.resource).await.expect("one that is not there is stopped");
        stand.close();
    }
}

#[tokio::test]
async fn a_calendar_without_notifications_says_so() {
    for stand in Stand::both().await {
        stand.model().calendar_mut(BAY).unwrap().push = false;
        let watch = stand.provider.watch(&calendar(), &request("channel-1")).await;
        assert_eq!(class(watch), FailureClass::PushUnsupported);
        stand.model().calendar_mut(BAY).unwrap().gone = true;
        let watch = stand.provider.watch(&calendar(), &request("channel-1")).await;
        assert_eq!(class(watch), FailureClass::CalendarUnavailable);
        stand.close();
    }
}

#[tokio::test]
async fn a_channel_that_google_would_refuse_is_not_asked_for() {
    let stand = Stand::direct();
    let long_id = request(&"x".repeat(65));
    assert_eq!(class(stand.provider.watch(&calendar(), &long_id).await), FailureClass::NonRetryable);
    let long_token = WatchRequest { token: "x".repeat(257), ..request("channel-1") };
    assert_eq!(class(stand.provider.watch(&calendar(), &long_token).await), FailureClass::NonRetryable);
    assert_eq!(stand.calls(), []);
}
