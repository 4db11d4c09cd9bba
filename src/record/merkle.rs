//! The Merkle tree over the ledger's leaves: RFC 6962 §2.1, with its two kinds of proof.
//!
//! The tree itself is not stored. A [`Frontier`] is enough to append and to compute the root; a proof is a list of
//! subtrees, whose hashes a [`Collector`] computes in one pass over the leaves.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

/// SHA-256.
pub type Hash = [u8; 32];

/// Root hash of an empty tree.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Hash of the node above two others.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The right edge of a tree: the roots of the perfect subtrees that its leaves form, the largest first. There is one
/// for every bit set in the number of leaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stored frontier; `None` if `nodes` does not match the number of leaves.
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Option<Self> {
        (usize::try_from(size.count_ones()) == Ok(nodes.len())).then_some(Self { size, nodes })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root hashes of the subtrees, the largest first.
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// The leaves that each of [`Frontier::nodes`] covers.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let mut start = 0;
        let bits = (0..u64::BITS).rev().map(|bit| 1 << bit).filter(|width| self.size & width != 0);
        bits.map(|width: u64| {
            start += width;
            start - width..start
        })
        .collect()
    }

    /// Appends a leaf's hash.
    pub fn push(&mut self, leaf: Hash) {
        let (mut hash, mut width) = (leaf, self.size);
        while width & 1 == 1 {
            let left = self.nodes.pop().expect("there is a subtree for every bit of the size");
            hash = node(&left, &hash);
            width >>= 1;
        }
        self.nodes.push(hash);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut from_right = self.nodes.iter().rev();
        let Some(last) = from_right.next() else { return empty_root() };
        from_right.fold(*last, |right, left| node(left, &right))
    }
}

/// The largest power of two below `size`, which is at least 2: where RFC 6962 splits a tree.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The subtrees of an inclusion proof of leaf `index` in a tree of `size` leaves, in order; `None` if there is
/// no such leaf. RFC 6962 §2.1.1.
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Range<u64>>> {
    if index >= size {
        return None;
    }
    let (mut all, mut tree) = (Vec::new(), 0..size);
    while tree.end - tree.start > 1 {
        let middle = tree.start + split(tree.end - tree.start);
        if index < middle {
            all.push(middle..tree.end);
            tree.end = middle;
        } else {
            all.push(tree.start..middle);
            tree.start = middle;
        }
    }
    all.reverse();
    Some(all)
}

/// The subtrees of a proof that the tree of `new` leaves continues that of `old`, in order; `None` if `old` is
/// 0 or greater than `new`. RFC 6962 §2.1.2.
pub fn consistency(old: u64, new: u64) -> Option<Vec<Range<u64>>> {
    if old == 0 || old > new {
        return None;
    }
    let (mut all, mut tree, mut whole) = (Vec::new(), 0..new, true);
    while tree.end != old {
        let middle = tree.start + split(tree.end - tree.start);
        if old <= middle {
            all.push(middle..tree.end);
            tree.end = middle;
        } else {
            all.push(tree.start..middle);
            tree.start = middle;
            whole = false;
        }
    }
    if !whole {
        all.push(tree);
    }
    all.reverse();
    Some(all)
}

/// Computes hashes of subtrees in one pass over all leaves.
#[derive(Debug)]
pub struct Collector {
    wanted: Vec<Range<u64>>,
    /// Indices of `wanted`, ordered by start.
    order: Vec<usize>,
    made: Vec<Frontier>,
    next: u64,
    at: usize,
}

impl Collector {
    /// For these subtrees, which must not overlap.
    pub fn new(wanted: Vec<Range<u64>>) -> Self {
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by_key(|index| wanted[*index].start);
        let made = vec![Frontier::new(); wanted.len()];
        Self { wanted, order, made, next: 0, at: 0 }
    }

    /// Adds the next leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        while let Some(index) = self.order.get(self.at) {
            if self.next < self.wanted[*index].end {
                if self.next >= self.wanted[*index].start {
                    self.made[*index].push(leaf);
                }
                break;
            }
            self.at += 1;
        }
        self.next += 1;
    }

    /// The hashes, in the order of `wanted`; `None` if leaves are missing.
    pub fn hashes(&self) -> Option<Vec<Hash>> {
        let whole = self.wanted.iter().zip(&self.made).all(|(wanted, made)| wanted.end - wanted.start == made.size());
        whole.then(|| self.made.iter().map(Frontier::root).collect())
    }
}

/// Whether `proof` shows that `leaf` is leaf `index` of the tree of `size` leaves with this root. RFC 9162 §2.1.3.2.
pub fn includes(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for other in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(other, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, other);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree `new` (number of leaves, root) continues the tree `old`. RFC 9162 §2.1.4.2.
pub fn continues(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old, old_root), (new, new_root)) = (old, new);
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    let mut path = proof.iter();
    // A perfect old tree is itself a node of the proof, and left out of it.
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut before, mut after) = (*first, *first);
    for other in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            before = node(other, &before);
            after = node(other, &after);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            after = node(&after, other);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && before == *old_root && after == *new_root
}
