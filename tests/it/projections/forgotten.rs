//! Forgetting a person: every step may be the last before a crash, and whoever comes next ends it.

use syncledger::{
    domain::{
        booking,
        entry::Content,
        event::Event,
        ids::*,
        link,
        operations::Event as Operations,
        personal::{Personal, nobody},
    },
    ports::{
        event_store::ExpectedVersion,
        vault::{KeyState, Vault as _},
    },
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        Error,
        journal::{Context, Journal},
        people::forget::erase,
    },
};

use super::{
    story::{booking as booking_id, calendar},
    world::World,
};

fn ann() -> SubjectId {
    SubjectId::new("uschedule.customer-7").unwrap()
}

fn by(name: &str, journal: &Journal) -> Context {
    Context::root(Actor::new("operator", name), Origin::Admin, journal.clock().event_id())
}

async fn told(world: &World) -> Vec<Operations> {
    let stream = StreamName::operations("loft");
    let told = world.journal().stream(&stream, Version(0)).await.unwrap();
    let event = |event| if let Event::Operations(event) = event { Some(event) } else { None };
    told.into_iter().filter_map(|told| event(told.event)).collect()
}

async fn gone(world: &World) -> bool {
    matches!(world.vault.key(&ann()).await.unwrap(), KeyState::Destroyed(_))
}

#[tokio::test]
async fn an_erasure_is_recorded_before_and_after_and_once() {
    let world = World::new();
    let journal = world.journal();
    world.vault.key_or_new(&ann()).await.unwrap();
    let done = erase(&journal, "loft", &ann(), false, &by("kim", &journal)).await.unwrap();
    assert!(!done.repeated && done.by == "kim");
    let again = erase(&journal, "loft", &ann(), false, &by("lee", &journal)).await.unwrap();
    assert!(again.repeated && again.by == "kim" && again.erased_at == done.erased_at);
    assert!(gone(&world).await);
    let told = told(&world).await;
    assert!(matches!(
        told.as_slice(),
        [Operations::SubjectErasureRequested { by, .. }, Operations::SubjectErased { erased_at, .. }]
            if by == "kim" && *erased_at == done.erased_at
    ));
}

#[tokio::test]
async fn a_crash_after_the_intent_or_after_the_key_is_made_good() {
    for key_gone in [false, true] {
        let world = World::new();
        let journal = world.journal();
        world.vault.key_or_new(&ann()).await.unwrap();
        let asked = Operations::SubjectErasureRequested { subject: ann(), by: "kim".into() };
        let stream = StreamName::operations("loft");
        journal.append(&stream, ExpectedVersion::Any, vec![asked], &by("kim", &journal)).await.unwrap();
        if key_gone {
            world.vault.destroy(&ann(), journal.clock().now()).await.unwrap();
        }
        let done = erase(&journal, "loft", &ann(), false, &by("lee", &journal)).await.unwrap();
        assert!(!done.repeated && done.by == "kim", "who asked first stands: {done:?}");
        assert!(gone(&world).await);
        assert_eq!(told(&world).await.len(), 2, "one intent, one outcome");
    }
}

#[tokio::test]
async fn a_slip_of_the_pen_is_no_erasure() {
    let world = World::new();
    let journal = world.journal();
    let refused = erase(&journal, "loft", &ann(), false, &by("kim", &journal)).await;
    assert!(matches!(refused, Err(Error::NotFound { what: "subject", .. })));
    assert!(matches!(erase(&journal, "loft", &nobody(), true, &by("kim", &journal)).await, Err(Error::Invalid(_))));
    assert!(told(&world).await.is_empty());
    erase(&journal, "loft", &ann(), true, &by("kim", &journal)).await.unwrap();
    assert!(gone(&world).await, "asked for all the same, it holds for the time to come");
}

#[tokio::test]
async fn what_is_seen_of_a_forgotten_person_is_recorded_without_their_words() {
    let world = World::new();
    let journal = world.journal();
    world.vault.key_or_new(&ann()).await.unwrap();
    erase(&journal, "loft", &ann(), false, &by("kim", &journal)).await.unwrap();
    let slot = syncledger::domain::slot::Slot::timed(
        super::choices::noon(),
        super::choices::noon() + chrono::TimeDelta::hours(1),
        "UTC",
    );
    let content = Content {
        slot: slot.unwrap(),
        title: Personal::new(ann(), "Lesson with Ann"),
        description: Personal::erased(),
        marked_cancelled: false,
    };
    let link = LinkId::of(&booking_id(), &calendar());
    let seen = link::Event::Adopted {
        remote: RemoteId("e1".into()),
        generation: Generation(1),
        etag: Etag("1".into()),
        content,
        reason: "test".into(),
    };
    let stream = StreamName::link(&link);
    journal.append(&stream, ExpectedVersion::Any, vec![seen], &by("kim", &journal)).await.unwrap();
    let told = journal.stream(&stream, Version(0)).await.unwrap().remove(0);
    let Event::Link(link::Event::Adopted { content, .. }) = told.event else { panic!("it is what was appended") };
    assert_eq!((content.title.text, content.description.text.as_deref()), (None, Some("[erased]")));
    let named = booking::Event::DetailsChanged {
        details: booking::Details { title: Personal::new(ann(), "Ann again"), notes: None, customer: None },
        cause: booking::Cause::default(),
    };
    let stream = StreamName::booking(&booking_id());
    let refused = journal.append(&stream, ExpectedVersion::Any, vec![named], &by("kim", &journal)).await;
    assert!(refused.unwrap_err().to_string().contains("was erased"));
}
