//! A walk over events in their order that holds each against everything before it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::{Fault, RecordedSeal, latest::KIND};
use crate::{
    domain::ids::EventId,
    record::{
        envelope::StoredEvent,
        merkle::{Frontier, Hash},
        note::VerifierKey,
        stream::StreamName,
    },
};

/// Leaf hashes remembered: a checkpoint's event stands some events after the last one it covers. The sealer leaves at most
/// 8,192 events; what others append between its last look and its own append comes on top.
const REMEMBERED: usize = 65_536;

/// A checkpoint that the tree is held against when it reaches that size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpectedCheckpoint {
    /// The root that it claims.
    pub root: Hash,
    /// Its name, for people.
    pub name: String,
}

/// Where the walk stands.
pub(super) struct Walk {
    origin: String,
    known: Vec<VerifierKey>,
    tree: Frontier,
    /// From which position on it knows everything.
    from: u64,
    versions: HashMap<StreamName, u64>,
    ids: HashSet<EventId>,
    recent: VecDeque<Hash>,
    due: BTreeMap<u64, Vec<ExpectedCheckpoint>>,
    /// Recorded checkpoints that held.
    pub checkpoints: u64,
    /// The greatest size that a checkpoint which held covers.
    pub sealed: u64,
    /// Checkpoints whose last event was too long ago when they were met: for a second walk.
    pub late: Vec<(u64, ExpectedCheckpoint)>,
}

impl Walk {
    /// A walk that begins where `tree` ends.
    pub(super) fn new(origin: String, known: Vec<VerifierKey>, tree: Frontier) -> Self {
        let from = tree.size();
        Self {
            origin,
            known,
            tree,
            from,
            versions: HashMap::new(),
            ids: HashSet::new(),
            recent: VecDeque::new(),
            due: BTreeMap::new(),
            checkpoints: 0,
            sealed: 0,
            late: Vec::new(),
        }
    }

    /// Has the tree held against that root when it has `size` leaves.
    pub(super) fn expect(&mut self, size: u64, due: ExpectedCheckpoint) {
        self.due.entry(size).or_default().push(due);
    }

    /// The tree as far as it has come.
    pub(super) fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// Checkpoints that the walk has not come to.
    pub(super) fn unmet(&self) -> impl Iterator<Item = (u64, &ExpectedCheckpoint)> {
        self.due.iter().flat_map(|(size, dues)| dues.iter().map(|due| (*size, due)))
    }

    /// Takes the next event, whose leaf is the hash of its bytes.
    pub(super) fn take(&mut self, it: &StoredEvent) -> Result<(), Fault> {
        if it.position.0 != self.tree.size() {
            let told = format!("position {} is expected here", self.tree.size());
            return Err(Fault { position: Some(self.tree.size()), ..Fault::of(it, told) });
        }
        self.version(it)?;
        if !self.ids.insert(it.event.id) {
            return Err(Fault::of(it, format!("the id {} stands in the ledger twice", it.event.id)));
        }
        // Before the event itself: no checkpoint covers its own event.
        if it.event.kind == KIND {
            self.checkpoint(it)?;
        }
        self.tree.push(it.leaf);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(it.leaf);
        for due in self.due.remove(&self.tree.size()).unwrap_or_default() {
            if due.root != self.tree.root() {
                return Err(self.other_history(self.tree.size(), &due.name));
            }
            self.sealed = self.sealed.max(self.tree.size());
        }
        Ok(())
    }

    fn version(&mut self, it: &StoredEvent) -> Result<(), Fault> {
        match self.versions.get_mut(&it.stream) {
            Some(next) if *next == it.version.0 => *next += 1,
            Some(next) => return Err(Fault::of(it, format!("version {next} of its stream is expected here"))),
            // Of a part of a ledger nobody knows what was before it.
            None if it.version.0 == 0 || self.from > 0 => {
                self.versions.insert(it.stream.clone(), it.version.0 + 1);
            }
            None => return Err(Fault::of(it, "version 0 of its stream is expected here")),
        }
        Ok(())
    }

    fn checkpoint(&mut self, it: &StoredEvent) -> Result<(), Fault> {
        let sealed = RecordedSeal::read(it, &self.origin, &self.known).map_err(|reason| Fault::of(it, reason))?;
        let size = sealed.checkpoint.size;
        if size < self.from {
            return Ok(());
        }
        let behind = usize::try_from(self.tree.size() - size).unwrap_or(usize::MAX);
        let name = format!("the checkpoint that position {} records", it.position);
        if behind > self.recent.len() {
            self.late.push((size, ExpectedCheckpoint { root: sealed.checkpoint.root, name }));
            return Ok(());
        }
        // From the checkpoint's own frontier over what came since, to where we stand: both must be one tree.
        let mut tree = sealed.frontier;
        self.recent.iter().skip(self.recent.len() - behind).for_each(|leaf| tree.push(*leaf));
        if let Some(fault) = self.differs(&tree, size, &name) {
            return Err(fault);
        }
        self.checkpoints += 1;
        self.sealed = self.sealed.max(size);
        Ok(())
    }

    /// Where two trees of our size differ: the first subtree that does, cut to what no earlier checkpoint covers.
    fn differs(&self, theirs: &Frontier, size: u64, told: &str) -> Option<Fault> {
        let pairs = self.tree.nodes().iter().zip(theirs.nodes()).zip(self.tree.ranges());
        let mut other = pairs.filter(|((ours, theirs), _)| ours != theirs).map(|(_, range)| range);
        let range = other.next()?;
        let first = range.start.max(self.sealed).max(self.from);
        let last = range.end.min(size.max(first + 1)) - 1;
        Some(changed(first, last, told))
    }

    fn other_history(&self, size: u64, told: &str) -> Fault {
        changed(self.sealed.max(self.from), size - 1, told)
    }
}

fn changed(first: u64, last: u64, told: &str) -> Fault {
    let reason = format!("these events are not the ones that were sealed: {told} has another root");
    Fault { position: Some(first), up_to: Some(last.max(first)), ..Fault::general(reason) }
}
