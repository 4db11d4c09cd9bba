//! Values for the events of a link, as used in tables, filters and APIs.

use crate::domain::{
    failure::FailureClass,
    ids::BookingId,
    link::{self, HoldReason, WithholdReason},
};

pub(super) fn action(action: &link::Action) -> &'static str {
    match action {
        link::Action::Create => "create",
        link::Action::Update => "update",
        link::Action::Delete => "delete",
        link::Action::WriteBackUpdate => "write_back_update",
        link::Action::WriteBackCancel => "write_back_cancel",
        link::Action::ApplyToBooking => "apply_to_booking",
    }
}

pub(super) fn withheld(reason: &WithholdReason) -> &'static str {
    match reason {
        WithholdReason::Past => "past",
        WithholdReason::TooFarAhead => "too_far_ahead",
        WithholdReason::DirectionClosed => "direction_closed",
        WithholdReason::ConnectionRevoked => "connection_revoked",
        WithholdReason::RateLimited => "rate_limited",
    }
}

pub(super) fn look(reason: link::LookReason) -> &'static str {
    match reason {
        link::LookReason::Stale => "stale",
        link::LookReason::Gone => "gone",
        link::LookReason::IdentityTaken => "identity_taken",
        link::LookReason::Doubtful => "doubtful",
        link::LookReason::GraceOver => "grace_over",
        link::LookReason::OperatorRequest => "asked",
    }
}

/// The value, a sentence for people, and the approval it waits for.
pub(super) fn held(reason: &HoldReason) -> (&'static str, Option<String>, Option<String>) {
    match reason {
        HoldReason::Busy => ("busy", None, None),
        HoldReason::Grace => ("grace", None, None),
        HoldReason::Overlap { with } => {
            let with: Vec<_> = with.iter().map(BookingId::as_str).collect();
            ("overlap", Some(format!("The new time overlaps {}.", with.join(", "))), None)
        }
        HoldReason::MassRemoval { approval } => {
            ("mass_removal", Some("Many entries disappeared at once.".to_owned()), Some(approval.clone()))
        }
        HoldReason::WholeDay => ("whole_day", Some("The source does not support whole days.".to_owned()), None),
        HoldReason::Restored => {
            ("brought_back", Some("The entry was restored although the booking is cancelled.".to_owned()), None)
        }
        HoldReason::Unreadable { reason } => ("unreadable", Some(format!("The entry cannot be read: {reason}.")), None),
        HoldReason::OperatorDecision => {
            ("ask_first", Some("The entry was removed; the profile lets an operator decide.".to_owned()), None)
        }
    }
}

/// Failures after which the entry is read by its id.
pub(super) fn look_after(class: FailureClass) -> Option<&'static str> {
    match class {
        FailureClass::Stale => Some("stale"),
        FailureClass::Gone => Some("gone"),
        FailureClass::IdentityTaken => Some("identity_taken"),
        FailureClass::Transient
        | FailureClass::OutcomeUnknown
        | FailureClass::RateLimited
        | FailureClass::UsageLocked
        | FailureClass::AuthRevoked
        | FailureClass::Unauthorised
        | FailureClass::ScopeMissing
        | FailureClass::Forbidden
        | FailureClass::OperatorNeeded
        | FailureClass::NonRetryable
        | FailureClass::CursorExpired
        | FailureClass::CalendarUnavailable
        | FailureClass::RejectedBySource
        | FailureClass::PushUnsupported
        | FailureClass::WindowTooWide => None,
    }
}
