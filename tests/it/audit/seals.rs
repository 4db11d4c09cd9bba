//! Sealing: what a checkpoint covers, who seals, what is kept outside, and keys that change.

use std::{fs, sync::Arc};

use futures::future::join_all;
use syncledger::{
    adapters::{
        memory::{MemorySigningKeys, VirtualClock},
        sqlite::SqliteSigningKeys,
    },
    ports::{
        checkpoint_archive::{ArchivedCheckpoint, Failure},
        event_store::ExpectedVersion,
        signing_keys::{self, SigningKeys},
    },
    record::{checkpoint::Checkpoint, note::SigningKey, wrap::MasterKey},
    services::{
        Error,
        audit::{Audit, Outcome, VerifyOptions},
    },
};

use super::given::{OnDisk, append, event, fill, folder, in_memory, open_sqlite, operator, seal};

async fn sealed(audit: &Audit) -> Option<u64> {
    match audit.seal(&operator()).await.unwrap() {
        Outcome::Sealed(sealed) => Some(sealed.checkpoint.size),
        Outcome::Nothing(_) => None,
    }
}

#[tokio::test]
async fn a_seal_covers_what_is_there_and_the_next_covers_the_seal() {
    let folder = folder();
    let audit = in_memory(folder.path());
    assert_eq!(sealed(&audit).await, None, "an empty ledger is not sealed");
    fill(audit.store().as_ref(), 0, 5).await;
    assert_eq!(sealed(&audit).await, Some(5));
    assert_eq!(sealed(&audit).await, None, "its own event is no news");
    assert_eq!(audit.store().end().await.unwrap().0, 6);
    fill(audit.store().as_ref(), 5, 1).await;
    assert_eq!(sealed(&audit).await, Some(7));
    let report = audit.verify(&VerifyOptions::default(), &mut |_, _| {}).await.unwrap();
    assert_eq!((report.sound, report.events, report.sealed), (true, 8, 7));
    assert_eq!((report.checkpoints, report.kept), (2, 2));
    assert_eq!(fs::read_dir(folder.path().join("checkpoints")).unwrap().count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_seal_at_once_each_size_is_sealed_by_one() {
    let folder = folder();
    let disk = OnDisk::open(folder.path()).await;
    // As two processes would: with ledgers and keys of their own.
    let other = OnDisk::open(folder.path()).await;
    for round in 0..3 {
        fill(&disk.ledger, round * 4, 4).await;
        let by = operator();
        let outcomes = join_all([&disk, &other, &disk, &other].map(|it| it.audit.seal(&by))).await;
        let new: Vec<_> = outcomes
            .into_iter()
            .filter_map(|outcome| match outcome.unwrap() {
                Outcome::Sealed(sealed) => Some(sealed.checkpoint.size),
                Outcome::Nothing(_) => None,
            })
            .collect();
        assert_eq!(new.len(), 1, "{new:?}");
    }
    let report = disk.verify(&VerifyOptions::default()).await;
    assert_eq!((report.sound, report.checkpoints), (true, 3), "{report:?}");
    assert_eq!(disk.audit.known().await.unwrap().len(), 1, "both use one key");
}

#[tokio::test]
async fn a_checkpoint_that_was_recorded_but_not_kept_is_kept_at_the_next_turn() {
    let folder = folder();
    let disk = OnDisk::open(folder.path()).await;
    fill(&disk.ledger, 0, 3).await;
    seal(&disk.audit).await;
    fs::remove_dir_all(folder.path().join("checkpoints")).unwrap();
    assert_eq!(sealed(&disk.audit).await, None);
    assert_eq!(fs::read_dir(folder.path().join("checkpoints")).unwrap().count(), 1);
}

#[tokio::test]
async fn an_older_copy_is_found_by_what_was_kept_and_is_not_sealed_again() {
    let (now, before) = (folder(), folder());
    let disk = OnDisk::open(now.path()).await;
    fill(&disk.ledger, 0, 4).await;
    seal(&disk.audit).await;
    disk.close().await;
    fs::copy(now.path().join("ledger.db"), before.path().join("ledger.db")).unwrap();
    let disk = OnDisk::open(now.path()).await;
    fill(&disk.ledger, 4, 4).await;
    assert_eq!(seal(&disk.audit).await, 9);
    let note = disk.audit.latest().await.unwrap().0.unwrap().note;
    disk.close().await;

    // The older copy by itself is a sound ledger: only what was kept elsewhere can tell.
    let copy = OnDisk::open(before.path()).await;
    assert!(copy.verify(&VerifyOptions::default()).await.sound);
    let kept = VerifyOptions {
        checkpoints: vec![ArchivedCheckpoint { place: "a drawer".into(), note: note.clone() }],
        ..VerifyOptions::default()
    };
    let report = copy.verify(&kept).await;
    assert!(!report.sound && report.faults[0].reason.contains("covers 9 events, but there are 5"), "{report:?}");
    // Grown again, with another history.
    fill(&copy.ledger, 90, 8).await;
    let report = copy.verify(&kept).await;
    assert!(report.faults[0].reason.contains("a drawer has a different root"), "{report:?}");
    assert_eq!((report.faults[0].position, report.faults[0].up_to), (Some(4), Some(8)), "{report:?}");
    // The kept checkpoint beside it: nothing is signed that contradicts it.
    fs::create_dir_all(before.path().join("checkpoints")).unwrap();
    fs::write(before.path().join("checkpoints/000000000009.checkpoint"), &note).unwrap();
    let refused = copy.audit.seal(&operator()).await.unwrap_err();
    assert!(matches!(refused, Error::CheckpointArchive(Failure::Contradicted(_))), "{refused}");
    copy.close().await;
    fs::copy(now.path().join("ledger.db"), before.path().join("ledger.db")).unwrap();
}

#[tokio::test]
async fn what_is_damaged_is_not_signed() {
    let folder = folder();
    let disk = OnDisk::open(folder.path()).await;
    fill(&disk.ledger, 0, 5).await;
    disk.close().await;
    let file = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
    file.execute_batch("DROP TRIGGER events_are_not_changed; UPDATE events SET data = '{\"n\":9}' WHERE position = 3")
        .unwrap();
    drop(file);
    let disk = OnDisk::open(folder.path()).await;
    assert!(matches!(disk.audit.seal(&operator()).await, Err(Error::Damaged { .. })));
}

#[tokio::test]
async fn a_forged_checkpoint_is_found() {
    let folder = folder();
    let audit = in_memory(folder.path());
    fill(audit.store().as_ref(), 0, 3).await;
    seal(&audit).await;
    let latest = audit.latest().await.unwrap().0.unwrap();
    let forger = SigningKey::new("syncledger/loft", [1; 32]).unwrap();
    let note = Checkpoint::new("syncledger/loft", 3, [5; 32]).sign(&forger).unwrap();
    for (note, root) in [(note, [5; 32]), (latest.note.replace("\n3\n", "\n4\n"), latest.checkpoint.root)] {
        let mut it = event(0);
        it.kind = "operations.checkpoint_sealed".into();
        let root = syncledger::record::checkpoint::write_hash(&root);
        it.data = serde_json::json!({"size": 3, "root": root, "note": note, "frontier": []}).to_string();
        let store = in_memory(folder.path());
        fill(store.store().as_ref(), 0, 3).await;
        append(store.store().as_ref(), "x", ExpectedVersion::Any, &[it]).await.unwrap();
        let report = store.verify(&VerifyOptions::default(), &mut |_, _| {}).await.unwrap();
        assert!(!report.sound, "{report:?}");
    }
}

#[tokio::test]
async fn a_new_key_signs_and_the_old_ones_verify() {
    let folder = folder();
    let disk = OnDisk::open(folder.path()).await;
    fill(&disk.ledger, 0, 3).await;
    seal(&disk.audit).await;
    let first = disk.audit.keys().signer().await.unwrap();
    let second = disk.audit.keys().rotate().await.unwrap();
    assert_ne!(first.verifier(), second.verifier());
    fill(&disk.ledger, 3, 3).await;
    seal(&disk.audit).await;
    let report = disk.verify(&VerifyOptions::default()).await;
    assert_eq!((report.sound, report.checkpoints), (true, 2), "{report:?}");
    let keys = [first.verifier().clone(), second.verifier().clone()];
    assert!(disk.verify(&VerifyOptions { keys: keys.to_vec(), ..VerifyOptions::default() }).await.sound);
    for key in keys {
        assert!(
            !disk.verify(&VerifyOptions { keys: vec![key], ..VerifyOptions::default() }).await.sound,
            "each vouches for its own only"
        );
    }
    let known = disk.audit.keys().known().await.unwrap();
    assert_eq!(known.iter().map(|key| key.retired_at.is_none()).collect::<Vec<_>>(), [false, true]);
    disk.close().await;

    let ledger = open_sqlite(folder.path()).await;
    let same = SqliteSigningKeys::new(&ledger, MasterKey::new([7; 32]));
    assert_eq!(same.signer().await.unwrap().verifier(), second.verifier());
    let other = SqliteSigningKeys::new(&ledger, MasterKey::new([8; 32]));
    assert!(matches!(other.signer().await, Err(signing_keys::Failure::WrongMaster(_))));
}

/// What every store of signing keys does.
pub async fn keys_behave(keys: &dyn SigningKeys) {
    assert_eq!(keys.known().await.unwrap(), []);
    let first = keys.signer().await.unwrap();
    assert_eq!(keys.signer().await.unwrap().verifier(), first.verifier());
    let second = keys.rotate().await.unwrap();
    assert_eq!(keys.signer().await.unwrap().verifier(), second.verifier());
    let strange = SigningKey::new("syncledger/loft", [3; 32]).unwrap();
    for _ in 0..2 {
        keys.learn(&[strange.verifier().clone(), second.verifier().clone()]).await.unwrap();
    }
    assert_eq!(keys.signer().await.unwrap().verifier(), second.verifier(), "what is learnt is not signed with");
    let mut known: Vec<_> = keys.known().await.unwrap().into_iter().map(|key| key.verifier).collect();
    known.sort();
    let mut wanted = [first, second, strange].map(|key| key.verifier().clone());
    wanted.sort();
    assert_eq!(known, wanted);
}

#[tokio::test]
pub async fn keys_behave_everywhere() {
    let folder = folder();
    let ledger = open_sqlite(folder.path()).await;
    keys_behave(&SqliteSigningKeys::new(&ledger, MasterKey::new([7; 32]))).await;
    let clock = Arc::new(VirtualClock::new(1, chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap()));
    keys_behave(&MemorySigningKeys::new("loft", clock)).await;
}
