//! A link: one booking on one calendar. What was decided, sent, answered and seen about one remote entry.

mod event;
mod evolve;
mod state;

pub use event::{
    Action, Attempt, CommandId, Conflict, Event, HoldReason, IssuedCommand, LinkRef, LookReason, Operation,
    RemoteChange, RemovalPolicy, Side, Verification, Wait, WithholdReason,
};
pub use evolve::evolve;
pub use state::{HeldChange, InFlight, Inbound, InboundStage, Link, Remote, Retry};
