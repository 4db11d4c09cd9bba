//! Invariants that must hold after every step.

use std::collections::{BTreeMap, BTreeSet};

use futures::executor::block_on;
use serde_json::Value;

use super::{
    canaries,
    observations::Observations,
    world::{BAYS, World, lock},
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

/// The state of the checks: what was read from the ledger so far.
#[derive(Debug, Default)]
pub(super) struct StepChecks {
    next: Position,
    versions: BTreeMap<String, u64>,
    /// The ids of all events read so far.
    ids: BTreeSet<EventId>,
    acknowledged: BTreeSet<EventId>,
    recheck: bool,
    /// The number of calendar changes and of unmanaged entries at the last check of the entries.
    entries: Option<(u64, usize)>,
    /// Whether lines of the trace are kept.
    keep_trace: bool,
    /// A line for the trace for each new event.
    pub trace_lines: Vec<String>,
    /// The state of each link, evolved from its events.
    pub links: BTreeMap<String, Option<Link>>,
    /// Versions of entries that are recorded in events of links.
    pub recorded_etags: BTreeSet<String>,
    /// Entries that are recorded as duplicates in events of links.
    pub recorded_duplicates: BTreeSet<String>,
    /// Issued commands without a known outcome.
    pub open_commands: BTreeMap<String, Position>,
    /// Requested approvals, with the links whose entries are reported as gone.
    pub approvals: BTreeMap<String, Vec<String>>,
    /// The leaf hashes of all events.
    leaves: Vec<Hash>,
}

impl StepChecks {
    /// The state before the first event.
    pub fn new(keep_trace: bool) -> Self {
        Self { keep_trace, ..Self::default() }
    }

    /// Makes the next check look for every acknowledged event again, after a crash.
    pub fn recheck_acknowledged(&mut self) {
        self.recheck = true;
    }

    /// Checks all new events and calendar changes.
    pub fn check(&mut self, world: &World) {
        let journal = world.journal();
        let recorded = block_on(world.ledger.read_all(self.next, usize::MAX)).unwrap_or_default();
        let mut observations = world.observations.lock();
        for recorded in recorded {
            if recorded.position != self.next {
                observations
                    .add_violation("I3", format!("position {} found instead of {}", recorded.position, self.next));
            }
            self.next = recorded.position.next();
            let stream = recorded.stream.to_string();
            let expected = self.versions.entry(stream.clone()).or_default();
            if recorded.version.0 != *expected {
                observations
                    .add_violation("I3", format!("{stream} has version {} instead of {expected}", recorded.version));
            }
            *expected = recorded.version.0 + 1;
            if self.keep_trace {
                self.trace_lines.push(trace_line(&recorded));
            }
            check_secrets(&recorded, &mut observations);
            if leaf_at(&stream, recorded.version, recorded.position, &recorded.event) != recorded.leaf {
                observations
                    .add_violation("I12", format!("the event at {} does not match its hash", recorded.position));
            }
            self.leaves.push(recorded.leaf);
            self.ids.insert(recorded.event.id);
            match block_on(journal.decode(recorded)) {
                Ok(decoded) => self.check_event(&decoded, &mut observations),
                Err(failure) => observations.add_violation("I3", format!("an event cannot be read: {failure}")),
            }
        }
        self.check_acknowledged(world, &mut observations);
        for etag in std::mem::take(&mut observations.overwritten) {
            observations.count("edits_written_over");
            if !self.recorded_etags.contains(&etag) {
                let edit =
                    observations.edits.get(&etag).map(|e| format!("{} of {} on {}", e.entry, e.link, e.calendar));
                let what = format!(
                    "version {etag}, which a person made of {edit:?}, was overwritten without a record in the ledger"
                );
                observations.add_violation("I7", what);
            }
        }
        let entries = (lock(&world.google).changes(), observations.unmanaged.len());
        if self.entries != Some(entries) {
            self.entries = Some(entries);
            check_single_entries(world, &mut observations);
            check_unmanaged(world, &mut observations);
        }
    }

    fn check_acknowledged(&mut self, world: &World, observations: &mut Observations) {
        let fresh: Vec<EventId> = std::mem::take(&mut observations.acknowledged);
        let missing = |id: &&EventId| block_on(world.ledger.find(**id)).is_ok_and(|found| found.is_none());
        let never_read = fresh.iter().filter(|id| !self.ids.contains(id)).find(missing);
        let lost = never_read.or_else(|| self.acknowledged.iter().filter(|_| self.recheck).find(missing));
        if let Some(lost) = lost {
            observations.add_violation("I2", format!("event {lost} was acknowledged, but is not in the ledger"));
        }
        self.recheck = false;
        self.acknowledged.extend(fresh);
    }

    /// I12: the root of a checkpoint equals the root of the events before it.
    fn check_checkpoint(&self, size: u64, root: &str, observations: &mut Observations) {
        observations.count("checkpoints");
        let mut tree = Frontier::new();
        for leaf in self.leaves.iter().take(usize::try_from(size).unwrap_or(usize::MAX)) {
            tree.push(*leaf);
        }
        if tree.size() != size || write_hash(&tree.root()) != root {
            observations.add_violation(
                "I12",
                format!("the root of the checkpoint over {size} events does not match the events"),
            );
        }
    }

    fn check_event(&mut self, decoded: &DecodedEvent, observations: &mut Observations) {
        if let Event::Operations(operations::Event::ApprovalRequested { approval, links, .. }) = &decoded.event {
            observations.count("approvals_asked_for");
            self.approvals.insert(approval.clone(), links.iter().map(ToString::to_string).collect());
        }
        if let Event::Operations(operations::Event::CheckpointSealed { size, root, .. }) = &decoded.event {
            self.check_checkpoint(*size, root, observations);
        }
        if decoded.recorded.stream.category != Category::Link {
            return;
        }
        let data: Value = serde_json::from_str(&decoded.recorded.event.data).unwrap_or(Value::Null);
        collect_etags(&data, &mut self.recorded_etags);
        let Event::Link(event) = &decoded.event else { return };
        let id = decoded.recorded.stream.id.clone();
        let state = self.links.entry(id).or_default();
        match event {
            link::Event::CommandIssued { command } => {
                observations.count("commands");
                self.open_commands.insert(command.id.0.clone(), decoded.recorded.position);
                if let Some(flight) = state.as_ref().and_then(|link| link.in_flight.as_ref()) {
                    let what = format!("{} is issued while {} has no outcome", command.id, flight.command.id);
                    observations.add_violation("one call at a time", what);
                }
            }
            link::Event::AttemptSucceeded { command, .. } | link::Event::OutcomeVerified { command, .. } => {
                self.open_commands.remove(&command.0);
            }
            link::Event::AttemptFailed { command, failure, .. } => {
                if failure.class == crate::domain::failure::FailureClass::OutcomeUnknown {
                    observations.count("outcomes_unknown");
                } else {
                    self.open_commands.remove(&command.0);
                }
            }
            link::Event::SupersededLeft { remote, .. } | link::Event::CloneSuspected { remote } => {
                self.recorded_duplicates.insert(remote.to_string());
            }
            _ => {}
        }
        count_event(event, observations);
        *state = link::evolve(state.take(), event, decoded.recorded.event.recorded_at);
    }
}

/// I11: no event contains a personal text or a secret in clear text.
fn check_secrets(recorded: &StoredEvent, observations: &mut Observations) {
    observations.count("events_searched");
    if let Some(found) = canaries::ALL.iter().find(|canary| recorded.event.data.contains(*canary)) {
        observations.add_violation(
            "I11",
            format!("{} at {} contains {found:?} in clear text", recorded.event.kind, recorded.position),
        );
    }
}

/// An event in one line, without its encrypted texts.
fn trace_line(recorded: &StoredEvent) -> String {
    let mut data: Value = serde_json::from_str(&recorded.event.data).unwrap_or(Value::Null);
    redact_sealed(&mut data);
    let (position, kind) = (recorded.position, &recorded.event.kind);
    format!("       @{position} {}@{} {kind} {data}", recorded.stream, recorded.version)
}

/// Replaces encrypted texts.
fn redact_sealed(value: &mut Value) {
    match value {
        Value::Object(fields) if fields.contains_key("sealed") => *value = Value::String("…".into()),
        Value::Object(fields) => fields.values_mut().for_each(redact_sealed),
        Value::Array(items) => items.iter_mut().for_each(redact_sealed),
        _ => {}
    }
}

fn count_event(event: &link::Event, observations: &mut Observations) {
    match event {
        link::Event::SupersededLeft { .. } => observations.count("duplicates_healed"),
        link::Event::ConflictDetected { .. } => observations.count("conflicts"),
        link::Event::RemoteChangeAccepted { .. } => observations.count("edits_accepted"),
        link::Event::RemoteChangeHeld { .. } => observations.count("edits_held"),
        link::Event::RemoteChangeRejected { .. } => observations.count("edits_rejected"),
        link::Event::DeadLettered { .. } => observations.count("dead_letters"),
        link::Event::Adopted { .. } => observations.count("adoptions"),
        link::Event::EchoRecognised { .. } => observations.count("echoes"),
        link::Event::Detached { .. } => observations.count("detached"),
        link::Event::OutcomeVerified { .. } => observations.count("outcomes_verified"),
        _ => {}
    }
}

/// Collects the text of every key `etag` at any depth.
fn collect_etags(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == "etag" => {
                        found.insert(text.to_owned());
                    }
                    _ => collect_etags(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_etags(item, found)),
        _ => {}
    }
}

/// Live entries by link, except those that we do not manage.
pub(super) fn entries_by_link(world: &World, observations: &Observations) -> BTreeMap<String, Vec<(String, String)>> {
    let google = lock(&world.google);
    let mut entries: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (_, calendar) in BAYS {
        for resource in google.entries(calendar) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let id = resource.get("id").map(text).unwrap_or_default();
            let link = resource.get("extendedProperties").map(|p| text(&p["private"]["syncledgerLink"]));
            let Some(link) = link.filter(|link| !link.is_empty()) else { continue };
            if !observations.unmanaged.contains_key(&(calendar.to_owned(), id.clone())) {
                entries.entry(link).or_default().push((calendar.to_owned(), id));
            }
        }
    }
    entries
}

/// I1. A second entry is allowed for a while if a person restored one, if the provider answered 409 without a reason, or if a
/// worker stalled for longer than its lease: the final checks look at it again.
fn check_single_entries(world: &World, observations: &mut Observations) {
    let excused = observations.counts.contains_key("stall") || observations.counts.contains_key("conflict_armed");
    for (link, entries) in entries_by_link(world, observations) {
        if entries.len() < 2 {
            continue;
        }
        observations.count("two_entries_for_a_while");
        let restored_entries = entries.iter().any(|entry| observations.restored_entries.contains(entry));
        if !restored_entries {
            observations
                .duplicate_entries
                .entry(link.clone())
                .or_default()
                .extend(entries.iter().map(|(_, id)| id.clone()));
        }
        if !excused && !restored_entries {
            observations.add_violation("I1", format!("{link} has {} live entries: {entries:?}", entries.len()));
        }
    }
}

/// I14: entries that we do not manage are unchanged.
fn check_unmanaged(world: &World, observations: &mut Observations) {
    let google = lock(&world.google);
    let mut broken = Vec::new();
    for ((calendar, id), expected) in &observations.unmanaged {
        let entry = google.entry(calendar, id).filter(|e| e.get("status").and_then(Value::as_str) != Some("cancelled"));
        let now = entry.and_then(|entry| entry.get("etag")?.as_str().map(str::to_owned));
        if now != *expected {
            broken.push(format!("{id}, which we do not manage, should be at version {expected:?}, but is at {now:?}"));
        }
    }
    drop(google);
    for what in broken {
        observations.add_violation("I14", what);
    }
}

/// The stream of a link.
pub(super) fn link_stream(link: &str) -> Option<StreamName> {
    crate::domain::ids::LinkId::new(link).ok().map(|id| StreamName::link(&id))
}
