//! Actions of operators and of the ledger itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::{CalendarKey, LinkId, Position, SubjectId},
    program_version::ProgramVersion,
};

/// An event about operations. Type: `operations.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// So many entries disappeared at once that an operator must confirm it.
    ApprovalRequested {
        /// Id of the approval.
        approval: String,
        /// The calendar they disappeared from.
        calendar: CalendarKey,
        /// Number of removed entries.
        removals: u32,
        /// Number of entries before.
        live: u32,
        /// The first links affected; the rest is in the calendar's stream.
        links: Vec<LinkId>,
    },
    /// The removals were meant, and apply.
    ApprovalGranted {
        /// Id of the approval.
        approval: String,
        /// The operator.
        by: String,
    },
    /// The removals were an accident: the entries are put back.
    ApprovalDenied {
        /// Id of the approval.
        approval: String,
        /// The operator.
        by: String,
    },
    /// A projection's table was rebuilt and replaced.
    ProjectionRebuilt {
        /// Name of the projection.
        projection: String,
        /// Version of its definition.
        version: u32,
        /// The position it reached.
        position: Position,
        /// Number of rows that differed from the previous table.
        differing: u64,
    },
    /// Every secret is now encrypted with a new master key.
    MasterKeyRotated {
        /// Public name of the old key, which is destroyed next.
        from: String,
        /// Public name of the new key.
        to: String,
    },
    /// The ledger was sealed: a signed root over every event before a position. This event itself is covered by the next seal.
    CheckpointSealed {
        /// Number of events covered: all positions below it.
        size: u64,
        /// RFC 6962 root hash over them, in base64.
        root: String,
        /// The checkpoint as a signed note (C2SP tlog-checkpoint), to be kept elsewhere and verified with any tool.
        note: String,
        /// Roots of the perfect subtrees that form the root, the largest first, in base64: the tree can be continued from
        /// here without reading earlier events.
        frontier: Vec<String>,
    },
    /// A person's erasure was requested. Recorded before their key is destroyed, so that it is completed after a crash.
    SubjectErasureRequested {
        /// Id of the person.
        subject: SubjectId,
        /// Who requested it.
        by: String,
    },
    /// A person was erased: their key is destroyed, and what was sealed under it is unreadable from now on.
    SubjectErased {
        /// Id of the person.
        subject: SubjectId,
        /// Who requested it.
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
    /// The last part of the event type.
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

/// Status of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Not answered.
    Open,
    /// Granted.
    Granted,
    /// Denied.
    Denied,
}

/// Approvals by name.
pub type Approvals = BTreeMap<String, Approval>;

/// The approvals after one more event. The first answer counts.
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
