//! What can have happened to a link.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{
    entry::{Content, Evidence, Observation},
    failure::CallFailure,
    ids::{
        BookingId, CalendarKey, Etag, Generation, IdempotencyKey, LinkId, ProfileId, RemoteId, ResourceId, Revision,
    },
    slot::Slot,
};

/// What a link joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkRef {
    /// The link.
    pub link: LinkId,
    /// The booking.
    pub booking: BookingId,
    /// The source's own id of the booking.
    pub appointment: String,
    /// The calendar.
    pub calendar: CalendarKey,
    /// The resource whose route leads to that calendar.
    pub resource: ResourceId,
    /// The profile that route names.
    pub profile: ProfileId,
}

/// Names one command within its link: `<link>:<number>`, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CommandId(pub String);

impl std::fmt::Display for CommandId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a command does at its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    /// Put a new entry on the calendar, under an id that we chose.
    Create {
        /// What it says.
        content: Content,
    },
    /// Change the entry, if it is still at that version.
    Update {
        /// The version that we know.
        expect: Etag,
        /// What it says now, as far as we know.
        from: Content,
        /// What it shall say. Only fields that differ from `from` are sent.
        content: Content,
        /// What our side alone would have it say: differs from `content` where a person's words are left standing.
        ours: Content,
    },
    /// Take the entry off the calendar, if it is still at that version.
    Delete {
        /// The version that we know.
        expect: Etag,
    },
    /// Tell the booking's source the new time.
    WriteBackSlot {
        /// The new time.
        slot: Slot,
        /// The source's revision that this change is based on.
        expect_revision: Option<u64>,
    },
    /// Tell the booking's source that it was called off.
    WriteBackCancel {
        /// The source's revision that this change is based on.
        expect_revision: Option<u64>,
    },
}

impl Operation {
    /// The permanent name, as in tables, logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Update { .. } => "update",
            Self::Delete { .. } => "delete",
            Self::WriteBackSlot { .. } => "write_back_update",
            Self::WriteBackCancel { .. } => "write_back_cancel",
        }
    }

    /// Whether the target is the booking's source, not the calendar.
    pub fn at_source(&self) -> bool {
        matches!(self, Self::WriteBackSlot { .. } | Self::WriteBackCancel { .. })
    }
}

/// A command whose intent is recorded, before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuedCommand {
    /// Which one.
    pub id: CommandId,
    /// What it does.
    #[serde(flatten)]
    pub operation: Operation,
    /// The entry it is about: for a create, the id that we chose.
    pub remote: RemoteId,
    /// The generation of that entry.
    pub generation: Generation,
    /// Makes a repetition harmless.
    pub key: IdempotencyKey,
    /// The booking's revision that it carries out.
    pub booking_revision: Revision,
    /// Until when its sender alone may act on it. After that anyone may look up how it ended.
    pub lease_until: DateTime<Utc>,
    /// Who sends it.
    pub worker: String,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Attempt {
    /// The entry as the provider answered it.
    Entry {
        /// Its version now.
        etag: Etag,
        /// When it changed last, by the provider's clock.
        updated: Option<DateTime<Utc>>,
        /// What it says, as the provider put it.
        content: Content,
    },
    /// It was deleted.
    Deleted {
        /// It was gone before we asked.
        already_absent: bool,
    },
    /// The source took the change.
    WrittenBack {
        /// Its revision of the booking now.
        source_revision: Option<u64>,
    },
}

/// What a look-up found about a command whose outcome was not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum Verification {
    /// It was carried out.
    Done {
        /// As if it had been answered.
        answer: Attempt,
    },
    /// It was not carried out, and will not be any more.
    NotDone {},
}

/// A change that a person made in the calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum RemoteChange {
    /// The entry says something else now.
    Edited {
        /// Its version.
        etag: Etag,
        /// When it was changed, by the provider's clock.
        updated: Option<DateTime<Utc>>,
        /// What it says.
        content: Content,
    },
    /// The entry is gone.
    Removed {
        /// How we know.
        evidence: Evidence,
        /// When it was removed, where the provider tells.
        updated: Option<DateTime<Utc>>,
    },
}

/// What accepting a removal means, as the profile said at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemovalPolicy {
    /// The booking is cancelled.
    Cancel,
    /// The booking stays and is marked.
    Mark,
}

/// Why a person's change is neither taken over nor turned down yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum HoldReason {
    /// One of our own calls is under way; it is looked at again after that.
    Busy,
    /// A removal counts only if it still stands after a while.
    Grace,
    /// The new time meets other bookings on the same resource. A person decides.
    Overlap {
        /// Those bookings.
        with: Vec<BookingId>,
    },
    /// So many entries vanished at once that it may be an accident. An operator decides.
    MassRemoval {
        /// The approval that was asked for.
        approval: String,
    },
    /// The source can only take times of day, not whole days. A person decides.
    WholeDay,
    /// The entry was brought back by a person although the booking is cancelled. A person decides.
    BroughtBack,
    /// The entry cannot be read. It is looked at again when it changes.
    Unreadable {
        /// What hinders.
        reason: String,
    },
    /// The profile says that a person decides about removals.
    AskFirst,
}

/// Why nothing is sent although booking and calendar differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum WithholdReason {
    /// It ended before the window of this profile.
    Past,
    /// It starts after the window of this profile; it is looked at again when the window reaches it.
    TooFarAhead,
    /// The profile does not send this to the calendar.
    DirectionClosed,
    /// The connection's grant is gone.
    ConnectionRevoked,
    /// The provider (or the source) asked us to wait with all calls.
    RateLimited,
}

/// What a decision does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Create the entry.
    Create,
    /// Change the entry.
    Update,
    /// Delete the entry.
    Delete,
    /// Write the new time back to the source.
    WriteBackUpdate,
    /// Write the cancellation back to the source.
    WriteBackCancel,
    /// Carry the accepted change over to the booking.
    ApplyToBooking,
}

/// One of two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The booking.
    Booking,
    /// The calendar.
    Calendar,
}

/// Both sides changed since the common base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conflict {
    /// When the booking changed.
    pub booking_changed_at: DateTime<Utc>,
    /// When the entry changed: by the provider's clock where it tells, else when we saw it.
    pub remote_changed_at: DateTime<Utc>,
    /// What our side says; `None` where it wants no entry.
    pub ours: Option<Content>,
    /// What the calendar says.
    pub theirs: RemoteChange,
}

/// Why an entry is read by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LookReason {
    /// The version that we sent was not current (412).
    Stale,
    /// It was not there when we wrote (404 or 410).
    Gone,
    /// The id that we chose is taken (409).
    IdentityTaken,
    /// A listing lacks it, or what we saw may be older than our last write.
    Doubtful,
    /// A removal's grace is over.
    GraceOver,
    /// An operator asked for it.
    Asked,
}

/// What a link waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// The end of whatever kept us from sending.
    Withheld,
    /// The time of the next try.
    Retry,
    /// A look at the entry: it was read, and shows nothing that is to be recorded.
    Look,
    /// The removal of an entry of an earlier generation: it is gone, or not ours any more.
    Superseded,
}

/// A fact about a link. Type: `link.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// Booking and calendar are to be kept in step. The first event of every link; again when an operator asks.
    SyncRequested {
        /// What is joined.
        #[serde(flatten)]
        of: LinkRef,
        /// In words.
        reason: String,
    },
    /// What is to be done, and why.
    Decided {
        /// What.
        action: Action,
        /// Why, in words for a support desk.
        reasons: Vec<String>,
        /// The booking's revision at that moment.
        booking_revision: Revision,
        /// The entry's version at that moment, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        etag: Option<Etag>,
        /// The profile that decided.
        profile: ProfileId,
        /// Its version.
        profile_version: u64,
    },
    /// Nothing is sent although there would be something to send.
    Withheld {
        /// Why.
        reason: WithholdReason,
        /// The booking's revision at that moment.
        booking_revision: Revision,
        /// When it is looked at again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// A command is about to be sent.
    CommandIssued {
        /// The command.
        command: IssuedCommand,
    },
    /// It was carried out.
    AttemptSucceeded {
        /// Which.
        command: CommandId,
        /// What it did, for those who count.
        operation: String,
        /// The answer.
        answer: Attempt,
    },
    /// It was not carried out, or nobody knows.
    AttemptFailed {
        /// Which.
        command: CommandId,
        /// What it was to do, for those who count.
        operation: String,
        /// What went wrong.
        failure: CallFailure,
        /// When it is tried again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<DateTime<Utc>>,
        /// Whether it counts against the profile's number of attempts.
        counts: bool,
    },
    /// The outcome of a command that nobody answered was looked up.
    OutcomeVerified {
        /// Which.
        command: CommandId,
        /// What was found.
        #[serde(flatten)]
        outcome: Verification,
    },
    /// The entry exists for the first time under this generation.
    Established {
        /// The entry.
        remote: RemoteId,
        /// Its generation.
        generation: Generation,
    },
    /// An entry with our marker, or one that already says what we want, is taken as the common base.
    Adopted {
        /// The entry.
        remote: RemoteId,
        /// Its generation.
        generation: Generation,
        /// Its version.
        etag: Etag,
        /// What it says.
        content: Content,
        /// Why, in words.
        reason: String,
    },
    /// A change that we saw is our own.
    EchoRecognised {
        /// The entry.
        remote: RemoteId,
        /// Its version; `None` for the echo of a deletion.
        etag: Option<Etag>,
        /// Whether the etag was new and the content told (a provider rewrote the entry without changing what it says).
        by_content: bool,
    },
    /// A person's change is taken over.
    RemoteChangeAccepted {
        /// The change.
        #[serde(flatten)]
        change: RemoteChange,
        /// Whether the booking changes by it (a new time, a removal), or only the common base (words).
        changes_booking: bool,
        /// For a removal: what it does to the booking.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        removal: Option<RemovalPolicy>,
        /// The booking's revision at that moment.
        booking_revision: Revision,
        /// The booking's time at that moment.
        booking_slot: Slot,
    },
    /// A change that was taken over has reached the booking.
    RemoteChangeApplied {
        /// The booking's revision that has it.
        booking_revision: Revision,
    },
    /// A person's change waits.
    RemoteChangeHeld {
        /// What was seen.
        observation: Observation,
        /// Why.
        #[serde(flatten)]
        reason: HoldReason,
        /// The booking's revision at that moment.
        booking_revision: Revision,
        /// When it is looked at again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// A person said what is to become of the change that waits.
    RemoteChangeAnswered {
        /// Take it over, or put the entry back.
        accept: bool,
        /// Who.
        by: String,
    },
    /// A change that waited does not wait any more: it is gone, or was decided.
    RemoteChangeReleased {
        /// Why, in words.
        reason: String,
    },
    /// A person's change is not taken over; the entry will say again what the booking says.
    RemoteChangeRejected {
        /// The change, so that it can be restored.
        #[serde(flatten)]
        change: RemoteChange,
        /// Why, in words.
        reason: String,
    },
    /// Both sides changed since the common base.
    ConflictDetected {
        /// Both sides.
        conflict: Conflict,
    },
    /// Which side stands. The other is in the `conflict_detected` before.
    ConflictResolved {
        /// The side that stands.
        winner: Side,
        /// By which rule, in words.
        rule: String,
        /// The entry's version that this overrides, where there is an entry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        overrides: Option<Etag>,
    },
    /// Given up until something changes or an operator asks again.
    DeadLettered {
        /// The last command.
        command: CommandId,
        /// What went wrong.
        failure: CallFailure,
        /// The booking's revision at that moment.
        booking_revision: Revision,
    },
    /// An operator asked for another try.
    Reprocessed {
        /// Who.
        by: String,
    },
    /// The entry is not ours any more; it is left alone.
    Detached {
        /// The entry.
        remote: RemoteId,
        /// Why, in words.
        reason: String,
    },
    /// An entry of an earlier generation stands on the calendar; it will be removed.
    SupersededLeft {
        /// The entry.
        remote: RemoteId,
        /// Its generation.
        generation: Generation,
        /// Its version.
        etag: Etag,
    },
    /// Another entry bears our marker: a copy made by somebody. It is left alone.
    CloneSuspected {
        /// That entry.
        remote: RemoteId,
    },
    /// The entry is to be read by its id before anything else is decided.
    LookRequested {
        /// Why.
        reason: LookReason,
        /// Not before this, where reading it failed just now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<DateTime<Utc>>,
    },
    /// Something that was waited for is not waited for any more: the timer that belongs to it ends.
    WaitEnded {
        /// What.
        wait: Wait,
    },
}

impl Event {
    /// The last part of the event's type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SyncRequested { .. } => "sync_requested",
            Self::Decided { .. } => "decided",
            Self::Withheld { .. } => "withheld",
            Self::CommandIssued { .. } => "command_issued",
            Self::AttemptSucceeded { .. } => "attempt_succeeded",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::OutcomeVerified { .. } => "outcome_verified",
            Self::Established { .. } => "established",
            Self::Adopted { .. } => "adopted",
            Self::EchoRecognised { .. } => "echo_recognised",
            Self::RemoteChangeAccepted { .. } => "remote_change_accepted",
            Self::RemoteChangeApplied { .. } => "remote_change_applied",
            Self::RemoteChangeHeld { .. } => "remote_change_held",
            Self::RemoteChangeAnswered { .. } => "remote_change_answered",
            Self::RemoteChangeReleased { .. } => "remote_change_released",
            Self::RemoteChangeRejected { .. } => "remote_change_rejected",
            Self::ConflictDetected { .. } => "conflict_detected",
            Self::ConflictResolved { .. } => "conflict_resolved",
            Self::DeadLettered { .. } => "dead_lettered",
            Self::Reprocessed { .. } => "reprocessed",
            Self::Detached { .. } => "detached",
            Self::SupersededLeft { .. } => "superseded_left",
            Self::CloneSuspected { .. } => "clone_suspected",
            Self::LookRequested { .. } => "look_requested",
            Self::WaitEnded { .. } => "wait_ended",
        }
    }
}
