//! Ledgers that travel: the same positions, leaves and root on the other side, and nothing half done.

use std::{fs, path::Path, sync::Arc};

use syncledger::{
    adapters::{
        archive::{self, Archive},
        memory::MemoryLedger,
        sqlite::SqliteSigningKeys,
    },
    domain::{ids::Position, program_version::ProgramVersion},
    ports::{
        event_store::{EventStore, ExpectedVersion, Failure},
        lines::LineSink,
    },
    record::{envelope::NewEvent, note::VerifierKey, stream::StreamName, wrap::MasterKey},
    services::{
        Error,
        audit::{Audit, VerifyOptions, verify_lines},
        transfer::{self, ExportSummary, ImportSummary, Range},
    },
};

use super::given::{OnDisk, append, audit, event, event_of, fill, folder, in_memory, open_sqlite, seal};
use crate::conformance::given::sound;

pub const VERSION: ProgramVersion = ProgramVersion::new(0, 2, 0);

async fn export(audit: &Audit, path: &Path, range: Range) -> Result<ExportSummary, Error> {
    let Archive { already, sink } = archive::begin(path).unwrap();
    transfer::export(audit, range, already, sink, &mut |_, _| {}).await
}

async fn import(audit: &Audit, path: &Path, keys: &[VerifierKey]) -> Result<ImportSummary, Error> {
    transfer::import(audit, &|| archive::lines(path), keys, VERSION, &mut |_, _, _| {}).await
}

async fn leaves(store: &dyn EventStore) -> Vec<[u8; 32]> {
    store.leaves(Position(0), usize::MAX).await.unwrap()
}

/// A ledger with many streams, long and odd texts, and seals.
async fn source(folder: &Path) -> Audit {
    let audit = in_memory(folder);
    let store = audit.store().as_ref();
    fill(store, 0, 20).await;
    let odd = ["\u{2028}\u{7f}\"\\\n\t", "é\u{10ffff}", "</script>", ""];
    for text in odd {
        let data = serde_json::json!({ "text": text }).to_string();
        append(store, "odd", ExpectedVersion::Any, &[event_of(event(0).id, &data), event(1)]).await.unwrap();
    }
    seal(&audit).await;
    let wide = format!("{{\"x\":\"{}\"}}", "\\\"".repeat(300_000));
    append(store, "wide", ExpectedVersion::Any, &[event_of(event(0).id, &wide)]).await.unwrap();
    fill(store, 20, 1_500).await;
    seal(&audit).await;
    audit
}

#[tokio::test]
async fn a_ledger_comes_back_the_same_on_every_kind_of_store() {
    let (here, there) = (folder(), folder());
    let from = source(here.path()).await;
    let path = here.path().join("ledger.zst");
    let done = export(&from, &path, Range::default()).await.unwrap();
    let key = from.keys().signer().await.unwrap().verifier().clone();
    let all = leaves(from.store().as_ref()).await;
    assert_eq!(done.events, all.len() as u64);

    let memory = in_memory(&there.path().join("m"));
    let ledger = Arc::new(open_sqlite(there.path()).await);
    let keys = Arc::new(SqliteSigningKeys::new(&ledger, MasterKey::new([9; 32])));
    let sqlite = audit(ledger.clone(), keys, there.path());
    for to in [&memory, &sqlite] {
        let imported = import(to, &path, std::slice::from_ref(&key)).await.unwrap();
        assert_eq!((imported.events, imported.resumed, imported.authentic), (all.len() as u64, 0, true));
        assert_eq!(imported.checkpoint, done.checkpoint);
        assert_eq!(leaves(to.store().as_ref()).await, all);
        assert_eq!(sound(to.store().as_ref()).await, sound(from.store().as_ref()).await);
        let report = to.verify(&VerifyOptions::default(), &mut |_, _| {}).await.unwrap();
        assert!(report.sound && report.checkpoints == 2, "the old ledger's keys are known: {report:?}");
        // And it goes on: with appends, seals of its own key, and another import that finds all there.
        assert_eq!(import(to, &path, &[]).await.unwrap().resumed, all.len() as u64);
        append(to.store().as_ref(), "s0", ExpectedVersion::Any, &[event(7)]).await.unwrap();
        seal(to).await;
        assert!(to.verify(&VerifyOptions::default(), &mut |_, _| {}).await.unwrap().sound);
        let refused = import(to, &path, &[]).await.unwrap_err();
        assert!(refused.to_string().contains("import into an empty ledger"), "{refused}");
    }
}

#[tokio::test]
async fn an_interrupted_import_goes_on_and_a_ledger_in_use_is_refused() {
    let (here, there) = (folder(), folder());
    let from = source(here.path()).await;
    let path = here.path().join("ledger.zst");
    export(&from, &path, Range::default()).await.unwrap();
    let all = sound(from.store().as_ref()).await;
    let to = OnDisk::open(there.path()).await;
    to.ledger.restore(all[..700].to_vec()).await.unwrap();
    let imported = import(&to.audit, &path, &[]).await.unwrap();
    assert_eq!((imported.resumed, imported.authentic), (700, false));
    assert_eq!(sound(&to.ledger).await, all);

    let used = in_memory(&there.path().join("m"));
    append(used.store().as_ref(), "mine", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    let refused = import(&used, &path, &[]).await.unwrap_err();
    assert!(refused.to_string().contains("a different event at position 0"), "{refused}");
    assert_eq!(used.store().end().await.unwrap(), Position(1));
    let stranger = in_memory(&there.path().join("n"));
    let wrong = stranger.keys().signer().await.unwrap().verifier().clone();
    let refused = import(&stranger, &path, &[wrong]).await.unwrap_err();
    assert!(refused.to_string().contains("nothing was imported"), "{refused}");
    assert_eq!(stranger.store().end().await.unwrap(), Position(0));
}

/// Stops after so many settled pages, as a crash would.
struct Crashing(Option<Box<dyn LineSink>>, u32);

impl LineSink for Crashing {
    fn line(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0.as_mut().ok_or("it crashed")?.line(bytes)
    }

    fn settle(&mut self) -> Result<(), String> {
        self.0.as_mut().ok_or("it crashed")?.settle()?;
        self.1 = self.1.checked_sub(1).ok_or_else(|| {
            self.0 = None;
            "it crashed"
        })?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), String> {
        self.0.ok_or("it crashed")?.finish()
    }
}

#[tokio::test]
async fn an_interrupted_export_goes_on_where_it_stood() {
    let folder = folder();
    let from = in_memory(folder.path());
    for n in 0..9 {
        let events: Vec<_> = (0..1_000).map(event).collect();
        append(from.store().as_ref(), &format!("s{n}"), ExpectedVersion::Any, &events).await.unwrap();
    }
    let path = folder.path().join("ledger.zst");
    let Archive { already, sink } = archive::begin(&path).unwrap();
    let crashing = Box::new(Crashing(Some(sink), 1));
    assert!(transfer::export(&from, Range::default(), already, crashing, &mut |_, _| {}).await.is_err());
    // Meanwhile the ledger grows: what was begun is finished as it was begun.
    fill(from.store().as_ref(), 0, 5).await;
    let done = export(&from, &path, Range::default()).await.unwrap();
    assert_eq!((done.events, done.resumed), (9_000, 4_096));
    let contents = verify_lines(archive::lines(&path).unwrap(), &[], &[], &mut |_, _| {});
    assert!(contents.report.sound, "{:?}", contents.report);

    // Of another ledger, or of other events, it does not go on.
    let path = folder.path().join("other.zst");
    let Archive { already, sink } = archive::begin(&path).unwrap();
    let crashing = Box::new(Crashing(Some(sink), 1));
    assert!(transfer::export(&from, Range::default(), already, crashing, &mut |_, _| {}).await.is_err());
    let other = in_memory(&folder.path().join("o"));
    fill(other.store().as_ref(), 0, 9_000).await;
    let refused = export(&other, &path, Range::default()).await.unwrap_err();
    assert!(refused.to_string().contains("its position 0 differs from the ledger"), "{refused}");
    assert!(export(&from, &path, Range { from: 3, to: None }).await.is_err());
    assert!(export(&from, &path, Range { from: 0, to: Some(8_000) }).await.is_err());
}

#[tokio::test]
async fn a_part_is_verified_by_itself_and_not_imported() {
    let folder = folder();
    let from = source(folder.path()).await;
    let key = from.keys().signer().await.unwrap().verifier().clone();
    for (n, (first, last)) in [(0, 0), (5, 5), (3, 700), (29, 1_000)].into_iter().enumerate() {
        let path = folder.path().join(format!("{n}.zst"));
        let done = export(&from, &path, Range { from: first, to: Some(last) }).await.unwrap();
        assert_eq!((done.events, done.checkpoint.size), (last - first + 1, last + 1));
        let contents = verify_lines(archive::lines(&path).unwrap(), std::slice::from_ref(&key), &[], &mut |_, _| {});
        assert!(contents.report.sound && contents.authentic, "{:?}", contents.report);
        if first > 0 {
            let refused = import(&in_memory(&folder.path().join("i")), &path, &[]).await.unwrap_err();
            assert!(refused.to_string().contains("only an export from position 0"), "{refused}");
        }
    }
    for range in
        [Range { from: 0, to: Some(1_000_000) }, Range { from: 9, to: Some(3) }, Range { from: 1_000_000, to: None }]
    {
        let path = folder.path().join("none.zst");
        assert!(export(&from, &path, range).await.is_err());
        fs::remove_file(folder.path().join("none.zst.partial")).unwrap();
    }
}

#[tokio::test]
async fn events_are_restored_only_where_they_belong() {
    let here = folder();
    let from = in_memory(here.path());
    fill(from.store().as_ref(), 0, 6).await;
    let all = sound(from.store().as_ref()).await;
    let there = folder();
    let sqlite: Arc<dyn EventStore> = Arc::new(open_sqlite(there.path()).await);
    for store in [sqlite, Arc::new(MemoryLedger::new())] {
        assert!(matches!(store.restore(all[1..].to_vec()).await, Err(Failure::Invalid(_))));
        let mut gap = all.clone();
        gap.remove(2);
        assert!(matches!(store.restore(gap).await, Err(Failure::Invalid(_))));
        let mut forged = all.clone();
        forged[3].event.data = "{}".into();
        assert!(matches!(store.restore(forged).await, Err(Failure::Invalid(_))));
        assert_eq!(store.end().await.unwrap(), Position(0));
        assert_eq!(store.restore(all[..3].to_vec()).await.unwrap(), Position(3));
        assert!(matches!(store.restore(all[..3].to_vec()).await, Err(Failure::Invalid(_))));
        assert_eq!(store.restore(all[3..].to_vec()).await.unwrap(), Position(6));
        assert_eq!(store.restore(Vec::new()).await.unwrap(), Position(6));
        assert_eq!(sound(store.as_ref()).await, all);
        append(store.as_ref(), "s0", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    }
}

#[tokio::test]
async fn an_export_that_requires_a_newer_program_is_refused_before_anything_is_written() {
    let (one, other, folder) = (folder(), folder(), folder());
    let (audit, to) = (in_memory(one.path()), in_memory(other.path()));
    let path = folder.path().join("newer.zst");
    // More events than are written at once come before it.
    fill(audit.store().as_ref(), 0, 1_500).await;
    let data = r#"{"by":"syncledger 9.0.0","least":"9.0.0"}"#.to_owned();
    let required = NewEvent { kind: "operations.program_required".to_owned(), data, ..event(9_000) };
    let stream = StreamName::program("loft");
    audit.store().append(&stream, ExpectedVersion::NoStream, vec![required]).await.unwrap();
    seal(&audit).await;
    export(&audit, &path, Range::default()).await.unwrap();
    assert_eq!(
        verify_lines(archive::lines(&path).unwrap(), &[], &[], &mut |_, _| {}).required.unwrap().to_string(),
        "9.0.0"
    );
    let refused = import(&to, &path, &[]).await.unwrap_err();
    assert!(refused.to_string().starts_with("this ledger needs syncledger 9.0.0 or later"), "{refused}");
    assert_eq!(to.store().end().await.unwrap(), Position(0));
}
