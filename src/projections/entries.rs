//! Which link a remote entry belongs to: recognises an entry whose marker was removed, or of which a listing shows
//! only the id. Table: `projections/entries.sql`.
//!
//! A link's calendar never changes, so it is only stored in `links` and joined in queries.

use super::{Column, Projection, Table, Write, int, text};
use crate::{
    domain::{
        calendar,
        entry::{EntryState, Observation},
        event::Event,
        ids::{Etag, RemoteId},
        link::{self, Operation},
    },
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "entries",
    version: 1,
    table: Table { columns: COLUMNS, keys: 2, settle: None, personal: &[] },
    reads: &[Category::Link, Category::Calendar],
    project,
};

const COLUMNS: &[Column] =
    &[text("link"), text("remote"), int("generation"), text("role"), text("seen"), text("seen_etag"), text("seen_at")];

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    match event {
        Event::Link(event) => of_link(recorded, event),
        Event::Calendar(event) => of_calendar(event),
        Event::Booking(_) | Event::Connection(_) | Event::Source(_) | Event::Profile(_) | Event::Operations(_) => {
            Vec::new()
        }
    }
}

fn of_link(recorded: &StoredEvent, event: &link::Event) -> Vec<Write> {
    let link = recorded.stream.id.as_str();
    let entry = |remote: &RemoteId| Write::put([link, remote.as_str()]);
    let seen = |write: Write, etag: Option<&Etag>| {
        let write = write.set("seen_at", recorded.event.recorded_at);
        match etag {
            Some(etag) => write.set("seen", "live").set("seen_etag", etag.as_str()),
            None => write.set("seen", "gone").clear(&["seen_etag"]),
        }
    };
    match event {
        link::Event::CommandIssued { command } => match &command.operation {
            // Known before it exists: if the answer is lost, a listing shows the entry and it is recognised.
            Operation::Create { .. } => {
                vec![entry(&command.remote).set("role", "ours").set("generation", command.generation.0)]
            }
            Operation::Update { .. }
            | Operation::Delete { .. }
            | Operation::WriteBackUpdate { .. }
            | Operation::WriteBackCancel { .. } => Vec::new(),
        },
        link::Event::Established { remote, generation } => {
            vec![entry(remote).set("role", "ours").set("generation", generation.0)]
        }
        link::Event::Adopted { remote, generation, etag, .. } => {
            vec![seen(entry(remote).set("role", "ours").set("generation", generation.0), Some(etag))]
        }
        link::Event::EchoRecognised { remote, etag, .. } => vec![seen(entry(remote), etag.as_ref())],
        link::Event::Detached { remote, .. } => vec![entry(remote).set("role", "detached")],
        link::Event::SupersededLeft { remote, generation, etag } => {
            vec![seen(entry(remote).set("role", "superseded").set("generation", generation.0), Some(etag))]
        }
        link::Event::CloneSuspected { remote } => vec![entry(remote).set("role", "clone")],
        link::Event::SyncRequested { .. }
        | link::Event::Decided { .. }
        | link::Event::Withheld { .. }
        | link::Event::AttemptSucceeded { .. }
        | link::Event::AttemptFailed { .. }
        | link::Event::OutcomeVerified { .. }
        | link::Event::RemoteChangeAccepted { .. }
        | link::Event::RemoteChangeApplied { .. }
        | link::Event::RemoteChangeHeld { .. }
        | link::Event::RemoteChangeReleased { .. }
        | link::Event::RemoteChangeRejected { .. }
        | link::Event::ConflictDetected { .. }
        | link::Event::ConflictResolved { .. }
        | link::Event::DeadLettered { .. }
        | link::Event::Reprocessed { .. }
        | link::Event::RemoteChangeAnswered { .. }
        | link::Event::LookRequested { .. }
        | link::Event::WaitEnded { .. } => Vec::new(),
    }
}

fn of_calendar(event: &calendar::Event) -> Vec<Write> {
    match event {
        calendar::Event::RemoteEntryObserved { link, observation, .. }
        | calendar::Event::RemoteEntryRemoved { link, observation, .. } => {
            vec![observed(link.as_str(), observation)]
        }
        calendar::Event::ChannelRequested { .. }
        | calendar::Event::ChannelOpened { .. }
        | calendar::Event::ChannelRenewed { .. }
        | calendar::Event::ChannelClosed { .. }
        | calendar::Event::ChannelLost { .. }
        | calendar::Event::PushUnsupported { .. }
        | calendar::Event::NotificationReceived { .. }
        | calendar::Event::NotificationRejected { .. }
        | calendar::Event::PullStarted { .. }
        | calendar::Event::CoverageProven { .. }
        | calendar::Event::CursorAdvanced { .. }
        | calendar::Event::CursorInvalidated { .. }
        | calendar::Event::PullFailed { .. }
        | calendar::Event::Unavailable { .. }
        | calendar::Event::CapabilityChanged { .. } => Vec::new(),
    }
}

fn observed(link: &str, observation: &Observation) -> Write {
    let write = Write::put([link, observation.remote.as_str()]).set("seen_at", observation.seen_at);
    match &observation.seen {
        EntryState::Live { etag, .. } => write.set("seen", "live").set("seen_etag", etag.as_str()),
        EntryState::Unreadable { etag, .. } => write.set("seen", "unreadable").set("seen_etag", etag.as_str()),
        EntryState::Gone { .. } => write.set("seen", "gone").clear(&["seen_etag"]),
    }
}
