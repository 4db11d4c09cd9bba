//! Our tree and notes against implementations that nobody here wrote, and against known answers.

use std::ops::Range;

use ct_merkle::{ConsistencyProof, InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree};
use data_encoding::BASE64;
use proptest::prelude::*;
use sha2::{Sha256, digest::Output};
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use syncledger::record::{
    checkpoint::Checkpoint,
    envelope::leaf_hash,
    merkle::{self, Collector, Frontier, Hash},
    note::{Note as OurNote, SignatureError, SigningKey, VerifierKey},
};

type Theirs = MemoryBackedTree<Sha256, Vec<u8>>;

fn leaf(number: usize) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn theirs(size: usize) -> Theirs {
    let mut tree = Theirs::new();
    (0..size).for_each(|number| tree.push(leaf(number)));
    tree
}

fn ours(size: usize) -> Frontier {
    let mut tree = Frontier::new();
    (0..size).for_each(|number| tree.push(leaf_hash(&leaf(number))));
    tree
}

fn collected(wanted: Vec<Range<u64>>, size: usize) -> Vec<Hash> {
    let mut collector = Collector::new(wanted);
    (0..size).for_each(|number| collector.push(leaf_hash(&leaf(number))));
    collector.hashes().unwrap()
}

fn digests(hashes: &[Hash]) -> Vec<Output<Sha256>> {
    hashes.iter().map(|hash| Output::<Sha256>::from(*hash)).collect()
}

/// An inclusion proof as ct-merkle takes it.
pub fn their_inclusion(hashes: &[Hash]) -> InclusionProof<Sha256> {
    InclusionProof::from_digests(digests(hashes).iter())
}

/// A consistency proof as ct-merkle takes it.
pub fn their_consistency(hashes: &[Hash]) -> ConsistencyProof<Sha256> {
    ConsistencyProof::from_digests(digests(hashes).iter())
}

/// A root as ct-merkle takes it.
pub fn their_root(root: &Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new((*root).into(), size)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn roots_and_proofs_are_theirs(size in 1_usize..300, at in 0..usize::MAX, before in 0..usize::MAX) {
        let (tree, mine) = (theirs(size), ours(size));
        prop_assert_eq!(mine.root().to_vec(), tree.root().as_bytes().to_vec());
        let root = their_root(&mine.root(), size as u64);
        let index = at % size;
        let proof = collected(merkle::inclusion(index as u64, size as u64).unwrap(), size);
        prop_assert_eq!(proof.concat(), tree.prove_inclusion(index).as_bytes().to_vec());
        prop_assert!(root.verify_inclusion(&leaf(index), index as u64, &their_inclusion(&proof)).is_ok());
        prop_assert!(merkle::includes(&leaf_hash(&leaf(index)), index as u64, size as u64, &proof, &mine.root()));

        let old = 1 + before % size.max(2).saturating_sub(1);
        let proof = collected(merkle::consistency(old as u64, size as u64).unwrap(), size);
        prop_assert_eq!(proof.concat(), tree.prove_consistency(size - old).as_bytes().to_vec());
        let old_root = ours(old).root();
        prop_assert!(root.verify_consistency(&their_root(&old_root, old as u64), &their_consistency(&proof)).is_ok());
        prop_assert!(merkle::continues((old as u64, &old_root), (size as u64, &mine.root()), &proof));
    }

    #[test]
    fn no_other_leaf_place_size_or_path_is_proved(size in 2_usize..80, at in 0..usize::MAX, bit in 0_usize..256) {
        let (index, root) = ((at % size) as u64, ours(size).root());
        let hash = leaf_hash(&leaf(index as usize));
        let proof = collected(merkle::inclusion(index, size as u64).unwrap(), size);
        let holds = |leaf: &Hash, index, size, proof: &[Hash]| merkle::includes(leaf, index, size, proof, &root);
        prop_assert!(!holds(&leaf_hash(b"another"), index, size as u64, &proof));
        prop_assert!(!holds(&hash, index ^ 1, size as u64, &proof));
        prop_assert!(!holds(&hash, size as u64 + index, size as u64, &proof));
        prop_assert!(!holds(&hash, index, size as u64, &proof[1..]));
        prop_assert!(!holds(&hash, index, size as u64, &[proof.as_slice(), &[root]].concat()));
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!holds(&hash, index, size as u64, &changed));
        }
        for old in 1..size as u64 {
            let proof = collected(merkle::consistency(old, size as u64).unwrap(), size);
            let old_root = ours(old as usize).root();
            prop_assert!(!merkle::continues((old, &root), (size as u64, &root), &proof));
            for at in 0..proof.len() {
                let mut changed = proof.clone();
                changed[at][bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!merkle::continues((old, &old_root), (size as u64, &root), &changed));
            }
        }
    }

    #[test]
    fn a_frontier_goes_on_from_where_it_was_written_down(size in 0_usize..200, more in 0_usize..50) {
        let before = ours(size);
        let mut on = Frontier::from_parts(before.size(), before.nodes().to_vec()).unwrap();
        (size..size + more).for_each(|number| on.push(leaf_hash(&leaf(number))));
        prop_assert_eq!(on, ours(size + more));
        prop_assert!(Frontier::from_parts(size as u64 + 1, before.nodes().to_vec()).is_none() || (size + 1).count_ones() == size.count_ones());
    }
}

/// The vectors that Certificate Transparency's implementations share: roots over the first leaves of this list.
#[test]
fn known_roots() {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Frontier::new();
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(data_encoding::HEXLOWER.encode(&tree.root()), *root, "{size}");
        if let Some(leaf) = leaves.get(size) {
            tree.push(leaf_hash(leaf));
        }
    }
}

#[test]
fn our_notes_are_verified_by_others_and_theirs_by_us() {
    let key = SigningKey::new("syncledger/loft", [7; 32]).unwrap();
    let checkpoint = Checkpoint::new("syncledger/loft", 1_041, [9; 32]);
    let signed = checkpoint.sign(&key).unwrap();
    let verifier = StandardVerifier::new(&key.verifier().to_string()).unwrap();
    let note = Note::from_bytes(signed.as_bytes()).unwrap();
    let (verified, others) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), others.len()), (1, 0));
    assert_eq!(note.text(), checkpoint.to_string().as_bytes());
    assert_eq!(note.to_bytes(), signed.as_bytes());

    // The documentation's example of that library, and a second signature by ours.
    let theirs = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse::<VerifierKey>().unwrap();
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let signer =
        StandardSigner::new("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").unwrap();
    let mut note = Note::new(text.as_bytes(), &[]).unwrap();
    note.add_sigs(&[&signer]).unwrap();
    let theirs_signed = String::from_utf8(note.to_bytes()).unwrap();
    let read = OurNote::parse(&theirs_signed).unwrap();
    assert_eq!((read.text(), read.signer(std::slice::from_ref(&theirs))), (text, Ok(&theirs)));
    assert!(matches!(read.signer(std::slice::from_ref(key.verifier())), Err(SignatureError::UnknownKey(_))));
    assert_eq!(read.to_string(), theirs_signed);
}

#[test]
fn a_note_that_was_touched_is_refused() {
    let key = SigningKey::new("syncledger/loft", [7; 32]).unwrap();
    let known = [key.verifier().clone()];
    let signed = Checkpoint::new("syncledger/loft", 1_041, [9; 32]).sign(&key).unwrap();
    assert!(Checkpoint::signed(&signed, "syncledger/loft", &known).is_ok());
    assert!(Checkpoint::signed(&signed, "syncledger/attic", &known).is_err());
    for at in 0..signed.len() {
        for bit in 0..8 {
            let mut bytes = signed.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(Checkpoint::signed(&text, "syncledger/loft", &known).is_err(), "{text:?}");
        }
    }
    // The same bytes, in two padded texts: nobody who signs writes them so.
    let (before, last) = signed.trim_end().rsplit_once(' ').unwrap();
    let bytes = BASE64.decode(last.as_bytes()).unwrap();
    let pieces = format!("{before} {}{}\n", BASE64.encode(&bytes[..1]), BASE64.encode(&bytes[1..]));
    assert!(Checkpoint::signed(&pieces, "syncledger/loft", &known).is_err());
    for text in ["", "\n\n", "a\n0\n\n\u{2014} a AAAA\n", "syncledger/loft\n01\nAAAA\n"] {
        assert!(Checkpoint::signed(text, "syncledger/loft", &known).is_err());
        assert!(Checkpoint::parse(text).is_err());
    }
    for text in ["", "a+b", "a+00000000+AQ==", "a b+00000000+AQ==", &known[0].to_string().replace('1', "2")] {
        assert!(text.parse::<VerifierKey>().is_err() || *text == known[0].to_string(), "{text}");
    }
}
