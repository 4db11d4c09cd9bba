//! The root of a Merkle tree as RFC 6962 (2.1) defines it, word for word: what the ledger's own is measured against.

use sha2::{Digest as _, Sha256};

/// The root over leaf hashes.
pub fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Sha256::new().chain_update([1]).chain_update(root(left)).chain_update(root(right)).finalize().into()
        }
    }
}

#[test]
fn roots_are_those_that_everybody_computes() {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut leaves = Vec::new();
    for number in 0_u8..40 {
        assert_eq!(root(&leaves).as_slice(), tree.root().as_bytes().as_slice(), "{number} leaves");
        tree.push(vec![number; usize::from(number)]);
        leaves.push(Sha256::new().chain_update([0]).chain_update(vec![number; usize::from(number)]).finalize().into());
    }
}
