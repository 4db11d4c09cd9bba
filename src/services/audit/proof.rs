//! Proofs for others: that an event is in the ledger, and that a later ledger continues an earlier one.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Audit, PAGE_LEAVES};
use crate::{
    domain::ids::{EventId, Position},
    record::{
        checkpoint::{Checkpoint, write_hash},
        envelope::{leaf_bytes, leaf_hash},
        merkle::{self, Collector, Frontier, Hash},
        note::Note,
    },
    services::Error,
};

/// Proof that an event is in the tree of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Inclusion {
    /// Id of the event.
    pub event: String,
    /// Its stream.
    pub stream: String,
    /// Its version in the stream.
    pub version: u64,
    /// Its position in the ledger, which is the leaf's index in the tree.
    pub index: u64,
    /// The leaf's bytes, as text: the event exactly as it was hashed.
    pub leaf: String,
    /// SHA-256 over a zero byte and the leaf's bytes (RFC 6962), in base64.
    pub leaf_hash: String,
    /// Number of leaves.
    pub size: u64,
    /// Root hash, in base64.
    pub root: String,
    /// Inclusion proof of RFC 6962 §2.1.1, in base64, beginning next to the leaf.
    pub proof: Vec<String>,
    /// Signed note with the same size and root.
    pub checkpoint: String,
    /// The key that signed it, as a C2SP signed-note verifier key. Compare it with a key you kept.
    pub key: Option<String>,
}

/// Proof that one tree continues another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Continuity {
    /// Origin of the ledger's checkpoints.
    pub origin: String,
    /// Size of the smaller tree.
    pub old_size: u64,
    /// Its root, in base64.
    pub old_root: String,
    /// Size of the larger tree.
    pub new_size: u64,
    /// Its root, in base64.
    pub new_root: String,
    /// Consistency proof of RFC 6962 §2.1.2, in base64.
    pub proof: Vec<String>,
}

/// One side of a consistency proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// The ledger at this number of events.
    Size(u64),
    /// A signed checkpoint.
    Note(String),
}

impl Audit {
    /// Proves that an event is in the ledger covered by a checkpoint: the given one, or the newest.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` if no checkpoint covers it yet, or the given one belongs to another ledger.
    pub async fn inclusion(&self, id: EventId, note: Option<&str>) -> Result<Inclusion, Error> {
        let it = self.store().find(id).await?;
        let it = it.ok_or_else(|| Error::NotFound { what: "event", id: id.to_string() })?;
        let (checkpoint, note) = match note {
            Some(note) => (self.own(note).await?, note.to_owned()),
            None => match self.latest().await?.0 {
                Some(latest) => (latest.checkpoint, latest.note),
                None => {
                    return Err(Error::Invalid("no checkpoint has been sealed yet: run `audit seal` first".to_owned()));
                }
            },
        };
        let (index, size) = (it.position.0, checkpoint.size);
        let Some(wanted) = merkle::inclusion(index, size) else {
            let what = "seal again, or give a later checkpoint";
            return Err(Error::Invalid(format!(
                "position {index} is not covered by the checkpoint over {size} events: {what}"
            )));
        };
        let (proof, roots) = self.collect(wanted, &[size]).await?;
        let bytes = leaf_bytes(&it.stream.to_string(), it.version, it.position, &it.event);
        let leaf = leaf_hash(&bytes);
        if roots != [checkpoint.root] || !merkle::includes(&leaf, index, size, &proof, &checkpoint.root) {
            return Err(Error::Damaged {
                stream: it.stream.to_string(),
                version: it.version.0,
                reason: "the ledger differs from the one that was sealed: run `audit verify`".to_owned(),
            });
        }
        let known = self.known().await?;
        let key = Note::parse(&note).ok().and_then(|note| note.signer(&known).ok().map(ToString::to_string));
        Ok(Inclusion {
            event: id.to_string(),
            stream: it.stream.to_string(),
            version: it.version.0,
            index,
            leaf: String::from_utf8(bytes).expect("a leaf is JSON"),
            leaf_hash: write_hash(&leaf),
            size,
            root: write_hash(&checkpoint.root),
            proof: proof.iter().map(write_hash).collect(),
            checkpoint: note,
            key,
        })
    }

    /// Proves that the ledger at `new` continues the ledger at `old`.
    ///
    /// # Errors
    /// `Invalid` if a side is empty or ahead of the ledger, `old` is larger than `new`, or a checkpoint belongs to another
    /// ledger or another history.
    pub async fn consistency(&self, old: &Side, new: &Side) -> Result<Continuity, Error> {
        let (old, old_claim) = self.side(old).await?;
        let (new, new_claim) = self.side(new).await?;
        let end = self.store().end().await?.0;
        if new > end {
            let why = "it is an older copy, or events were removed";
            return Err(Error::Invalid(format!("the ledger has only {end} events, not {new}: {why}")));
        }
        let Some(wanted) = merkle::consistency(old, new) else {
            return Err(Error::Invalid(format!(
                "cannot prove {old} to {new}: both must be at least 1, the smaller one first"
            )));
        };
        let (proof, roots) = self.collect(wanted, &[old, new]).await?;
        for (size, root, claim) in [(old, roots[0], old_claim), (new, roots[1], new_claim)] {
            if claim.is_some_and(|claim| claim != root) {
                let why = "the histories differ: run `audit verify`";
                return Err(Error::Invalid(format!(
                    "this ledger's first {size} events do not match the checkpoint: {why}"
                )));
            }
        }
        Ok(Continuity {
            origin: self.origin(),
            old_size: old,
            old_root: write_hash(&roots[0]),
            new_size: new,
            new_root: write_hash(&roots[1]),
            proof: proof.iter().map(write_hash).collect(),
        })
    }

    async fn side(&self, side: &Side) -> Result<(u64, Option<Hash>), Error> {
        match side {
            Side::Size(size) => Ok((*size, None)),
            Side::Note(note) => self.own(note).await.map(|checkpoint| (checkpoint.size, Some(checkpoint.root))),
        }
    }

    async fn own(&self, note: &str) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint::signed(note, &self.origin(), &self.known().await?);
        checkpoint.map_err(|e| Error::Invalid(format!("the checkpoint cannot be used: {e}")))
    }

    /// Hashes of subtrees, and roots at ascending sizes, in one pass over the leaf hashes.
    async fn collect(&self, wanted: Vec<std::ops::Range<u64>>, sizes: &[u64]) -> Result<(Vec<Hash>, Vec<Hash>), Error> {
        let missing = |at: u64| Error::Invalid(format!("position {at} is missing: run `audit verify`"));
        let (mut collector, mut tree, mut roots) = (Collector::new(wanted), Frontier::new(), Vec::new());
        let last = sizes.iter().copied().max().unwrap_or(0);
        while tree.size() < last {
            let limit = usize::try_from(last - tree.size()).unwrap_or(PAGE_LEAVES).min(PAGE_LEAVES);
            let page = self.store().leaves(Position(tree.size()), limit).await?;
            if page.is_empty() {
                return Err(missing(tree.size()));
            }
            for leaf in page {
                collector.push(leaf);
                tree.push(leaf);
                roots.extend(sizes.iter().filter(|size| **size == tree.size()).map(|_| tree.root()));
            }
        }
        Ok((collector.hashes().ok_or_else(|| missing(last))?, roots))
    }
}
