//! One entry at a time: created, read, changed, deleted; and everything that can stand in the way.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;
use syncledger::{
    adapters::sandbox::{faults::Rule, google::AccessRole},
    domain::{
        entry::{Body, Content},
        failure::FailureClass,
        ids::{Etag, Generation, RemoteId},
        slot::Slot,
    },
    ports::provider::{CalendarProvider, ListFrom},
};

use super::stand::{
    BAY, Stand, calendar, calendar_named, class, content, key, link, live, marker, moved, personal, remote, start,
    status,
};

#[tokio::test]
async fn an_entry_is_created_read_changed_and_deleted() {
    for stand in Stand::both().await {
        let provider = &stand.provider;
        let made = stand.create().await.unwrap();
        assert_eq!((&made.id, &made.marker, live(&made)), (&remote(), &Some(marker()), &content()));
        assert_eq!(made.updated, Some(start()));
        let stored = stand.model().entry(BAY, remote().as_str()).unwrap().clone();
        assert_eq!(stored["extendedProperties"]["private"]["uscheduleAppointmentId"], "1001");
        assert_eq!(stored["extendedProperties"]["private"]["bay"], "1");
        assert_eq!(provider.get(&calendar(), &remote()).await.unwrap().unwrap().etag, made.etag);

        stand.advance(TimeDelta::seconds(60));
        let to = Content { title: personal("Bay 1: Bea"), ..moved(2) };
        let changed = provider.update(&calendar(), &remote(), &made.etag, &content(), &to, &key()).await.unwrap();
        assert_eq!((live(&changed), &changed.marker), (&to, &Some(marker())));
        assert_ne!(changed.etag, made.etag);
        let sent = stand.model().desk_call("PATCH");
        assert_eq!(sent.as_object().unwrap().keys().collect::<Vec<_>>(), ["end", "start", "summary"]);

        assert!(!provider.delete(&calendar(), &remote(), &changed.etag).await.unwrap());
        let gone = provider.get(&calendar(), &remote()).await.unwrap().unwrap();
        assert_eq!(gone.body, Body::Deleted);
        assert!(provider.delete(&calendar(), &remote(), &changed.etag).await.unwrap(), "410: it was gone already");
        assert_eq!(class(stand.create().await), FailureClass::IdentityTaken, "a deleted entry keeps its id");
        let other = provider.identity(&link(), Generation(2));
        assert!(provider.create(&calendar(), &other, &marker(), &content(), &key()).await.is_ok());
        stand.close();
    }
}

/// The body of the latest call with that method.
trait DeskCall {
    fn desk_call(&mut self, method: &str) -> serde_json::Value;
}

impl DeskCall for syncledger::adapters::sandbox::google::Google {
    fn desk_call(&mut self, method: &str) -> serde_json::Value {
        use syncledger::adapters::sandbox::model::Model as _;
        self.desk().calls.all().filter(|c| c.method == method).last().expect("there was such a call").body.clone()
    }
}

#[tokio::test]
async fn no_call_asks_google_to_mail_anybody() {
    use syncledger::adapters::sandbox::model::Model as _;
    let stand = Stand::direct();
    let made = stand.create().await.unwrap();
    let changed =
        stand.provider.update(&calendar(), &remote(), &made.etag, &content(), &moved(1), &key()).await.unwrap();
    stand.provider.delete(&calendar(), &remote(), &changed.etag).await.unwrap();
    let mut model = stand.model();
    let writes: Vec<_> = model.desk().calls.all().filter(|c| c.method != "GET" && c.url.contains("/events")).collect();
    assert_eq!(writes.len(), 3);
    assert!(writes.iter().all(|call| call.url.ends_with("?sendUpdates=none")));
    let conditional = writes.iter().filter(|call| call.headers.iter().any(|(name, _)| name == "if-match"));
    assert_eq!(conditional.count(), 2, "a change and a deletion name the version they are meant for");
}

#[tokio::test]
async fn whole_days_and_cancelled_ones_come_back_as_they_were_sent() {
    for stand in Stand::both().await {
        let day = Slot::all_day("2026-11-24".parse().unwrap(), "2026-11-26".parse().unwrap()).unwrap();
        let made = stand.create().await.unwrap();
        let mut from = content();
        let mut etag = made.etag;
        let steps = [
            Content { slot: day.clone(), ..content() },
            Content { slot: day, marked_cancelled: true, description: personal(""), ..content() },
            Content { marked_cancelled: true, ..moved(5) },
            content(),
        ];
        for to in steps {
            let now = stand.provider.update(&calendar(), &remote(), &etag, &from, &to, &key()).await.unwrap();
            assert_eq!(live(&now), &to);
            let read = stand.provider.get(&calendar(), &remote()).await.unwrap().unwrap();
            assert!(live(&read).same(&to) && read.marker == Some(marker()));
            (from, etag) = (to, now.etag);
        }
        stand.close();
    }
}

#[tokio::test]
async fn what_changed_since_it_was_read_is_stale() {
    for stand in Stand::both().await {
        let made = stand.create().await.unwrap();
        let later = start() + TimeDelta::days(4);
        stand.model().move_entry(BAY, remote().as_str(), later, later + TimeDelta::hours(1), start()).unwrap();
        let provider = &stand.provider;
        let update = provider.update(&calendar(), &remote(), &made.etag, &content(), &moved(1), &key()).await;
        assert_eq!(class(update), FailureClass::Stale);
        assert_eq!(class(provider.delete(&calendar(), &remote(), &made.etag).await), FailureClass::Stale);
        let nothing = provider.update(&calendar(), &remote(), &made.etag, &content(), &content(), &key()).await;
        assert_eq!(class(nothing), FailureClass::Stale, "even a change of nothing is of a version");
        let read = provider.get(&calendar(), &remote()).await.unwrap().unwrap();
        assert!(matches!(&live(&read).slot, Slot::Timed { starts_at, .. } if *starts_at == later), "their edit stands");
        let nothing = provider.update(&calendar(), &remote(), &read.etag, &content(), &content(), &key()).await;
        assert_eq!(nothing.unwrap(), read);
        stand.close();
    }
}

#[tokio::test]
async fn an_entry_that_is_not_there_is_told_from_a_calendar_that_is_not() {
    for stand in Stand::both().await {
        let (provider, etag) = (&stand.provider, Etag("\"1\"".into()));
        assert_eq!(provider.get(&calendar(), &remote()).await.unwrap(), None);
        let update = provider.update(&calendar(), &remote(), &etag, &content(), &moved(1), &key()).await;
        assert_eq!(class(update), FailureClass::Gone);
        assert!(provider.delete(&calendar(), &remote(), &etag).await.unwrap());

        let made = stand.create().await.unwrap();
        stand.model().calendar_mut(BAY).unwrap().gone = true;
        every_call_says(&stand, FailureClass::CalendarUnavailable, &made.etag).await;
        stand.model().calendar_mut(BAY).unwrap().gone = false;
        assert_eq!(provider.get(&calendar(), &remote()).await.unwrap().unwrap(), made, "nothing was lost");

        // The answer about the entry is 404; whether the calendar is there cannot be found out.
        stand.arm(Rule::on("GET", "*/events", status(500, "backendError")));
        let unknown = provider.get(&calendar(), &RemoteId("sl00000".into())).await;
        assert_eq!(class(unknown), FailureClass::Transient, "so nobody says that the entry is gone");
        stand.close();
    }
}

async fn every_call_says(stand: &Stand, expected: FailureClass, etag: &Etag) {
    let provider: Arc<dyn CalendarProvider> = stand.provider.clone();
    assert_eq!(class(stand.create().await), expected, "create");
    let update = provider.update(&calendar(), &remote(), etag, &content(), &moved(1), &key()).await;
    assert_eq!(class(update), expected, "update");
    assert_eq!(class(provider.delete(&calendar(), &remote(), etag).await), expected, "delete");
    assert_eq!(class(provider.get(&calendar(), &remote()).await), expected, "get");
    assert_eq!(class(provider.describe(&calendar()).await), expected, "describe");
    let window = syncledger::domain::calendar::Window { from: start(), until: start() + TimeDelta::days(90) };
    assert_eq!(class(provider.list(&calendar(), &ListFrom::Window(window), None).await), expected, "list");
}

#[tokio::test]
async fn a_calendar_that_may_only_be_read_says_so() {
    for stand in Stand::both().await {
        let made = stand.create().await.unwrap();
        assert!(stand.provider.describe(&calendar()).await.unwrap().writable);
        stand.model().calendar_mut(BAY).unwrap().access_role = AccessRole::Reader;
        let facts = stand.provider.describe(&calendar()).await.unwrap();
        assert_eq!((facts.writable, facts.zone.as_deref()), (false, Some("America/Chicago")));
        assert_eq!(class(stand.create().await), FailureClass::Forbidden);
        assert_eq!(
            class(stand.provider.delete(&calendar(), &remote(), &made.etag).await),
            FailureClass::Forbidden,
            "a 403 is no sign that it is gone"
        );
        assert!(stand.provider.get(&calendar(), &remote()).await.unwrap().is_some());
        stand.close();
    }
}

#[tokio::test]
async fn an_id_that_would_name_something_else_is_never_sent() {
    let stand = Stand::direct();
    for id in ["", ".", ".."] {
        let get = stand.provider.get(&calendar(), &RemoteId(id.into())).await;
        assert_eq!(class(get), FailureClass::NonRetryable);
        let get = stand.provider.get(&calendar_named(id), &remote()).await;
        assert_eq!(class(get), FailureClass::NonRetryable);
    }
    assert_eq!(stand.calls(), []);
    let odd = calendar_named("a/b?c#d e@ü");
    assert_eq!(class(stand.provider.get(&odd, &remote()).await), FailureClass::CalendarUnavailable);
    let paths = stand.calls().into_iter().map(|(_, url, _)| url).filter(|url| url.contains("/calendars/"));
    assert!(paths.into_iter().all(|url| url.contains("/calendars/a%2Fb%3Fc%23d%20e%40%C3%BC/events")));
}

#[tokio::test]
async fn somebody_elses_entry_bears_no_marker() {
    let stand = Stand::direct();
    let id = stand.model().create_entry(BAY, "Dentist", start(), start() + TimeDelta::hours(1), start());
    let entry = stand.provider.get(&calendar(), &RemoteId(id.clone())).await.unwrap().unwrap();
    assert_eq!((entry.marker.is_none(), live(&entry).title.display_text()), (true, "Dentist"));
    stand.create().await.unwrap();
    stand.model().strip_marker(BAY, remote().as_str(), start()).unwrap();
    let ours = stand.provider.get(&calendar(), &remote()).await.unwrap().unwrap();
    assert_eq!(ours.marker, None, "a marker that was taken out makes it theirs");
    assert_eq!(stand.model().entry(BAY, &id).unwrap()["summary"], json!("Dentist"));
}
