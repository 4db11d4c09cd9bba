//! A pass over events in order that checks each one against all events before it.

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

/// Leaf hashes kept in memory: a checkpoint is recorded some events after the last one it covers. The sealer leaves at most
/// 8,192 events, and others may append more between its last read and its own append.
const REMEMBERED: usize = 65_536;

/// A checkpoint that the tree is compared with when it reaches that size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpectedCheckpoint {
    /// The claimed root.
    pub root: Hash,
    /// Description for messages.
    pub name: String,
}

/// State of the pass.
pub(super) struct Walk {
    origin: String,
    known: Vec<VerifierKey>,
    tree: Frontier,
    /// The position from which it has seen everything.
    from: u64,
    versions: HashMap<StreamName, u64>,
    ids: HashSet<EventId>,
    recent: VecDeque<Hash>,
    due: BTreeMap<u64, Vec<ExpectedCheckpoint>>,
    /// Number of valid recorded checkpoints.
    pub checkpoints: u64,
    /// Largest size covered by a valid checkpoint.
    pub sealed: u64,
    /// Checkpoints recorded too long after their last event: for a second pass.
    pub late: Vec<(u64, ExpectedCheckpoint)>,
}

impl Walk {
    /// A pass that begins where `tree` ends.
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

    /// Compares the tree with this root once it has `size` leaves.
    pub(super) fn expect(&mut self, size: u64, due: ExpectedCheckpoint) {
        self.due.entry(size).or_default().push(due);
    }

    /// The tree so far.
    pub(super) fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// Checkpoints beyond the end of the pass.
    pub(super) fn pending_checkpoints(&self) -> impl Iterator<Item = (u64, &ExpectedCheckpoint)> {
        self.due.iter().flat_map(|(size, dues)| dues.iter().map(|due| (*size, due)))
    }

    /// Checks the next event; its leaf is the hash of its bytes.
    pub(super) fn take(&mut self, it: &StoredEvent) -> Result<(), Fault> {
        if it.position.0 != self.tree.size() {
            let reason = format!("expected position {}", self.tree.size());
            return Err(Fault { position: Some(self.tree.size()), ..Fault::of(it, reason) });
        }
        self.version(it)?;
        if !self.ids.insert(it.event.id) {
            return Err(Fault::of(it, format!("the id {} is in the ledger twice", it.event.id)));
        }
        // Before the event is added: a checkpoint does not cover its own event.
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
            Some(next) => return Err(Fault::of(it, format!("expected version {next} of its stream"))),
            // In a part of a ledger, nothing is known about earlier events.
            None if it.version.0 == 0 || self.from > 0 => {
                self.versions.insert(it.stream.clone(), it.version.0 + 1);
            }
            None => return Err(Fault::of(it, "expected version 0 of its stream")),
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
        let name = format!("the checkpoint recorded at position {}", it.position);
        if behind > self.recent.len() {
            self.late.push((size, ExpectedCheckpoint { root: sealed.checkpoint.root, name }));
            return Ok(());
        }
        // Extends the checkpoint's own frontier by the events since then; it must give our tree.
        let mut tree = sealed.frontier;
        self.recent.iter().skip(self.recent.len() - behind).for_each(|leaf| tree.push(*leaf));
        if let Some(fault) = self.differs(&tree, size, &name) {
            return Err(fault);
        }
        self.checkpoints += 1;
        self.sealed = self.sealed.max(size);
        Ok(())
    }

    /// The first subtree in which two trees of our size differ, without what an earlier checkpoint covers.
    fn differs(&self, theirs: &Frontier, size: u64, name: &str) -> Option<Fault> {
        let pairs = self.tree.nodes().iter().zip(theirs.nodes()).zip(self.tree.ranges());
        let mut other = pairs.filter(|((ours, theirs), _)| ours != theirs).map(|(_, range)| range);
        let range = other.next()?;
        let first = range.start.max(self.sealed).max(self.from);
        let last = range.end.min(size.max(first + 1)) - 1;
        Some(changed(first, last, name))
    }

    fn other_history(&self, size: u64, name: &str) -> Fault {
        changed(self.sealed.max(self.from), size - 1, name)
    }
}

fn changed(first: u64, last: u64, name: &str) -> Fault {
    let reason = format!("these events differ from those that were sealed: {name} has a different root");
    Fault { position: Some(first), up_to: Some(last.max(first)), ..Fault::general(reason) }
}
