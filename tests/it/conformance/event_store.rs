//! What every ledger promises. A backend runs it with `event_store_suite!(open)`, where `open` gives an empty ledger and
//! what keeps it alive.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use futures::{
    future::{Either, join_all, select},
    poll,
};
use syncledger::{
    domain::ids::{CorrelationId, EventId, Position, Version},
    ledger::append::{APPEND_BYTES_MAX, DATA_LEVELS_MAX, TEXT_BYTES_MAX},
    ports::event_store::{APPEND_EVENTS_MAX, AppendOutcome, EVENT_BYTES_MAX, EventStore, ExpectedVersion, Failure},
    record::{
        envelope::{Actor, NewEvent, Origin},
        stream::{Category, StreamName},
    },
};

use super::given::{append, event, event_of, exact, sound, stream};
use crate::support::patience::soon;

/// A ledger under test.
pub type Store = Arc<dyn EventStore>;

macro_rules! event_store_suite {
    ($open:path) => {
        $crate::conformance::event_store::event_store_suite!(
            $open,
            expected_versions_are_kept,
            an_append_is_all_or_nothing,
            a_repeat_gets_the_first_answer,
            a_repeat_gets_the_first_answer_later_too,
            repeats_at_once_write_once,
            an_id_stands_for_one_event,
            an_id_stands_at_one_place,
            appends_at_once_have_one_winner,
            positions_are_dense_under_many_writers,
            a_reader_misses_nothing_and_sees_nothing_twice,
            limits_are_kept,
            what_is_no_append_is_refused,
            reading_pages_and_finds,
            texts_and_times_come_back_as_they_were,
            large_appends_fit,
            waiting_ends
        );
    };
    ($open:path, $($law:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let (store, _keep) = $open().await;
                $crate::conformance::event_store::$law(store).await;
            }
        )*
    };
}
pub(crate) use event_store_suite;

pub async fn expected_versions_are_kept(store: Store) {
    let store = store.as_ref();
    assert_eq!(append(store, "a", ExpectedVersion::NoStream, &[event(0), event(1)]).await.unwrap(), (1, 1, false));
    assert_eq!(append(store, "a", exact(1), &[event(2)]).await.unwrap(), (2, 2, false));
    assert_eq!(append(store, "a", ExpectedVersion::Any, &[event(3)]).await.unwrap(), (3, 3, false));
    assert_eq!(append(store, "b", ExpectedVersion::Any, &[event(4)]).await.unwrap(), (0, 4, false));
    for (to, expected, end) in [
        ("a", ExpectedVersion::NoStream, Some(3)),
        ("a", exact(2), Some(3)),
        ("a", exact(4), Some(3)),
        ("a", exact(u64::MAX), Some(3)),
        ("b", exact(7), Some(0)),
        ("c", exact(0), None),
        ("c", exact(i64::MAX as u64), None),
    ] {
        match append(store, to, expected, &[event(9)]).await {
            Err(Failure::Conflict { stream: name, actual }) => {
                assert_eq!((name, actual), (stream(to), end.map(Version)), "{to} {expected:?}");
            }
            other => panic!("{to} {expected:?} gave {other:?}"),
        }
    }
    assert_eq!(append(store, "c", ExpectedVersion::NoStream, &[event(5)]).await.unwrap(), (0, 5, false));
    assert_eq!(sound(store).await.len(), 6);
}

pub async fn an_append_is_all_or_nothing(store: Store) {
    let store = store.as_ref();
    let taken = event(0);
    append(store, "a", ExpectedVersion::NoStream, std::slice::from_ref(&taken)).await.unwrap();
    let refused = append(store, "b", ExpectedVersion::NoStream, &[event(1), taken.clone(), event(2)]).await;
    assert!(matches!(refused, Err(Failure::IdTaken(id)) if id == taken.id));
    let refused = append(store, "a", exact(7), &[event(1), event(2)]).await;
    assert!(matches!(refused, Err(Failure::Conflict { .. })));
    assert_eq!(sound(store).await.len(), 1);
    assert_eq!(store.last(&stream("b")).await.unwrap(), None);
}

pub async fn a_repeat_gets_the_first_answer(store: Store) {
    let store = store.as_ref();
    append(store, "other", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    for (to, expected) in [("a", ExpectedVersion::NoStream), ("b", ExpectedVersion::Any)] {
        let events = [event(1), event(2)];
        let (version, position, repeated) = append(store, to, expected, &events).await.unwrap();
        assert!(!repeated);
        assert_eq!(append(store, to, expected, &events).await.unwrap(), (version, position, true));
        // A retry reads the clock anew: that alone makes no other event.
        let mut later = events.clone();
        later.iter_mut().for_each(|e| e.recorded_at += TimeDelta::seconds(3));
        assert_eq!(append(store, to, expected, &later).await.unwrap(), (version, position, true));
        let more = [event(3)];
        let first = append(store, to, exact(version), &more).await.unwrap();
        assert_eq!(append(store, to, exact(version), &more).await.unwrap(), (first.0, first.1, true));
    }
    assert_eq!(sound(store).await.len(), 7);
}

pub async fn a_repeat_gets_the_first_answer_later_too(store: Store) {
    let store = store.as_ref();
    let (first, second) = ([event(1), event(2)], [event(3)]);
    append(store, "a", ExpectedVersion::NoStream, &first).await.unwrap();
    append(store, "a", exact(1), &second).await.unwrap();
    for n in 0..20 {
        append(store, "a", ExpectedVersion::Any, &[event(n)]).await.unwrap();
        append(store, "b", ExpectedVersion::Any, &[event(n)]).await.unwrap();
    }
    assert_eq!(append(store, "a", ExpectedVersion::NoStream, &first).await.unwrap(), (1, 1, true));
    assert_eq!(append(store, "a", ExpectedVersion::Any, &first).await.unwrap(), (1, 1, true));
    assert_eq!(append(store, "a", exact(1), &second).await.unwrap(), (2, 2, true));
    // Part of what was appended, at the place where that part stands, is a repeat too.
    assert_eq!(append(store, "a", ExpectedVersion::NoStream, &first[..1]).await.unwrap(), (0, 0, true));
    assert_eq!(append(store, "a", exact(0), &[first[1].clone(), second[0].clone()]).await.unwrap(), (2, 2, true));
    assert_eq!(sound(store).await.len(), 43);
}

pub async fn repeats_at_once_write_once(store: Store) {
    for round in 0..20 {
        let events = vec![event(round), event(round)];
        let to = stream(&format!("a{round}"));
        let expected = if round % 2 == 0 { ExpectedVersion::NoStream } else { ExpectedVersion::Any };
        let answers = join_all((0..16).map(|_| {
            let (store, to, events) = (Arc::clone(&store), to.clone(), events.clone());
            tokio::spawn(async move { store.append(&to, expected, events).await.unwrap() })
        }))
        .await;
        let answers: Vec<AppendOutcome> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|a| !a.repeated).count(), 1);
        assert!(answers.iter().all(|a| (a.version, a.position) == (answers[0].version, answers[0].position)));
    }
    assert_eq!(sound(store.as_ref()).await.len(), 40);
}

pub async fn an_id_stands_for_one_event(store: Store) {
    let store = store.as_ref();
    let mut base = event(1);
    base.causation = Some(event(2).id);
    append(store, "a", ExpectedVersion::NoStream, &[base.clone()]).await.unwrap();
    let changes: [fn(&mut NewEvent); 7] = [
        |e| e.kind = "booking.cancelled".to_owned(),
        |e| e.schema = 2,
        |e| e.actor = Actor::new("source", "other"),
        |e| e.origin = Origin::Api,
        |e| e.correlation = CorrelationId("another".to_owned()),
        |e| e.causation = None,
        |e| e.data = r#"{"n": 1}"#.to_owned(),
    ];
    for change in changes {
        let mut other = base.clone();
        change(&mut other);
        for expected in [ExpectedVersion::NoStream, ExpectedVersion::Any, exact(0), exact(5)] {
            let refused = append(store, "a", expected, &[other.clone()]).await;
            assert!(matches!(refused, Err(Failure::IdTaken(id)) if id == base.id), "{other:?}: {refused:?}");
        }
    }
    assert_eq!(sound(store).await.len(), 1);
}

pub async fn an_id_stands_at_one_place(store: Store) {
    let store = store.as_ref();
    let (one, two, three) = (event(1), event(2), event(3));
    append(store, "a", ExpectedVersion::NoStream, &[one.clone(), two.clone(), three.clone()]).await.unwrap();
    append(store, "b", ExpectedVersion::NoStream, &[event(4)]).await.unwrap();
    let refused: [(&str, ExpectedVersion, Vec<NewEvent>); 8] = [
        ("b", ExpectedVersion::Any, vec![one.clone()]),
        ("b", exact(0), vec![one.clone()]),
        ("c", ExpectedVersion::NoStream, vec![one.clone()]),
        ("a", exact(2), vec![one.clone()]),
        ("a", ExpectedVersion::NoStream, vec![two.clone()]),
        ("a", ExpectedVersion::Any, vec![one.clone(), three.clone()]),
        ("a", ExpectedVersion::Any, vec![two.clone(), one.clone()]),
        ("a", exact(1), vec![three.clone(), event(5)]),
    ];
    for (to, expected, events) in refused {
        let answer = append(store, to, expected, &events).await;
        assert!(matches!(answer, Err(Failure::IdTaken(_))), "{to} {expected:?}: {answer:?}");
    }
    assert_eq!(sound(store).await.len(), 4);
}

pub async fn appends_at_once_have_one_winner(store: Store) {
    for round in 0..25_u64 {
        let expected = if round == 0 { ExpectedVersion::NoStream } else { exact(round - 1) };
        let answers = join_all((0..16).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { append(store.as_ref(), "a", expected, &[event(round)]).await })
        }))
        .await;
        let mut won = 0;
        for answer in answers {
            match answer.unwrap() {
                Ok((version, _, repeated)) => {
                    assert!(version == round && !repeated);
                    won += 1;
                }
                Err(Failure::Conflict { actual, .. }) => assert_eq!(actual, Some(Version(round))),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1);
    }
    assert_eq!(sound(store.as_ref()).await.len(), 25);
}

pub async fn positions_are_dense_under_many_writers(store: Store) {
    // Each writer walks over streams in an order of its own, and takes the place it finds free.
    let writers = (0..64_u64).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for step in 0..20_u64 {
                let to = format!("s{}", (writer * 7 + step * step * 13) % 23);
                let events: Vec<_> = (0..=step % 3).map(event).collect();
                let expected = if step % 2 == 0 { ExpectedVersion::Any } else { last_of(store.as_ref(), &to).await };
                match append(store.as_ref(), &to, expected, &events).await {
                    Ok((_, position, false)) => acknowledged.push((position, events.last().unwrap().id)),
                    Ok(_) => panic!("fresh ids were called a repeat"),
                    Err(Failure::Conflict { .. }) => assert_ne!(expected, ExpectedVersion::Any),
                    Err(other) => panic!("{other}"),
                }
            }
            acknowledged
        })
    });
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    let all = sound(store.as_ref()).await;
    for (position, id) in &acknowledged {
        assert_eq!(all[usize::try_from(*position).unwrap()].event.id, *id);
    }
    assert!(acknowledged.len() >= 64 * 10);
}

async fn last_of(store: &dyn EventStore, to: &str) -> ExpectedVersion {
    ExpectedVersion::after(store.last(&stream(to)).await.unwrap().map(|it| it.version))
}

pub async fn a_reader_misses_nothing_and_sees_nothing_twice(store: Store) {
    const WRITERS: u64 = 8;
    const APPENDS: u64 = 60;
    // Some are there before the reader starts (catch-up), the rest come while it reads (live).
    for n in 0..50 {
        append(store.as_ref(), "before", ExpectedVersion::Any, &[event(n)]).await.unwrap();
    }
    let total = 50 + WRITERS * APPENDS;
    let reader = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while (seen.len() as u64) < total {
                let from = Position(seen.len() as u64);
                let page = store.read_all(from, 7).await.unwrap();
                if page.is_empty() {
                    store.wait(from).await;
                }
                seen.extend(page.into_iter().map(|it| (it.position.0, it.event.id)));
            }
            seen
        })
    };
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..APPENDS {
                append(store.as_ref(), &format!("w{writer}"), ExpectedVersion::Any, &[event(n)]).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let seen = soon(reader).await.unwrap();
    let all: Vec<_> = sound(store.as_ref()).await.into_iter().map(|it| (it.position.0, it.event.id)).collect();
    assert_eq!(seen, all);
}

pub async fn limits_are_kept(store: Store) {
    let store = store.as_ref();
    let many: Vec<_> = (0..APPEND_EVENTS_MAX as u64 + 1).map(event).collect();
    assert!(matches!(append(store, "a", ExpectedVersion::Any, &many).await, Err(Failure::Invalid(_))));
    let last = APPEND_EVENTS_MAX as u64 - 1;
    assert_eq!(
        append(store, "a", ExpectedVersion::Any, &many[..APPEND_EVENTS_MAX]).await.unwrap(),
        (last, last, false)
    );

    let wide = |bytes: usize| event_of(event(0).id, &format!(r#"{{"x":"{}"}}"#, "y".repeat(bytes - 8)));
    assert!(matches!(
        append(store, "b", ExpectedVersion::Any, &[wide(EVENT_BYTES_MAX + 1)]).await,
        Err(Failure::Invalid(_))
    ));
    append(store, "b", ExpectedVersion::Any, &[wide(EVENT_BYTES_MAX)]).await.unwrap();
    let heavy: Vec<_> = (0..=APPEND_BYTES_MAX / EVENT_BYTES_MAX).map(|_| wide(EVENT_BYTES_MAX)).collect();
    assert!(matches!(append(store, "b", ExpectedVersion::Any, &heavy).await, Err(Failure::Invalid(_))));

    let mut long = event(0);
    long.correlation = CorrelationId("c".repeat(TEXT_BYTES_MAX + 1));
    assert!(matches!(append(store, "c", ExpectedVersion::Any, &[long.clone()]).await, Err(Failure::Invalid(_))));
    long.correlation.0.pop();
    append(store, "c", ExpectedVersion::Any, &[long]).await.unwrap();
    assert_eq!(sound(store).await.len(), APPEND_EVENTS_MAX + 2);
}

pub async fn what_is_no_append_is_refused(store: Store) {
    let store = store.as_ref();
    let twice = event(1);
    let mut refused = vec![Vec::new(), vec![twice.clone(), event(2), twice]];
    for data in
        ["", "null", "[]", "1", r#""text""#, "{", r#"{"a":}"#, r#"{"a":1}x"#, r#" {"a":1}"#, "{\"a\":\"\u{1}\"}"]
    {
        refused.push(vec![event_of(event(0).id, data)]);
    }
    let nested = |levels: usize| format!("{{\"a\":{}\"]]\\\"\"{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    refused.push(vec![event_of(event(0).id, &nested(DATA_LEVELS_MAX + 1))]);
    refused.push(vec![event_of(event(0).id, &nested(100_000))]);
    let changes: [fn(&mut NewEvent); 7] = [
        |e| e.kind.clear(),
        |e| e.schema = 0,
        |e| e.actor.id = "a\0b".to_owned(),
        |e| e.actor.kind = "a\nb".to_owned(),
        |e| e.correlation = CorrelationId(String::new()),
        |e| e.kind = "k".repeat(TEXT_BYTES_MAX + 1),
        |e| e.actor.id = "\u{7f}".to_owned(),
    ];
    for change in changes {
        let mut bad = event(0);
        change(&mut bad);
        refused.push(vec![event(1), bad]);
    }
    for events in refused {
        let answer = append(store, "a", ExpectedVersion::Any, &events).await;
        assert!(matches!(answer, Err(Failure::Invalid(_))), "{answer:?} for {:?}", events.last().map(|e| &e.actor));
    }
    for id in ["", "a\nb", &"x".repeat(513)] {
        let nowhere = StreamName { category: Category::Booking, id: id.to_owned() };
        assert!(matches!(store.append(&nowhere, ExpectedVersion::Any, vec![event(1)]).await, Err(Failure::Invalid(_))));
    }
    assert_eq!(sound(store).await.len(), 0);
    append(store, "a", ExpectedVersion::Any, &[event_of(event(0).id, &nested(DATA_LEVELS_MAX))]).await.unwrap();
}

pub async fn reading_pages_and_finds(store: Store) {
    let store = store.as_ref();
    assert_eq!(store.end().await.unwrap(), Position(0));
    assert!(store.read_all(Position(0), 10).await.unwrap().is_empty());
    let events: Vec<_> = (0..10).map(event).collect();
    for (n, event) in events.iter().enumerate() {
        append(store, if n % 2 == 0 { "even" } else { "odd" }, ExpectedVersion::Any, std::slice::from_ref(event))
            .await
            .unwrap();
    }
    let places = |page: Vec<syncledger::record::envelope::StoredEvent>| {
        page.into_iter().map(|it| (it.version.0, it.position.0)).collect::<Vec<_>>()
    };
    let odd = stream("odd");
    assert_eq!(places(store.read_stream(&odd, Version(0), 2).await.unwrap()), [(0, 1), (1, 3)]);
    assert_eq!(places(store.read_stream(&odd, Version(3), 9).await.unwrap()), [(3, 7), (4, 9)]);
    assert_eq!(places(store.read_stream(&odd, Version(5), 9).await.unwrap()), []);
    assert_eq!(places(store.read_stream(&odd, Version(u64::MAX), usize::MAX).await.unwrap()), []);
    assert_eq!(places(store.read_stream(&stream("none"), Version(0), 9).await.unwrap()), []);
    assert_eq!(places(store.read_all(Position(8), usize::MAX).await.unwrap()), [(4, 8), (4, 9)]);
    assert_eq!(places(store.read_all(Position(3), 1).await.unwrap()), [(1, 3)]);
    assert_eq!(places(store.read_all(Position(3), 0).await.unwrap()), []);
    assert_eq!(places(store.read_all(Position(u64::MAX), 9).await.unwrap()), []);
    assert_eq!(store.last(&odd).await.unwrap().unwrap().event, events[9]);
    assert_eq!(store.last(&stream("none")).await.unwrap(), None);
    let found = store.find(events[4].id).await.unwrap().unwrap();
    assert_eq!((found.position, &found.event), (Position(4), &events[4]));
    assert_eq!(store.find(event(0).id).await.unwrap(), None);
    assert_eq!(store.end().await.unwrap(), Position(10));
    sound(store).await;
}

pub async fn texts_and_times_come_back_as_they_were(store: Store) {
    let store = store.as_ref();
    let data = "{\"名前\":\"山田 太郎 \u{1F3CC}\u{200D}♀️\",\"esc\":\"\\u0000\\ud83d\\ude00\\n\",\"b\" : 1.0, \"a\":-0,\"a\":2,\"big\":12345678901234567890123}";
    let mut it = event_of(EventId(uuid::Uuid::max()), data);
    it.kind = "booking.ünïcode_🙂".to_owned();
    it.actor = Actor::new("source", "e\u{301} is not é, אבג");
    it.correlation = CorrelationId("'; DROP TABLE events; --".to_owned());
    it.causation = Some(EventId(uuid::Uuid::nil()));
    it.schema = u16::MAX;
    it.recorded_at = DateTime::from_timestamp(-62_135_596_800, 999_999_999).unwrap();
    it.effective_at = DateTime::from_timestamp(253_402_300_799, 1_999).unwrap();
    let name = StreamName { category: Category::Record, id: "daily_report.日報 1%_\"'\\".to_owned() };
    store.append(&name, ExpectedVersion::NoStream, vec![it.clone()]).await.unwrap();
    let kept = store.find(it.id).await.unwrap().unwrap();
    assert_eq!(kept.stream, name);
    assert_eq!(kept.event.recorded_at, DateTime::from_timestamp(-62_135_596_800, 999_999_000).unwrap());
    assert_eq!(kept.event.effective_at, DateTime::from_timestamp(253_402_300_799, 1_000).unwrap());
    assert_eq!(
        kept.event,
        NewEvent { recorded_at: kept.event.recorded_at, effective_at: kept.event.effective_at, ..it }
    );
    // Streams are told apart by bytes, whatever a database thinks of case and accents.
    for id in ["Straße", "STRASSE", "strasse", "straße", "a", "A", "a ", "á", "a\u{301}"] {
        assert_eq!(append(store, id, ExpectedVersion::NoStream, &[event(0)]).await.unwrap().0, 0, "{id}");
    }
    for (_, origin) in Origin::ALL.into_iter().map(|(origin, name)| (name, origin)) {
        let mut it = event(1);
        it.origin = origin;
        append(store, "origins", ExpectedVersion::Any, &[it]).await.unwrap();
    }
    assert_eq!(sound(store).await.len(), 10 + Origin::ALL.len());
}

pub async fn large_appends_fit(store: Store) {
    let sizes = [1, 2, 4, 5, 16, 17, 63, 64, 65, 255, 256, 257, 700, 1_000];
    let mut expected = ExpectedVersion::NoStream;
    let mut total = 0;
    for size in sizes {
        let events: Vec<_> = (0..size).map(event).collect();
        total += size;
        let done = append(store.as_ref(), "a", expected, &events).await.unwrap();
        assert_eq!(done, (total - 1, total - 1, false));
        assert_eq!(append(store.as_ref(), "a", expected, &events).await.unwrap(), (total - 1, total - 1, true));
        expected = exact(total - 1);
    }
    assert_eq!(sound(store.as_ref()).await.len() as u64, total);
}

/// Appends after which somebody who waits must have been woken.
const WAKES_MAX: u64 = 5;

pub async fn waiting_ends(store: Store) {
    append(store.as_ref(), "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    // What is there already is not waited for.
    let first = select(store.wait(Position(0)), store.wait(Position(1_000))).await;
    assert!(matches!(first, Either::Left(_)), "what is there came no sooner than what is not");
    // What is appended wakes whoever waits for it, sooner than one who began to wait before and waits in vain. On a busy machine the
    // append itself may take as long as a wait.
    let mut woken = false;
    for next in 1..=WAKES_MAX {
        let (mut in_vain, mut waiting) = (store.wait(Position(1_000)), store.wait(Position(next)));
        assert!(poll!(&mut in_vain).is_pending() && poll!(&mut waiting).is_pending());
        append(store.as_ref(), "a", ExpectedVersion::Any, &[event(next)]).await.unwrap();
        woken = matches!(select(&mut in_vain, waiting).await, Either::Right(_));
        if woken {
            // What does not come is not waited for without end.
            soon(in_vain).await;
            break;
        }
    }
    assert!(woken, "news came no sooner than none, {WAKES_MAX} times");
}
