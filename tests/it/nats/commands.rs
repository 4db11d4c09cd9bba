//! Commands by message: carried out once, answered, refused, and kept where they cannot be carried out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::{HeaderMap, jetstream};
use futures::StreamExt as _;
use serde_json::{Value, json};
use syncledger::{
    adapters::{
        memory::{MemoryProjections, MemoryVault},
        nats::{Nats, NatsCommands},
    },
    domain::{event, ids::Position, source},
    ports::{event_store::EventStore as _, projection_store::ProjectionStore},
    projections::query::{Page, Query},
    record::envelope::{Actor, Origin},
    services::{
        commands::{Commands, Rules},
        journal::{Context, Journal},
        models::project::Projector,
        operators::reprocess::reprocess,
        sync::intake,
    },
};

use super::{
    server::Server,
    world::{World, settings, shape},
};
use crate::support::patience::soon;

struct Desk {
    world: World,
    journal: Journal,
    commands: Commands,
    client: async_nats::Client,
}

/// An answer: its status and its body.
type Said = (u16, Value);

fn lesson(id: Option<&str>) -> Value {
    let mut booking = json!({
        "resource": "bay-1",
        "slot": {"starts_at": "2027-03-01T10:00:00-06:00", "ends_at": "2027-03-01T11:00:00-06:00", "zone": "America/Chicago"},
        "details": {"title": "Lesson", "customer": {"id": "c7", "name": "Ann Example"}},
    });
    if let Some(id) = id {
        booking["id"] = json!(id);
    }
    booking
}

async fn commands(server: &Server, journal: &Journal, rules: Rules) -> Commands {
    let nats = Nats::connect_now(settings(server)).await.unwrap();
    Commands::new(journal.clone(), Arc::new(NatsCommands::new(nats, shape())), rules)
}

impl Desk {
    async fn new() -> Self {
        let world = World::new();
        let vault = Arc::new(MemoryVault::new(world.clock.clone()));
        let journal = Journal::new(world.ledger.clone(), vault, world.clock.clone());
        let commands = commands(&world.server, &journal, Rules { any: false, deliveries_max: 3 }).await;
        let client = async_nats::connect(world.server.url()).await.unwrap();
        let desk = Self { world, journal, commands, client };
        assert_eq!(desk.commands.step().await, Ok(0));
        desk
    }

    /// Sends a command that JetStream stores; answers nothing.
    async fn send(&self, verb: &str, key: &str, reply_to: Option<&str>, body: Vec<u8>) {
        let mut headers = HeaderMap::new();
        headers.insert("Idempotency-Key", key);
        if let Some(reply_to) = reply_to {
            headers.insert("Reply-To", reply_to);
        }
        let subject = format!("syncledger.loft.commands.booking.{verb}");
        let jetstream = jetstream::new(self.client.clone());
        jetstream.publish_with_headers(subject, headers, body.into()).await.unwrap().await.unwrap();
    }

    /// Sends a command and waits for its answer.
    async fn ask(&self, verb: &str, key: &str, body: &Value) -> Said {
        self.ask_with(verb, key, body.to_string().into_bytes()).await
    }

    async fn ask_with(&self, verb: &str, key: &str, body: Vec<u8>) -> Said {
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.unwrap();
        self.send(verb, key, Some(&inbox), body).await;
        self.work(1).await;
        let answer = soon(answers.next()).await.unwrap();
        let headers = answer.headers.unwrap();
        assert_eq!(headers.get("Idempotency-Key").unwrap().as_str(), key);
        (
            headers.get("Syncledger-Status").unwrap().as_str().parse().unwrap(),
            serde_json::from_slice(&answer.payload).unwrap(),
        )
    }

    /// Works until so many were taken.
    async fn work(&self, count: usize) {
        let mut taken = 0;
        for _ in 0..30 {
            taken += self.commands.step().await.unwrap();
            if taken >= count {
                return;
            }
        }
        panic!("{taken} of {count} commands came");
    }

    async fn kinds(&self) -> Vec<String> {
        let events = self.world.ledger.read_all(Position(0), 1_000).await.unwrap();
        events.into_iter().map(|e| e.event.kind).collect()
    }

    /// What was given up: its id and its reason.
    async fn dead_letters(&self) -> Vec<(String, String)> {
        let models: Arc<dyn ProjectionStore> = Arc::new(MemoryProjections::default());
        models.prepare(syncledger::ports::clock::Clock::now(&*self.world.clock)).await.unwrap();
        let projector = Projector::new(self.world.ledger.clone(), models.clone(), self.world.clock.clone());
        projector.catch_up(100).await.unwrap();
        let rows = models.ask(&Query::DeadLetters(Page::first(100))).await.unwrap();
        let cell = |row: &syncledger::projections::Row, name: &str| row.text(name).unwrap_or_default().to_owned();
        rows.iter().map(|row| (cell(row, "letter"), cell(row, "error_summary"))).collect()
    }

    /// What a running service does about a delivery that is to be tried again.
    async fn react(&self) {
        let events = self.world.ledger.read_all(Position(0), 1_000).await.unwrap();
        let told = self.journal.decode(events.last().unwrap().clone()).await.unwrap();
        intake::apply(&self.journal, &BTreeMap::new(), &told).await.unwrap();
    }
}

#[tokio::test]
async fn every_verb_is_carried_out_and_answered_as_over_http() {
    let desk = Desk::new().await;
    let (status, booking) = desk.ask("create", "k1", &lesson(Some("1001"))).await;
    assert_eq!((status, &booking["id"], &booking["status"]), (201, &json!("api.1001"), &json!("tentative")));
    assert_eq!(booking["details"]["customer"]["name"], "Ann Example");
    let about = |more: Value| {
        let mut body = json!({"booking": "api.1001"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let (status, booking) = desk.ask("confirm", "k2", &about(json!({}))).await;
    assert_eq!((status, &booking["status"], &booking["revision"]), (200, &json!("confirmed"), &json!(2)));
    let slot = json!({"from": "2027-03-02", "until": "2027-03-03"});
    assert_eq!(desk.ask("reschedule", "k3", &about(slot)).await.1["slot"]["from"], "2027-03-02");
    assert_eq!(desk.ask("reassign", "k4", &about(json!({"resource": "bay-2"}))).await.1["resource"], "bay-2");
    let details = about(json!({"title": "Fitting", "customer": null}));
    assert_eq!(desk.ask("change_details", "k5", &details).await.1["details"]["customer"], Value::Null);
    assert_eq!(desk.ask("cancel", "k6", &about(json!({}))).await.1["cancelled_for"], "requested");
    assert_eq!(desk.ask("restore", "k7", &about(json!({}))).await.1["status"], "confirmed");
    // Refusals are problem documents, with the same words and numbers.
    desk.ask("cancel", "k8", &about(json!({}))).await;
    let (status, problem) = desk.ask("confirm", "k9", &about(json!({}))).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:syncledger:problem:conflict")));
    assert!(problem["detail"].as_str().unwrap().contains("is cancelled"), "{problem}");
    let (status, problem) = desk.ask("confirm", "k10", &json!({"booking": "api.none"})).await;
    assert_eq!((status, &problem["title"]), (404, &json!("Not found")));
    // Whoever asked was told: nobody else need look.
    assert_eq!(desk.dead_letters().await, []);
    // Personal data is sealed in what was recorded.
    let events = desk.world.ledger.read_all(Position(0), 1_000).await.unwrap();
    assert!(events.iter().all(|e| !e.event.data.contains("Ann")), "a name stands open in the ledger");
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_another_command_under_its_key_is_refused() {
    let desk = Desk::new().await;
    let first = desk.ask("create", "order-1", &lesson(None)).await;
    assert_eq!(first.0, 201);
    let id = first.1["id"].clone();
    // Nothing changes: confirmed already, as far as this one goes.
    desk.ask("confirm", "order-2", &json!({"booking": id})).await;
    let unchanged = desk.ask("confirm", "order-3", &json!({"booking": id})).await;
    desk.ask("cancel", "order-4", &json!({"booking": id})).await;
    let written = desk.kinds().await.len();
    assert_eq!(desk.ask("create", "order-1", &lesson(None)).await, first);
    assert_eq!(desk.ask("confirm", "order-3", &json!({"booking": id})).await, unchanged);
    // Written in another way, and by a process that was started anew.
    let again = commands(&desk.world.server, &desk.journal, Rules { any: false, deliveries_max: 3 }).await;
    let desk = Desk { commands: again, ..desk };
    let pretty = serde_json::to_vec_pretty(&lesson(None)).unwrap();
    assert_eq!(desk.ask_with("create", "order-1", pretty).await, first);
    let (status, problem) = desk.ask("create", "order-1", &lesson(Some("other"))).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("Idempotency-Key")));
    let (status, _) = desk.ask("cancel", "order-1", &json!({"booking": id})).await;
    assert_eq!(status, 422);
    assert_eq!(desk.kinds().await.len(), written, "{:?}", desk.kinds().await);
    // Where nobody waits for the answer, it is kept.
    desk.send("cancel", "order-1", None, json!({"booking": id}).to_string().into_bytes()).await;
    desk.work(1).await;
    assert_eq!(desk.dead_letters().await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_understood_is_kept_told_and_can_be_reprocessed() {
    let desk = Desk::new().await;
    let poison: [(&str, &str, Vec<u8>, u16); 7] = [
        ("create", "p1", b"{not json".to_vec(), 400),
        ("create", "p2", b"\xff\xfe".to_vec(), 400),
        ("evaporate", "p3", b"{}".to_vec(), 404),
        (
            "create",
            "p4",
            json!({"resource": "bay-1", "slot": {}, "details": {"title": "Ann Example"}}).to_string().into(),
            422,
        ),
        ("create", "p5", vec![b' '; 100_000], 413),
        ("confirm", "p6", json!({"booking": "api.x", "secret name": 1}).to_string().into(), 422),
        ("create", "p7", b"[]".to_vec(), 422),
    ];
    for (verb, key, body, status) in &poison {
        let said = desk.ask_with(verb, key, body.clone()).await;
        assert_eq!(said.0, *status, "{key}: {}", said.1);
        // Handed out again (its acknowledgement was lost), it is answered the same.
        let again = desk.ask_with(verb, key, body.clone()).await;
        assert_eq!((again.0, &again.1["detail"]), (said.0, &said.1["detail"]), "{key}");
    }
    let dead = desk.dead_letters().await;
    assert_eq!(
        dead.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(),
        ["nats.p1", "nats.p2", "nats.p3", "nats.p4", "nats.p5", "nats.p6", "nats.p7"]
    );
    let reasons: Vec<&str> = dead.iter().map(|(_, reason)| reason.as_str()).collect();
    assert!(reasons.iter().all(|reason| !reason.contains("Ann") && !reason.contains("secret")), "{reasons:?}");
    // A rule said no, and nobody was there to be told.
    desk.send("confirm", "r1", None, json!({"booking": "api.1001"}).to_string().into_bytes()).await;
    desk.work(1).await;
    assert_eq!(desk.dead_letters().await.len(), 8);
    // The booking comes after all, and the command is tried again.
    assert_eq!(desk.ask("create", "c1", &lesson(Some("1001"))).await.0, 201);
    let context = Context::root(
        Actor::new("operator", "me"),
        Origin::Admin,
        syncledger::ports::clock::Clock::event_id(&*desk.world.clock),
    );
    reprocess(&desk.journal, "nats.r1", &context).await.unwrap();
    desk.react().await;
    assert_eq!(desk.dead_letters().await.len(), 7);
    assert_eq!(desk.ask("confirm", "c2", &json!({"booking": "api.1001"})).await.1["revision"], 2);
    // One that stays wrong comes back.
    reprocess(&desk.journal, "nats.p4", &context).await.unwrap();
    assert_eq!(desk.dead_letters().await.len(), 6);
    desk.react().await;
    assert_eq!(desk.dead_letters().await.len(), 7);
}

#[tokio::test]
async fn a_command_that_was_taken_and_never_settled_is_handed_out_again_and_given_up_in_the_end() {
    let desk = Desk::new().await;
    // As if processes had died over it: recorded, handed out, never settled.
    desk.send("create", "c1", None, lesson(Some("1")).to_string().into_bytes()).await;
    let stream = desk.world.jetstream().await.get_stream("syncledger-loft-commands").await.unwrap();
    let consumer: jetstream::consumer::PullConsumer = stream.get_consumer("syncledger").await.unwrap();
    for round in 0..3 {
        let mut batch = consumer.batch().max_messages(1).expires(Duration::from_secs(5)).messages().await.unwrap();
        let message = batch.next().await.unwrap().unwrap();
        if round == 2 {
            let came = syncledger::services::commands::IncomingCommand::of(
                &syncledger::ports::commands::CommandMessage {
                    verb: "booking.create".into(),
                    key: "c1".into(),
                    body: message.payload.to_vec(),
                    reply_to: None,
                    correlation: None,
                    deliveries: 1,
                },
                false,
            );
            let context = Context::root(
                Actor::new("nats", "commands"),
                Origin::Api,
                syncledger::ports::clock::Clock::event_id(&*desk.world.clock),
            );
            let fact = source::Event::DeliveryReceived {
                source: syncledger::domain::ids::SourceName::new("nats").unwrap(),
                delivery: "c1".into(),
                body: syncledger::domain::personal::Personal::new(
                    came.subject(),
                    serde_json::to_string(&came).unwrap(),
                ),
            };
            let expected = syncledger::ports::event_store::ExpectedVersion::NoStream;
            desk.journal.append(&came.stream(), expected, vec![event::Event::from(fact)], &context).await.unwrap();
        }
        message.ack_with(jetstream::AckKind::Nak(None)).await.unwrap();
    }
    desk.work(1).await;
    let dead = desk.dead_letters().await;
    assert!(dead.len() == 1 && dead[0].1.contains("given up after 3 deliveries"), "{dead:?}");
    assert!(!desk.kinds().await.contains(&"booking.registered".to_owned()));
    // It is gone from the queue, and can be reprocessed.
    assert_eq!(desk.commands.step().await, Ok(0));
    let context = Context::root(
        Actor::new("operator", "me"),
        Origin::Admin,
        syncledger::ports::clock::Clock::event_id(&*desk.world.clock),
    );
    reprocess(&desk.journal, "nats.c1", &context).await.unwrap();
    desk.react().await;
    assert!(desk.kinds().await.contains(&"booking.registered".to_owned()));
}

#[tokio::test]
async fn commands_reach_only_what_they_may_and_answers_go_only_to_inboxes() {
    let desk = Desk::new().await;
    // A booking of another source.
    let id = syncledger::domain::ids::BookingId::new("uschedule.7").unwrap();
    let uschedule = syncledger::domain::ids::SourceName::new("uschedule").unwrap();
    let registered = syncledger::domain::booking::Event::Registered {
        source: uschedule,
        source_ref: "7".into(),
        resource: syncledger::domain::ids::ResourceId::new("bay-1").unwrap(),
        slot: syncledger::domain::slot::Slot::all_day("2027-03-02".parse().unwrap(), "2027-03-03".parse().unwrap())
            .unwrap(),
        details: syncledger::domain::booking::Details {
            title: syncledger::domain::personal::Personal::new(
                syncledger::domain::ids::SubjectId::new("uschedule.7").unwrap(),
                "x",
            ),
            notes: None,
            customer: None,
        },
        cause: syncledger::domain::booking::Cause::default(),
    };
    let clock = desk.world.clock.clone();
    let context = Context::root(
        Actor::new("source", "uschedule"),
        Origin::Webhook,
        syncledger::ports::clock::Clock::event_id(&*clock),
    );
    let stream = syncledger::record::stream::StreamName::booking(&id);
    let expected = syncledger::ports::event_store::ExpectedVersion::NoStream;
    desk.journal.append(&stream, expected, vec![event::Event::from(registered)], &context).await.unwrap();
    assert_eq!(desk.ask("cancel", "a", &json!({"booking": "uschedule.7"})).await.0, 404);
    let all = commands(&desk.world.server, &desk.journal, Rules { any: true, deliveries_max: 3 }).await;
    let desk = Desk { commands: all, ..desk };
    assert_eq!(desk.ask("cancel", "b", &json!({"booking": "uschedule.7"})).await.0, 200);
    // An answer to a subject of ours would be taken for an event.
    for subject in
        ["syncledger.loft.booking.x.forged", "$JS.API.STREAM.DELETE.syncledger-loft", "_INBOX.*", "_INBOX.a b"]
    {
        let mut heard = desk.client.subscribe("syncledger.loft.booking.>").await.unwrap();
        let key = format!("f{}", subject.len());
        desk.send("restore", &key, Some(subject), json!({"booking": "uschedule.7"}).to_string().into_bytes()).await;
        desk.work(1).await;
        desk.client.flush().await.unwrap();
        assert!(futures::FutureExt::now_or_never(heard.next()).is_none(), "{subject}");
    }
}

#[tokio::test]
async fn many_commands_at_once_keep_their_order_for_each_booking() {
    let desk = Desk::new().await;
    for n in 0..30 {
        desk.send("create", &format!("c{n}"), None, lesson(Some(&n.to_string())).to_string().into_bytes()).await;
        for verb in ["confirm", "cancel", "restore"] {
            let body = json!({"booking": format!("api.{n}")}).to_string().into_bytes();
            desk.send(verb, &format!("{verb}{n}"), None, body).await;
        }
    }
    desk.work(120).await;
    assert_eq!(desk.dead_letters().await, []);
    let kinds = desk.kinds().await;
    for kind in ["booking.registered", "booking.confirmed", "booking.cancelled", "booking.restored"] {
        assert_eq!(kinds.iter().filter(|k| *k == kind).count(), 30, "{kind}");
    }
}
