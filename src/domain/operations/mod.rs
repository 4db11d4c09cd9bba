//! Acts of operators, and of the ledger on itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::{CalendarKey, LinkId, Position, SubjectId},
    program_version::ProgramVersion,
};

/// A fact about operations. Type: `operations.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// So many entries vanished at once that somebody must say whether it was meant.
    ApprovalRequested {
        /// Names the approval.
        approval: String,
        /// The calendar that they vanished from.
        calendar: CalendarKey,
        /// How many.
        removals: u32,
        /// Of how many.
        live: u32,
        /// The first links concerned; the rest is in the calendar's stream.
        links: Vec<LinkId>,
    },
    /// It was meant: the removals count.
    ApprovalGranted {
        /// Names the approval.
        approval: String,
        /// Who.
        by: String,
    },
    /// It was not meant: the entries are put back.
    ApprovalDenied {
        /// Names the approval.
        approval: String,
        /// Who.
        by: String,
    },
    /// A projection's table was filled anew and took the place of the one before.
    ProjectionRebuilt {
        /// Which.
        projection: String,
        /// The definition's version.
        version: u32,
        /// Up to which position.
        position: Position,
        /// How many rows differed from the table before.
        differing: u64,
    },
    /// Every secret is wrapped under another master key.
    MasterKeyRotated {
        /// The public name of the key before, which is destroyed next.
        from: String,
        /// The public name of the key now.
        to: String,
    },
    /// The ledger was sealed: a signed root over every event below a position. This event itself is covered by the next.
    CheckpointSealed {
        /// How many events are covered: the positions below it.
        size: u64,
        /// The RFC 6962 root over them, in base64.
        root: String,
        /// The checkpoint as a signed note (C2SP tlog-checkpoint), to be kept elsewhere and verified with any tool.
        note: String,
        /// The roots of the perfect subtrees that make up the root, the largest first, in base64: from here the tree can
        /// be continued without reading what is below.
        frontier: Vec<String>,
    },
    /// A person is to be forgotten. Recorded before their key is destroyed, so that no crash leaves it half done.
    SubjectErasureRequested {
        /// Who.
        subject: SubjectId,
        /// Who asked for it.
        by: String,
    },
    /// A person was forgotten: their key is destroyed, and what was sealed under it reads as nothing from now on.
    SubjectErased {
        /// Who.
        subject: SubjectId,
        /// Who asked for it.
        by: String,
        /// When the key was destroyed.
        erased_at: DateTime<Utc>,
    },
    /// From here on the ledger has events that an older program cannot read. Such a program refuses to use it.
    ProgramRequired {
        /// The least version that can: `0.2.0`.
        #[schemars(with = "String")]
        least: ProgramVersion,
        /// The program that recorded it: `syncledger 0.2.0`.
        by: String,
    },
}

impl Event {
    /// The last part of the event's type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ApprovalRequested { .. } => "approval_requested",
            Self::ApprovalGranted { .. } => "approval_granted",
            Self::ApprovalDenied { .. } => "approval_denied",
            Self::ProjectionRebuilt { .. } => "projection_rebuilt",
            Self::MasterKeyRotated { .. } => "master_key_rotated",
            Self::CheckpointSealed { .. } => "checkpoint_sealed",
            Self::SubjectErasureRequested { .. } => "subject_erasure_requested",
            Self::SubjectErased { .. } => "subject_erased",
            Self::ProgramRequired { .. } => "program_required",
        }
    }
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Nobody has answered.
    Open,
    /// Yes.
    Granted,
    /// No.
    Denied,
}

/// Approvals by name.
pub type Approvals = BTreeMap<String, Approval>;

/// The approvals after one more event. The first answer stands.
pub fn evolve(mut approvals: Approvals, event: &Event) -> Approvals {
    match event {
        Event::ApprovalRequested { approval, .. } => {
            approvals.entry(approval.clone()).or_insert(Approval::Open);
        }
        Event::ApprovalGranted { approval, .. } => answer(&mut approvals, approval, Approval::Granted),
        Event::ApprovalDenied { approval, .. } => answer(&mut approvals, approval, Approval::Denied),
        Event::ProjectionRebuilt { .. }
        | Event::MasterKeyRotated { .. }
        | Event::CheckpointSealed { .. }
        | Event::SubjectErasureRequested { .. }
        | Event::SubjectErased { .. }
        | Event::ProgramRequired { .. } => {}
    }
    approvals
}

fn answer(approvals: &mut Approvals, approval: &str, answer: Approval) {
    if let Some(open @ Approval::Open) = approvals.get_mut(approval) {
        *open = answer;
    }
}
