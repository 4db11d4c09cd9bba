//! Lists of the read models, and what operators do about what they show.

use chrono::TimeDelta;
use serde_json::{Value, json};
use syncledger::{
    domain::{
        calendar, connection,
        entry::{EntryState, Evidence, Observation},
        event::Event,
        failure::{CallFailure, FailureClass},
        ids::{BookingId, ConnectionId, CursorToken, IdempotencyKey, LinkId, RemoteId, ResourceId},
        link::{self, CommandId, HoldReason, IssuedCommand, LinkRef, Operation, WithholdReason},
        operations,
    },
    record::stream::StreamName,
};

use super::world::{World, bay1, now};

fn booking() -> BookingId {
    BookingId::new("uschedule.1001").expect("plain")
}

fn link_id() -> LinkId {
    LinkId::of(&booking(), &bay1())
}

fn started() -> Vec<Event> {
    let of = LinkRef {
        link: link_id(),
        booking: booking(),
        appointment: "1001".into(),
        calendar: bay1(),
        resource: ResourceId::new("bay-1").expect("plain"),
        profile: syncledger::domain::ids::ProfileId::new("resource-mirror").expect("plain"),
    };
    vec![link::Event::SyncRequested { of, reason: "a test".into() }.into()]
}

fn issued() -> Event {
    let command = IssuedCommand {
        id: CommandId(format!("{}:1", link_id())),
        operation: Operation::WriteBackCancel { expect_revision: Some(3) },
        remote: RemoteId("abc".into()),
        generation: Default::default(),
        key: IdempotencyKey("k".into()),
        booking_revision: Default::default(),
        lease_until: now() + TimeDelta::seconds(90),
        worker: "worker-1".into(),
    };
    link::Event::CommandIssued { command }.into()
}

fn given_up() -> Vec<Event> {
    let command = CommandId(format!("{}:1", link_id()));
    let failure = CallFailure::new(FailureClass::NonRetryable, "400: badRequest");
    let failed = link::Event::AttemptFailed {
        command: command.clone(),
        operation: "write_back_cancel".into(),
        failure: failure.clone(),
        retry_at: None,
        counts: true,
    };
    let dead = link::Event::DeadLettered { command, failure, booking_revision: Default::default() };
    [started(), vec![issued(), failed.into(), dead.into()]].concat()
}

fn held(reason: HoldReason) -> Event {
    let observation = Observation {
        remote: RemoteId("abc".into()),
        seen: EntryState::Gone { evidence: Evidence::Tombstone, updated: None },
        seen_at: now(),
    };
    link::Event::RemoteChangeHeld { observation, reason, booking_revision: Default::default(), until: None }.into()
}

fn path(rest: &str) -> String {
    format!("/api/v1/links/{}{rest}", link_id())
}

#[tokio::test]
async fn what_was_given_up_is_shown_and_can_be_tried_again() {
    let world = World::new().await;
    let stream = StreamName::link(&link_id());
    world.record(&stream, given_up()).await;
    world.project().await;
    let shown = world.get(&path("")).await;
    assert_eq!((&shown["status"], &shown["link"]), (&json!("FAILED"), &json!(link_id().as_str())));
    assert!(shown.get("position").is_none());
    let failed = world.get("/api/v1/attempts?failed=true").await;
    let attempt = failed["items"][0].clone();
    assert_eq!((&attempt["error_class"], &attempt["link"]), (&json!("non_retryable"), &shown["link"]));
    let id = attempt["attempt"].as_str().expect("an id").to_owned();
    assert_eq!(world.get(&format!("/api/v1/attempts/{id}")).await, attempt);
    assert_eq!(world.get("/api/v1/attempts?status=success").await["items"], json!([]));
    assert_eq!(
        world.get("/api/v1/links?attention=true&status=FAILED").await["items"].as_array().map(Vec::len),
        Some(1)
    );
    let again = format!("/api/v1/attempts/{id}/reprocess");
    let said = world.ask_with("POST", &again, "operator", None, &[("x-request-id", "why-1")]).await;
    assert_eq!((said.status, said.json()["kind"].clone()), (202, json!("link")));
    assert_eq!(world.ask("POST", &again, "operator", None).await.status, 409, "it is not given up any more");
    world.project().await;
    assert_eq!(world.get("/api/v1/dead-letters").await["items"], json!([]));
    let last = world.get("/api/v1/events?type=link.reprocessed").await["items"][0].clone();
    assert_eq!((&last["correlation"], &last["origin"]), (&json!("why-1"), &json!("admin")));
    assert_eq!(last["data"]["by"], last["actor"]["id"], "who asked is in the ledger");
}

#[tokio::test]
async fn a_person_answers_a_change_that_waits_once() {
    for (word, accepted) in [("accept", true), ("reject", false)] {
        let world = World::new().await;
        let stream = StreamName::link(&link_id());
        world.record(&stream, started()).await;
        let nothing = world.ask("POST", &path(&format!("/held/{word}")), "operator", None).await;
        assert_eq!(nothing.status, 409, "nothing waits: {nothing:?}");
        world.record(&stream, vec![held(HoldReason::OperatorDecision)]).await;
        for _ in 0..2 {
            let said = world.ask("POST", &path(&format!("/held/{word}")), "operator", None).await;
            assert_eq!((said.status, said.json()["accepted"].clone()), (202, json!(accepted)));
        }
        let other = if accepted { "reject" } else { "accept" };
        let said = world.ask("POST", &path(&format!("/held/{other}")), "operator", None).await;
        assert_eq!(said.status, 409, "the first answer stands: {said:?}");
        let kinds = world.kinds(&stream).await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "link.remote_change_answered").count(), 1);
        let (state, _) = world.journal.link(&link_id()).await.expect("memory");
        assert_eq!(state.and_then(|link| link.held).and_then(|held| held.answer), Some(accepted));
    }
    let world = World::new().await;
    world.record(&StreamName::link(&link_id()), [started(), vec![held(HoldReason::Busy)]].concat()).await;
    assert_eq!(world.ask("POST", &path("/held/accept"), "operator", None).await.status, 409, "it needs nobody");
}

#[tokio::test]
async fn an_approval_is_answered_once() {
    let world = World::new().await;
    let asked = operations::Event::ApprovalRequested {
        approval: "ap-1".into(),
        calendar: bay1(),
        removals: 12,
        live: 14,
        links: vec![link_id()],
    };
    world.record(&StreamName::operations("loft"), vec![asked.into()]).await;
    world.project().await;
    let open = world.get("/api/v1/admin/approvals?status=open").await;
    assert_eq!((&open["items"][0]["approval"], &open["items"][0]["removals"]), (&json!("ap-1"), &json!(12)));
    assert_eq!(world.get("/health").await["status"], "degraded");
    let say = |word: &'static str| {
        let world = &world;
        async move { world.ask("POST", &format!("/api/v1/admin/approvals/ap-1/{word}"), "operator", None).await.status }
    };
    assert_eq!((say("grant").await, say("grant").await, say("deny").await), (200, 200, 409));
    let kinds = world.kinds(&StreamName::operations("loft")).await;
    assert_eq!(kinds, ["operations.approval_requested", "operations.approval_granted"]);
}

#[tokio::test]
async fn resyncing_a_booking_asks_for_every_link_that_it_has_or_should_have() {
    let world = World::new().await;
    super::hooks::deliver(&world, "1001").await;
    let said = world.ask("POST", "/api/v1/admin/resync/booking/uschedule.1001", "operator", None).await;
    assert_eq!((said.status, said.json()["links"].clone()), (202, json!([link_id().as_str()])));
    let stream = StreamName::link(&link_id());
    assert_eq!(world.kinds(&stream).await, ["link.sync_requested"], "a link that never was begins");
    let adopted = link::Event::Adopted {
        remote: RemoteId("abc".into()),
        generation: syncledger::domain::ids::Generation(1),
        etag: syncledger::domain::ids::Etag("1".into()),
        content: syncledger::domain::entry::Content {
            slot: syncledger::domain::slot::Slot::timed(now(), now() + TimeDelta::hours(1), "UTC").expect("a slot"),
            title: words("Golf"),
            description: words(""),
            marked_cancelled: false,
        },
        reason: "a test".into(),
    };
    world.record(&stream, vec![adopted.into()]).await;
    assert_eq!(world.ask("POST", "/api/v1/admin/resync/booking/uschedule.1001", "admin", None).await.status, 202);
    let kinds = world.kinds(&stream).await;
    assert_eq!(kinds[2..], ["link.sync_requested", "link.look_requested"], "an entry that is there is read first");
    for unknown in ["uschedule.9", "%20"] {
        let said = world.ask("POST", &format!("/api/v1/admin/resync/booking/{unknown}"), "admin", None).await;
        assert_eq!(said.status, 404);
    }
}

fn words(text: &str) -> syncledger::domain::personal::Personal {
    let subject = syncledger::domain::ids::SubjectId::new("uschedule.customer.7").expect("plain");
    syncledger::domain::personal::Personal::new(subject, text)
}

#[tokio::test]
async fn connections_calendars_and_cursors_are_shown() {
    let world = World::new().await;
    let connection = ConnectionId::new("loft-bot").expect("plain");
    let authorised = connection::Event::Authorised {
        connection: connection.clone(),
        provider: "google".into(),
        account: "bot@example.org".into(),
        scopes: vec!["calendar.events".into()],
    };
    let selected =
        connection::Event::CalendarSelected { connection: connection.clone(), calendar: bay1().calendar.clone() };
    world.record(&StreamName::connection(&connection), vec![authorised.into(), selected.into()]).await;
    let pulled = calendar::Event::CursorAdvanced {
        calendar: bay1(),
        cursor: CursorToken("token-1".into()),
        fingerprint: "f".into(),
        tally: Default::default(),
    };
    world.record(&StreamName::calendar(&bay1()), vec![pulled.into()]).await;
    world.project().await;
    for (path, column, value) in [
        ("/api/v1/connections", "status", "active"),
        ("/api/v1/calendars", "calendar", "bay1@group.calendar.google.com"),
        ("/api/v1/cursors", "token", "token-1"),
    ] {
        let list = world.get(path).await;
        assert_eq!(list["items"][0][column], value, "{path}: {list}");
        assert_eq!(list["next"], Value::Null);
    }
}

#[tokio::test]
async fn auditors_read_events_as_they_are_stored() {
    let world = World::new().await;
    let stream = StreamName::link(&link_id());
    world.record(&stream, given_up()).await;
    let reason = WithholdReason::Past;
    world
        .record(
            &stream,
            vec![link::Event::Withheld { reason, booking_revision: Default::default(), until: None }.into()],
        )
        .await;
    let ask = |query: String| {
        let world = &world;
        async move {
            let said = world.ask("GET", &format!("/api/v1/events{query}"), "auditor", None).await;
            assert_eq!(said.status, 200, "{query}: {said:?}");
            said
        }
    };
    let all = ask(String::new()).await;
    let items = all.json()["items"].as_array().expect("a list").clone();
    assert_eq!((items.len(), all.json()["next"].clone()), (5, Value::Null));
    let recorded = syncledger::ports::event_store::EventStore::read_all(&*world.ledger, Default::default(), 10).await;
    for (event, stored) in items.iter().zip(recorded.expect("memory")) {
        assert!(all.text.contains(&stored.event.data), "the very text: {}", stored.event.data);
        assert_eq!(event["leaf"], data_encoding::HEXLOWER.encode(&stored.leaf));
        assert_eq!(event["position"], stored.position.0);
    }
    let page = ask("?from=1&to=3&limit=2".into()).await.json();
    assert_eq!((page["items"][0]["position"].clone(), page["next"].clone()), (json!(1), json!(3)));
    let page = ask("?from=3&to=3".into()).await.json();
    assert_eq!((page["items"].as_array().map(Vec::len), page["next"].clone()), (Some(1), Value::Null));
    let page = ask(format!("?stream={stream}&from=2&type=link.dead_lettered")).await.json();
    assert_eq!((page["items"].as_array().map(Vec::len), page["items"][0]["version"].clone()), (Some(1), json!(3)));
    assert_eq!(ask("?from=18446744073709551615".into()).await.json()["items"], json!([]));
    assert_eq!(ask("?stream=booking-none".into()).await.json()["items"], json!([]));
    let said = world.ask("GET", "/api/v1/events?stream=nonsense", "auditor", None).await;
    assert_eq!((said.status, said.problem()["errors"][0]["field"].clone()), (422, json!("stream")));
}

/// A call through a Google connection that failed once, and is to be tried again.
pub async fn fail_once(world: &World) {
    let connection = bay1().connection;
    let authorised = connection::Event::Authorised {
        connection: connection.clone(),
        provider: "google".into(),
        account: "bot@example.org".into(),
        scopes: Vec::new(),
    };
    world.record(&StreamName::connection(&connection), vec![authorised.into()]).await;
    let failed = link::Event::AttemptFailed {
        command: CommandId(format!("{}:1", link_id())),
        operation: "write_back_cancel".into(),
        failure: CallFailure::new(FailureClass::Transient, "503"),
        retry_at: Some(now() + TimeDelta::seconds(5)),
        counts: true,
    };
    world.record(&StreamName::link(&link_id()), [started(), vec![issued(), failed.into()]].concat()).await;
    world.project().await;
}
