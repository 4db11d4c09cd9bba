//! What is in a kept ledger: every booking's part in the story, and what else the checks need to know.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Four resources, each with a calendar. On the third much vanishes at once; the fourth belongs to a provider in trouble.
pub const CALENDARS: [&str; 4] =
    ["bay1@sandbox.example", "bay2@sandbox.example", "bay3@sandbox.example", "bay4@sandbox.example"];

/// A fifth one, over a connection that is taken out of the configuration before the ledger is opened again.
pub const GONE: &str = "bay5@sandbox.example";

/// How far ahead the profile puts bookings on calendars, in days. The bookings of the story are at a fixed date that is far
/// ahead, so that a ledger which is opened years later is in the same state.
pub const WINDOW_AHEAD_DAYS: i64 = 26_000;

/// A ledger's story.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Story {
    /// The program that wrote it: `syncledger 0.1.0`.
    pub program: String,
    /// When it was killed.
    pub ended_at: DateTime<Utc>,
    /// Every booking that has a part in it.
    pub bookings: Vec<Told>,
    /// The secret of a viewer's token.
    pub viewer: String,
    /// The secret of a token that was revoked.
    pub revoked: String,
    /// The public keys that checkpoints were signed with, the last one first.
    pub keys: Vec<String>,
    /// A word that is in everything a forgotten person said, and in nothing else.
    pub forgotten: String,
    /// How many dead letters there are, deliveries among them.
    pub dead_letters: u64,
    /// Whether it was tried to show on the entry that the last person was forgotten, before the program was killed.
    #[serde(default)]
    pub erasure_tried: bool,
}

impl Story {
    /// Whether the program looks up what became of a change that got no answer. 0.1.0 sends it again.
    pub fn looks_first(&self) -> bool {
        self.program != "syncledger 0.1.0"
    }
}

/// One booking.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    /// Its id at the source.
    pub appointment: String,
    /// Its calendar.
    pub calendar: String,
    /// Its part.
    pub part: Part,
}

/// What has happened to a booking, and so what may be done about it when the ledger is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It is on its calendar, whatever happened to it before.
    InStep,
    /// It was cancelled, at the source or in the calendar, and is not on its calendar any more.
    Cancelled,
    /// A person moved it onto another booking's time: it waits for somebody's answer.
    HeldOverlap,
    /// It was cancelled, and a person took its entry out of the bin: it waits for somebody's answer.
    HeldBroughtBack,
    /// Its entry vanished together with many others: it waits for an approval.
    HeldMassRemoval,
    /// A person took its marker away: its entry is not ours any more.
    Detached,
    /// A person copied its entry.
    Copied,
    /// The calendar refused to have it created.
    DeadCreate,
    /// The calendar refused a change of it.
    DeadUpdate,
    /// It was too far ahead, and was cancelled before its time came.
    StuckTooFarAhead,
    /// It was to be compared with its entry, which failed once.
    StuckLook,
    /// Its creation got no answer, nor did the question what became of it, until it was cancelled.
    StuckUnanswered,
    /// Reading its entry failed again and again until the program was killed.
    LookFailing,
    /// A change of it failed, and waited for its next attempt when the program was killed.
    RetryWaiting,
    /// The same, on a connection that is not configured any more.
    ConnectionGone,
    /// It was created, and the program does not know.
    CreateUnanswered,
    /// The program was killed during the call that created it.
    KilledAfterCreate,
    /// The program was killed during a call that created nothing.
    KilledBeforeCreate,
    /// Its person was forgotten, and its entry says so.
    Erased,
    /// Its person was forgotten just before the program was killed: its entry does not say so yet.
    ErasedLast,
    /// A person moved it in the calendar while no program ran.
    MovedMeanwhile,
    /// It was cancelled at the source while no program ran.
    CancelledMeanwhile,
    /// It was booked while no program ran.
    BookedMeanwhile,
}

/// Calls about one entry, by what they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// The entry was read by its id.
    pub get: usize,
    /// It was created.
    pub post: usize,
    /// It was changed.
    pub patch: usize,
    /// It was deleted.
    pub delete: usize,
}

impl Part {
    /// What the provider is asked about its entry once the ledger is opened. For everything else: nothing at all.
    pub fn calls(self, story: &Story) -> Calls {
        let none = Calls::default();
        let looks = |tried: bool| usize::from(tried && story.looks_first());
        match self {
            Self::InStep
            | Self::Cancelled
            | Self::HeldOverlap
            | Self::HeldBroughtBack
            | Self::HeldMassRemoval
            | Self::Detached
            | Self::Copied
            | Self::DeadCreate
            | Self::DeadUpdate
            | Self::StuckTooFarAhead
            | Self::StuckLook
            | Self::StuckUnanswered
            | Self::ConnectionGone
            | Self::Erased
            // Its source is told; the entry is as the person left it.
            | Self::MovedMeanwhile => none,
            Self::LookFailing | Self::CreateUnanswered | Self::KilledAfterCreate => Calls { get: 1, ..none },
            // A 404 counts only if it is answered again once the calendar is known to be there.
            Self::KilledBeforeCreate => Calls { get: 2, post: 1, ..none },
            Self::RetryWaiting => Calls { get: looks(true), patch: 1, ..none },
            Self::ErasedLast => Calls { get: looks(story.erasure_tried), patch: 1, ..none },
            Self::CancelledMeanwhile => Calls { delete: 1, ..none },
            Self::BookedMeanwhile => Calls { post: 1, ..none },
        }
    }

    /// How many entries on its calendar bear its marker in the end.
    pub fn entries(self) -> usize {
        match self {
            Self::Cancelled
            | Self::HeldMassRemoval
            | Self::Detached
            | Self::DeadCreate
            | Self::StuckTooFarAhead
            | Self::StuckUnanswered
            | Self::CancelledMeanwhile => 0,
            Self::Copied => 2,
            Self::InStep
            | Self::HeldOverlap
            | Self::HeldBroughtBack
            | Self::DeadUpdate
            | Self::StuckLook
            | Self::LookFailing
            | Self::RetryWaiting
            | Self::ConnectionGone
            | Self::CreateUnanswered
            | Self::KilledAfterCreate
            | Self::KilledBeforeCreate
            | Self::Erased
            | Self::ErasedLast
            | Self::MovedMeanwhile
            | Self::BookedMeanwhile => 1,
        }
    }

    /// What the mapping says of it in the end: its status, and why a person should look.
    pub fn shown(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::HeldOverlap => ("ACTIVE", Some("held_overlap")),
            Self::HeldBroughtBack => ("CANCELED", Some("held_brought_back")),
            Self::HeldMassRemoval => ("ACTIVE", Some("held_mass_removal")),
            Self::Detached => ("DETACHED", Some("detached")),
            Self::Copied => ("ACTIVE", Some("clone")),
            Self::DeadCreate | Self::DeadUpdate => ("FAILED", Some("gave_up")),
            Self::Cancelled | Self::CancelledMeanwhile => ("CANCELED", None),
            Self::StuckTooFarAhead | Self::StuckUnanswered => ("PENDING", None),
            Self::InStep
            | Self::StuckLook
            | Self::LookFailing
            | Self::RetryWaiting
            | Self::ConnectionGone
            | Self::CreateUnanswered
            | Self::KilledAfterCreate
            | Self::KilledBeforeCreate
            | Self::Erased
            | Self::ErasedLast
            | Self::MovedMeanwhile
            | Self::BookedMeanwhile => ("ACTIVE", None),
        }
    }

    /// Whether it stays unknown what became of a call: nobody can be asked over a connection that is not configured any more.
    pub fn stays_unknown(self, story: &Story) -> bool {
        matches!(self, Self::ConnectionGone) && story.looks_first()
    }

    /// Whether a timer of its link that ran out stays, though nothing is waited for. Wrong: a link whose connection is not
    /// configured any more keeps whatever it waited for, is looked at twenty times a second, and `/health` says for ever that
    /// it is due.
    pub fn stays_due(self) -> bool {
        matches!(self, Self::ConnectionGone)
    }
}
