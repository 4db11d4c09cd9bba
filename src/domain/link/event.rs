//! Events of a link.

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

/// The booking and calendar that a link joins.
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
    /// The resource whose route leads to the calendar.
    pub resource: ResourceId,
    /// The profile of that route.
    pub profile: ProfileId,
}

/// Id of a command within its link: `<link>:<number>`, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CommandId(pub String);

impl std::fmt::Display for CommandId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The effect of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    /// Create an entry on the calendar, with an id that we chose.
    Create {
        /// Its content.
        content: Content,
    },
    /// Change the entry, if it still has the expected version.
    Update {
        /// The expected version.
        expect: Etag,
        /// Its present content, as far as we know.
        from: Content,
        /// Its new content. Only fields that differ from `from` are sent.
        content: Content,
        /// The content wanted by our side alone: differs from `content` where a person's text is kept.
        ours: Content,
    },
    /// Delete the entry, if it still has the expected version.
    Delete {
        /// The expected version.
        expect: Etag,
    },
    /// Send the new time to the booking's source.
    #[serde(rename = "write_back_slot")]
    WriteBackUpdate {
        /// The new time.
        slot: Slot,
        /// The source's revision that this change is based on.
        expect_revision: Option<u64>,
    },
    /// Send the cancellation to the booking's source.
    WriteBackCancel {
        /// The source's revision that this change is based on.
        expect_revision: Option<u64>,
    },
}

impl Operation {
    /// The permanent name, used in tables, logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Update { .. } => "update",
            Self::Delete { .. } => "delete",
            Self::WriteBackUpdate { .. } => "write_back_update",
            Self::WriteBackCancel { .. } => "write_back_cancel",
        }
    }

    /// Whether it goes to the booking's source instead of the calendar.
    pub fn at_source(&self) -> bool {
        matches!(self, Self::WriteBackUpdate { .. } | Self::WriteBackCancel { .. })
    }
}

/// A command whose intent is recorded before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuedCommand {
    /// Id of the command.
    pub id: CommandId,
    /// Its effect.
    #[serde(flatten)]
    pub operation: Operation,
    /// Id of its entry; for a create, the id that we chose.
    pub remote: RemoteId,
    /// Generation of that entry.
    pub generation: Generation,
    /// Makes retries safe.
    pub key: IdempotencyKey,
    /// The booking's revision that it implements.
    pub booking_revision: Revision,
    /// Until then, only its sender may act on it. Afterwards any process may check how it ended.
    pub lease_until: DateTime<Utc>,
    /// The process that sends it.
    pub worker: String,
}

/// The successful result of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Attempt {
    /// The entry as returned by the provider.
    Entry {
        /// Its new version.
        etag: Etag,
        /// Time of its last change, by the provider's clock.
        updated: Option<DateTime<Utc>>,
        /// Its content, as returned by the provider.
        content: Content,
    },
    /// It was deleted.
    Deleted {
        /// Whether it was already gone.
        already_absent: bool,
    },
    /// The source accepted the change.
    WrittenBack {
        /// The source's new revision of the booking.
        source_revision: Option<u64>,
    },
}

/// The outcome of a command, found out afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum Verification {
    /// It was carried out.
    Done {
        /// The result it would have returned.
        answer: Attempt,
    },
    /// It was not carried out and never will be.
    NotDone {},
}

/// A change made by a person in the calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum RemoteChange {
    /// The entry's content changed.
    Edited {
        /// Its version.
        etag: Etag,
        /// Time of the change, by the provider's clock.
        updated: Option<DateTime<Utc>>,
        /// Its new content.
        content: Content,
    },
    /// The entry is gone.
    Removed {
        /// How we know.
        evidence: Evidence,
        /// When it was deleted, if the provider says so.
        updated: Option<DateTime<Utc>>,
    },
}

/// What an accepted removal does to the booking, according to the profile at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemovalPolicy {
    /// The booking is cancelled.
    Cancel,
    /// The booking is kept and marked.
    Mark,
}

/// Why a person's change is neither accepted nor rejected yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum HoldReason {
    /// One of our own calls is in progress; the change is checked again afterwards.
    Busy,
    /// Waiting in case the removal is undone.
    Grace,
    /// The new time overlaps other bookings on the same resource. An operator decides.
    Overlap {
        /// The other bookings.
        with: Vec<BookingId>,
    },
    /// So many entries disappeared at once that it may be an accident. An operator decides.
    MassRemoval {
        /// The requested approval.
        approval: String,
    },
    /// The source supports times of day, but not whole days. An operator decides.
    WholeDay,
    /// A person restored the entry although the booking is cancelled. An operator decides.
    #[serde(rename = "brought_back")]
    Restored,
    /// The entry cannot be read. It is checked again when it changes.
    Unreadable {
        /// Why it cannot be read.
        reason: String,
    },
    /// The profile lets an operator decide about removals.
    #[serde(rename = "ask_first")]
    OperatorDecision,
}

/// Why nothing is sent although booking and calendar differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum WithholdReason {
    /// It ended before the profile's window.
    Past,
    /// It starts after the profile's window; checked again when the window reaches it.
    TooFarAhead,
    /// The profile does not send this to the calendar.
    DirectionClosed,
    /// The connection's access was revoked.
    ConnectionRevoked,
    /// The provider (or the source) asked us to stop calling for a while.
    RateLimited,
}

/// The action that was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Create the entry.
    Create,
    /// Change the entry.
    Update,
    /// Delete the entry.
    Delete,
    /// Send the new time to the source.
    WriteBackUpdate,
    /// Send the cancellation to the source.
    WriteBackCancel,
    /// Apply the accepted change to the booking.
    ApplyToBooking,
}

/// The two sides of a conflict.
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
    /// When the entry changed: by the provider's clock if known, otherwise when we saw it.
    pub remote_changed_at: DateTime<Utc>,
    /// Content wanted by our side; `None` if it wants no entry.
    pub ours: Option<Content>,
    /// The change in the calendar.
    pub theirs: RemoteChange,
}

/// Why an entry is read by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LookReason {
    /// The version we sent was outdated (412).
    Stale,
    /// The entry was missing when we wrote (404 or 410).
    Gone,
    /// The id we chose is taken (409).
    IdentityTaken,
    /// A listing lacks it, or what we saw may be older than our last write.
    Doubtful,
    /// The waiting time after a removal is over.
    GraceOver,
    /// Requested by an operator.
    #[serde(rename = "asked")]
    OperatorRequest,
}

/// What a link was waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// The end of the reason why nothing was sent.
    Withheld,
    /// The time of the next attempt.
    Retry,
    /// Reading the entry: it was read, and nothing has to be recorded.
    Look,
    /// The removal of an entry of an earlier generation, which is gone or no longer managed.
    Superseded,
}

/// An event of a link. Type: `link.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// Booking and calendar must be kept in sync. First event of every link; repeated if an operator asks.
    SyncRequested {
        /// The booking and the calendar.
        #[serde(flatten)]
        of: LinkRef,
        /// The reason.
        reason: String,
    },
    /// An action was decided, with reasons.
    Decided {
        /// The action.
        action: Action,
        /// Reasons, in words for support staff.
        reasons: Vec<String>,
        /// The booking's revision at that time.
        booking_revision: Revision,
        /// The entry's version at that time, if it exists.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        etag: Option<Etag>,
        /// The profile that applied.
        profile: ProfileId,
        /// Its version.
        profile_version: u64,
    },
    /// Nothing is sent although there is something to send.
    Withheld {
        /// The reason.
        reason: WithholdReason,
        /// The booking's revision at that time.
        booking_revision: Revision,
        /// When to check again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// A command is about to be sent.
    CommandIssued {
        /// The command.
        command: IssuedCommand,
    },
    /// A command succeeded.
    AttemptSucceeded {
        /// Id of the command.
        command: CommandId,
        /// Its operation, for counting.
        operation: String,
        /// The result.
        answer: Attempt,
    },
    /// A command failed, or its outcome is unknown.
    AttemptFailed {
        /// Id of the command.
        command: CommandId,
        /// Its operation, for counting.
        operation: String,
        /// What went wrong.
        failure: CallFailure,
        /// When to retry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<DateTime<Utc>>,
        /// Whether it counts towards the profile's maximum number of attempts.
        counts: bool,
    },
    /// The unknown outcome of a command was found out.
    OutcomeVerified {
        /// Id of the command.
        command: CommandId,
        /// The outcome.
        #[serde(flatten)]
        outcome: Verification,
    },
    /// The entry of this generation was created.
    Established {
        /// The entry.
        remote: RemoteId,
        /// Its generation.
        generation: Generation,
    },
    /// An entry with our marker, or with the wanted content, was adopted as the common base.
    Adopted {
        /// The entry.
        remote: RemoteId,
        /// Its generation.
        generation: Generation,
        /// Its version.
        etag: Etag,
        /// Its content.
        content: Content,
        /// The reason.
        reason: String,
    },
    /// A change that we saw is our own.
    EchoRecognised {
        /// The entry.
        remote: RemoteId,
        /// Its version; `None` for the echo of a deletion.
        etag: Option<Etag>,
        /// Whether it was recognised by content, with a new etag (the provider rewrote the entry without changing its content).
        by_content: bool,
    },
    /// A person's change was accepted.
    RemoteChangeAccepted {
        /// The change.
        #[serde(flatten)]
        change: RemoteChange,
        /// Whether it changes the booking (a new time, a removal), or only the common base (text).
        changes_booking: bool,
        /// For a removal: its effect on the booking.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        removal: Option<RemovalPolicy>,
        /// The booking's revision at that time.
        booking_revision: Revision,
        /// The booking's time at that time.
        booking_slot: Slot,
    },
    /// An accepted change was applied to the booking.
    RemoteChangeApplied {
        /// The booking's revision with the change.
        booking_revision: Revision,
    },
    /// A person's change was put on hold.
    RemoteChangeHeld {
        /// What was seen.
        observation: Observation,
        /// The reason.
        #[serde(flatten)]
        reason: HoldReason,
        /// The booking's revision at that time.
        booking_revision: Revision,
        /// When to check again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// An operator answered a change on hold.
    RemoteChangeAnswered {
        /// Accept it, or restore the entry.
        accept: bool,
        /// The operator.
        by: String,
    },
    /// A change is no longer on hold: it is gone, or was decided.
    RemoteChangeReleased {
        /// The reason.
        reason: String,
    },
    /// A person's change was rejected; the entry will show the booking again.
    RemoteChangeRejected {
        /// The change, so that it can be recovered.
        #[serde(flatten)]
        change: RemoteChange,
        /// The reason.
        reason: String,
    },
    /// Both sides changed since the common base.
    ConflictDetected {
        /// Both sides.
        conflict: Conflict,
    },
    /// One side of a conflict wins. The other one is in the preceding `conflict_detected`.
    ConflictResolved {
        /// The winning side.
        winner: Side,
        /// The rule that decided.
        rule: String,
        /// The entry's version that is overwritten, if there is an entry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        overrides: Option<Etag>,
    },
    /// Given up until something changes or an operator retries it.
    DeadLettered {
        /// The last command.
        command: CommandId,
        /// What went wrong.
        failure: CallFailure,
        /// The booking's revision at that time.
        booking_revision: Revision,
    },
    /// An operator requested a retry.
    Reprocessed {
        /// The operator.
        by: String,
    },
    /// The entry is no longer managed; it is left as it is.
    Detached {
        /// The entry.
        remote: RemoteId,
        /// The reason.
        reason: String,
    },
    /// An entry of an earlier generation still exists on the calendar; it will be removed.
    SupersededLeft {
        /// The entry.
        remote: RemoteId,
        /// Its generation.
        generation: Generation,
        /// Its version.
        etag: Etag,
    },
    /// Another entry carries our marker: a copy made by somebody. It is left as it is.
    CloneSuspected {
        /// That entry.
        remote: RemoteId,
    },
    /// The entry must be read by its id before anything else is decided.
    LookRequested {
        /// The reason.
        reason: LookReason,
        /// Not before this time, because reading it just failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<DateTime<Utc>>,
    },
    /// The link no longer waits for something; the timer ends.
    WaitEnded {
        /// What it was waiting for.
        wait: Wait,
    },
}

impl Event {
    /// The last part of the event type.
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
