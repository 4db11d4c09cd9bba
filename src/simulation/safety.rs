//! Invariants that must hold after every step.

use std::collections::{BTreeMap, BTreeSet};

use futures::executor::block_on;
use serde_json::Value;

use super::{
    notes::Notes,
    world::{self, BAYS, World, open},
};
use crate::{
    adapters::sandbox::model::Model as _,
    domain::{
        event::Event,
        ids::{EventId, Position},
        link::{self, Link},
        operations,
    },
    ledger::append::leaf_at,
    record::{
        checkpoint::write_hash,
        envelope::StoredEvent,
        merkle::{Frontier, Hash},
        stream::{Category, StreamName},
    },
    services::journal::DecodedEvent,
};

/// What was seen of the ledger so far.
#[derive(Debug, Default)]
pub(super) struct Safety {
    next: Position,
    versions: BTreeMap<String, u64>,
    /// The ids of all events read so far.
    ids: BTreeSet<EventId>,
    acknowledged: BTreeSet<EventId>,
    recheck: bool,
    /// How many changes of the calendars there were, and entries that are not ours, when they were last looked at.
    entries: Option<(u64, usize)>,
    /// Whether anybody reads the trace.
    keep_news: bool,
    /// What is new in the ledger, line by line, for the trace.
    pub news: Vec<String>,
    /// Links as their events make them.
    pub links: BTreeMap<String, Option<Link>>,
    /// Versions of entries that links' events speak of.
    pub spoken_of: BTreeSet<String>,
    /// Entries that links' events name as one too many.
    pub duplicates: BTreeSet<String>,
    /// Commands that were issued and have no known outcome.
    pub open: BTreeMap<String, Position>,
    /// Approvals that were asked for, and the links whose entries are said to be gone.
    pub approvals: BTreeMap<String, Vec<String>>,
    /// The leaf hashes of all events.
    leaves: Vec<Hash>,
}

impl Safety {
    /// Nothing has been seen yet; news are kept for a trace that is read.
    pub fn new(keep_news: bool) -> Self {
        Self { keep_news, ..Self::default() }
    }

    /// After a crash everything that was ever acknowledged is looked for again.
    pub fn recheck_all(&mut self) {
        self.recheck = true;
    }

    /// Looks at everything that is new.
    pub fn check(&mut self, world: &World) {
        let journal = world.journal();
        let recorded = block_on(world.ledger.read_all(self.next, usize::MAX)).unwrap_or_default();
        let mut notes = world.notes.open();
        for recorded in recorded {
            if recorded.position != self.next {
                notes.broken("I3", format!("position {} stands where {} should", recorded.position, self.next));
            }
            self.next = recorded.position.next();
            let stream = recorded.stream.to_string();
            let expected = self.versions.entry(stream.clone()).or_default();
            if recorded.version.0 != *expected {
                notes.broken("I3", format!("{stream} has version {} where {expected} should be", recorded.version));
            }
            *expected = recorded.version.0 + 1;
            if self.keep_news {
                self.news.push(line(&recorded));
            }
            secrets(&recorded, &mut notes);
            if leaf_at(&stream, recorded.version, recorded.position, &recorded.event) != recorded.leaf {
                notes.broken("I12", format!("the event at {} is not what its hash says", recorded.position));
            }
            self.leaves.push(recorded.leaf);
            self.ids.insert(recorded.event.id);
            match block_on(journal.decode(recorded)) {
                Ok(told) => self.told(&told, &mut notes),
                Err(failure) => notes.broken("I3", format!("an event cannot be read: {failure}")),
            }
        }
        self.acknowledged(world, &mut notes);
        for etag in std::mem::take(&mut notes.overwritten) {
            notes.count("edits_written_over");
            if !self.spoken_of.contains(&etag) {
                let edit = notes.edits.get(&etag).map(|e| format!("{} of {} on {}", e.entry, e.link, e.calendar));
                let what = format!("version {etag} that a person made of {edit:?} is written over and nobody knew it");
                notes.broken("I7", what);
            }
        }
        let entries = (open(&world.google).changes(), notes.unmanaged.len());
        if self.entries != Some(entries) {
            self.entries = Some(entries);
            one_entry_each(world, &mut notes);
            unmanaged(world, &mut notes);
        }
    }

    fn acknowledged(&mut self, world: &World, notes: &mut Notes) {
        let fresh: Vec<EventId> = std::mem::take(&mut notes.acknowledged);
        let missing = |id: &&EventId| block_on(world.ledger.find(**id)).is_ok_and(|found| found.is_none());
        let never_read = fresh.iter().filter(|id| !self.ids.contains(id)).find(missing);
        let lost = never_read.or_else(|| self.acknowledged.iter().filter(|_| self.recheck).find(missing));
        if let Some(lost) = lost {
            notes.broken("I2", format!("event {lost} was acknowledged and is not in the ledger"));
        }
        self.recheck = false;
        self.acknowledged.extend(fresh);
    }

    /// I12: a checkpoint says what the events before it make.
    fn sealed(&self, size: u64, root: &str, notes: &mut Notes) {
        notes.count("checkpoints");
        let mut tree = Frontier::new();
        for leaf in self.leaves.iter().take(usize::try_from(size).unwrap_or(usize::MAX)) {
            tree.push(*leaf);
        }
        if tree.size() != size || write_hash(&tree.root()) != root {
            notes.broken("I12", format!("the checkpoint over {size} events has another root than they have"));
        }
    }

    fn told(&mut self, told: &DecodedEvent, notes: &mut Notes) {
        if let Event::Operations(operations::Event::ApprovalRequested { approval, links, .. }) = &told.event {
            notes.count("approvals_asked_for");
            self.approvals.insert(approval.clone(), links.iter().map(ToString::to_string).collect());
        }
        if let Event::Operations(operations::Event::CheckpointSealed { size, root, .. }) = &told.event {
            self.sealed(*size, root, notes);
        }
        if told.recorded.stream.category != Category::Link {
            return;
        }
        let data: Value = serde_json::from_str(&told.recorded.event.data).unwrap_or(Value::Null);
        etags(&data, &mut self.spoken_of);
        let Event::Link(event) = &told.event else { return };
        let id = told.recorded.stream.id.clone();
        let state = self.links.entry(id).or_default();
        match event {
            link::Event::CommandIssued { command } => {
                notes.count("commands");
                self.open.insert(command.id.0.clone(), told.recorded.position);
                if let Some(flight) = state.as_ref().and_then(|link| link.in_flight.as_ref()) {
                    let what = format!("{} is issued while {} has no outcome", command.id, flight.command.id);
                    notes.broken("one call at a time", what);
                }
            }
            link::Event::AttemptSucceeded { command, .. } | link::Event::OutcomeVerified { command, .. } => {
                self.open.remove(&command.0);
            }
            link::Event::AttemptFailed { command, failure, .. } => {
                if failure.class == crate::domain::failure::FailureClass::OutcomeUnknown {
                    notes.count("outcomes_unknown");
                } else {
                    self.open.remove(&command.0);
                }
            }
            link::Event::SupersededLeft { remote, .. } | link::Event::CloneSuspected { remote } => {
                self.duplicates.insert(remote.to_string());
            }
            _ => {}
        }
        note_kind(event, notes);
        *state = link::evolve(state.take(), event, told.recorded.event.recorded_at);
    }
}

/// Words of people and secrets of ours that stand nowhere in the clear.
const CANARIES: [&str; 9] = [
    "Customer ",
    "@mail.example",
    "left-handed",
    "own clubs",
    "Swing lesson",
    "VIP ",
    world::SECRET,
    "ya29.",
    "sandbox-key",
];

/// I11: no personal text and no secret stands in an event.
fn secrets(recorded: &StoredEvent, notes: &mut Notes) {
    notes.count("events_searched");
    if let Some(found) = CANARIES.iter().find(|canary| recorded.event.data.contains(*canary)) {
        notes.broken("I11", format!("{} at {} holds {found:?} in the clear", recorded.event.kind, recorded.position));
    }
}

/// An event in one line; what is sealed stays so.
fn line(recorded: &StoredEvent) -> String {
    let mut data: Value = serde_json::from_str(&recorded.event.data).unwrap_or(Value::Null);
    unsealed(&mut data);
    let (position, kind) = (recorded.position, &recorded.event.kind);
    format!("       @{position} {}@{} {kind} {data}", recorded.stream, recorded.version)
}

/// Leaves out what nobody can read.
fn unsealed(value: &mut Value) {
    match value {
        Value::Object(fields) if fields.contains_key("sealed") => *value = Value::String("…".into()),
        Value::Object(fields) => fields.values_mut().for_each(unsealed),
        Value::Array(items) => items.iter_mut().for_each(unsealed),
        _ => {}
    }
}

fn note_kind(event: &link::Event, notes: &mut Notes) {
    match event {
        link::Event::SupersededLeft { .. } => notes.count("duplicates_healed"),
        link::Event::ConflictDetected { .. } => notes.count("conflicts"),
        link::Event::RemoteChangeAccepted { .. } => notes.count("edits_accepted"),
        link::Event::RemoteChangeHeld { .. } => notes.count("edits_held"),
        link::Event::RemoteChangeRejected { .. } => notes.count("edits_rejected"),
        link::Event::DeadLettered { .. } => notes.count("dead_letters"),
        link::Event::Adopted { .. } => notes.count("adoptions"),
        link::Event::EchoRecognised { .. } => notes.count("echoes"),
        link::Event::Detached { .. } => notes.count("detached"),
        link::Event::OutcomeVerified { .. } => notes.count("outcomes_verified"),
        _ => {}
    }
}

/// Every text under a key `etag`, however deep.
fn etags(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == "etag" => {
                        found.insert(text.to_owned());
                    }
                    _ => etags(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| etags(item, found)),
        _ => {}
    }
}

/// Live entries by link, those left out that a person made or took away from us.
pub(super) fn entries_by_link(world: &World, notes: &Notes) -> BTreeMap<String, Vec<(String, String)>> {
    let google = open(&world.google);
    let mut entries: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (_, calendar) in BAYS {
        for resource in google.entries(calendar) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let id = resource.get("id").map(text).unwrap_or_default();
            let link = resource.get("extendedProperties").map(|p| text(&p["private"]["syncledgerLink"]));
            let Some(link) = link.filter(|link| !link.is_empty()) else { continue };
            if !notes.unmanaged.contains_key(&(calendar.to_owned(), id.clone())) {
                entries.entry(link).or_default().push((calendar.to_owned(), id));
            }
        }
    }
    entries
}

/// I1. A second entry is excused where a person brought one back, where the provider said 409 without a reason, and where
/// a worker stood still for longer than its lease: what becomes of it then is looked at in the end.
fn one_entry_each(world: &World, notes: &mut Notes) {
    let excused = notes.counts.contains_key("stall") || notes.counts.contains_key("conflict_armed");
    for (link, entries) in entries_by_link(world, notes) {
        if entries.len() < 2 {
            continue;
        }
        notes.count("two_entries_for_a_while");
        let brought_back = entries.iter().any(|entry| notes.brought_back.contains(entry));
        if !brought_back {
            notes.doubles.entry(link.clone()).or_default().extend(entries.iter().map(|(_, id)| id.clone()));
        }
        if !excused && !brought_back {
            notes.broken("I1", format!("{link} has {} live entries: {entries:?}", entries.len()));
        }
    }
}

/// I14: what is not ours is as people left it.
fn unmanaged(world: &World, notes: &mut Notes) {
    let google = open(&world.google);
    let mut broken = Vec::new();
    for ((calendar, id), left) in &notes.unmanaged {
        let entry = google.entry(calendar, id).filter(|e| e.get("status").and_then(Value::as_str) != Some("cancelled"));
        let now = entry.and_then(|entry| entry.get("etag")?.as_str().map(str::to_owned));
        if now != *left {
            broken.push(format!("{id} is not ours; a person left it at {left:?}, and it is at {now:?}"));
        }
    }
    drop(google);
    for what in broken {
        notes.broken("I14", what);
    }
}

/// The stream of a link.
pub(super) fn link_stream(link: &str) -> Option<StreamName> {
    crate::domain::ids::LinkId::new(link).ok().map(|id| StreamName::link(&id))
}
