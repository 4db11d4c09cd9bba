//! Proofs, held against implementations that nobody here wrote.

use data_encoding::BASE64;
use signed_note::{Note, StandardVerifier, VerifierList};
use syncledger::{
    domain::ids::Position,
    services::{Error, audit::Side},
};

use super::{
    given::{fill, folder, in_memory, seal},
    tree::{their_consistency, their_inclusion, their_root},
};

fn hash(text: &str) -> [u8; 32] {
    BASE64.decode(text.as_bytes()).unwrap().try_into().unwrap()
}

fn hashes(texts: &[String]) -> Vec<[u8; 32]> {
    texts.iter().map(|text| hash(text)).collect()
}

#[tokio::test]
async fn every_sealed_event_is_proved_to_others() {
    let folder = folder();
    let audit = in_memory(folder.path());
    fill(audit.store().as_ref(), 0, 21).await;
    seal(&audit).await;
    let key = audit.keys().signer().await.unwrap().verifier().to_string();
    for it in audit.store().read_all(Position(0), 21).await.unwrap() {
        let proof = audit.inclusion(it.event.id, None).await.unwrap();
        assert_eq!((proof.index, proof.size, proof.key.as_deref()), (it.position.0, 21, Some(key.as_str())));
        let root = their_root(&hash(&proof.root), proof.size);
        let path = their_inclusion(&hashes(&proof.proof));
        root.verify_inclusion(&proof.leaf.as_bytes(), proof.index, &path).unwrap();
        // The note's own lines say the same size and root.
        let note = Note::from_bytes(proof.checkpoint.as_bytes()).unwrap();
        let verifier = StandardVerifier::new(&key).unwrap();
        note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
        let text = String::from_utf8(note.text().to_vec()).unwrap();
        assert_eq!(text, format!("syncledger/loft\n{}\n{}\n", proof.size, proof.root));
    }
    // The checkpoint's own event is for the next.
    let last = audit.store().read_all(Position(21), 1).await.unwrap().remove(0);
    let refused = audit.inclusion(last.event.id, None).await.unwrap_err();
    assert!(refused.to_string().contains("position 21 is not covered by the checkpoint over 21"), "{refused}");
    assert!(matches!(audit.inclusion(super::given::event(0).id, None).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_later_ledger_is_proved_to_continue_an_earlier_one() {
    let folder = folder();
    let audit = in_memory(folder.path());
    let mut notes = Vec::new();
    for round in 0..4 {
        fill(audit.store().as_ref(), round * 5, 5).await;
        seal(&audit).await;
        notes.push(audit.latest().await.unwrap().0.unwrap().note);
    }
    for (at, old) in notes.iter().enumerate() {
        for new in &notes[at + 1..] {
            let proof = audit.consistency(&Side::Note(old.clone()), &Side::Note(new.clone())).await.unwrap();
            let (old, new) = (
                their_root(&hash(&proof.old_root), proof.old_size),
                their_root(&hash(&proof.new_root), proof.new_size),
            );
            new.verify_consistency(&old, &their_consistency(&hashes(&proof.proof))).unwrap();
        }
    }
    let (size, note) = (|n| Side::Size(n), |at: usize| Side::Note(notes[at].clone()));
    assert!(audit.consistency(&size(3), &size(9)).await.is_ok());
    for (old, new) in [(size(0), size(9)), (size(9), size(3)), (size(1), size(10_000)), (note(1), note(0))] {
        let refused = audit.consistency(&old, &new).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid(_)), "{refused}");
    }
    // Another ledger with the same key has another history.
    let other = super::given::audit(
        std::sync::Arc::new(syncledger::adapters::memory::MemoryLedger::new()),
        audit.keys().clone(),
        &folder.path().join("other"),
    );
    fill(other.store().as_ref(), 50, 30).await;
    let refused = other.consistency(&note(0), &size(20)).await.unwrap_err();
    assert!(refused.to_string().contains("do not match the checkpoint"), "{refused}");
}
