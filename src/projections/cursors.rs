//! Cursors of calendar listings and source polls. Table: `projections/cursors.sql`.

use super::{Column, Projection, Table, Write, text};
use crate::{
    domain::{calendar, event::Event, source},
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "cursors",
    version: 1,
    table: Table { columns: COLUMNS, keys: 3, settle: None, personal: &[] },
    reads: &[Category::Calendar, Category::Source],
    project,
};

/// `owner` is the connection or the source; `calendar` is empty for a source.
const COLUMNS: &[Column] = &[
    text("kind"),
    text("owner"),
    text("calendar"),
    text("token"),
    text("fingerprint"),
    text("advanced_at"),
    text("invalidated_at"),
    text("reason"),
    text("failed_at"),
    text("retry_at"),
];

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    match event {
        Event::Calendar(event) => of_calendar(recorded, event),
        Event::Source(event) => of_source(recorded, event),
        Event::Booking(_) | Event::Connection(_) | Event::Link(_) | Event::Profile(_) | Event::Operations(_) => {
            Vec::new()
        }
    }
}

fn of_calendar(recorded: &StoredEvent, event: &calendar::Event) -> Vec<Write> {
    let at = recorded.event.recorded_at;
    match event {
        calendar::Event::CursorAdvanced { calendar, cursor, fingerprint, .. } => vec![
            Write::put(["calendar", calendar.connection.as_str(), calendar.calendar.as_str()])
                .set("token", cursor.as_str())
                .set("fingerprint", fingerprint.as_str())
                .set("advanced_at", at)
                .clear(&["invalidated_at", "reason", "failed_at", "retry_at"]),
        ],
        calendar::Event::CursorInvalidated { calendar, reason } => vec![
            Write::put(["calendar", calendar.connection.as_str(), calendar.calendar.as_str()])
                .set("invalidated_at", at)
                .set("reason", reason.as_str())
                .clear(&["token", "fingerprint"]),
        ],
        calendar::Event::PullFailed { calendar, failure, retry_at }
        | calendar::Event::Unavailable { calendar, failure, retry_at } => vec![
            Write::put(["calendar", calendar.connection.as_str(), calendar.calendar.as_str()])
                .set("reason", failure.summary.as_str())
                .set("failed_at", at)
                .set("retry_at", *retry_at),
        ],
        calendar::Event::ChannelRequested { .. }
        | calendar::Event::ChannelOpened { .. }
        | calendar::Event::ChannelRenewed { .. }
        | calendar::Event::ChannelClosed { .. }
        | calendar::Event::ChannelLost { .. }
        | calendar::Event::PushUnsupported { .. }
        | calendar::Event::NotificationReceived { .. }
        | calendar::Event::NotificationRejected { .. }
        | calendar::Event::PullStarted { .. }
        | calendar::Event::RemoteEntryObserved { .. }
        | calendar::Event::RemoteEntryRemoved { .. }
        | calendar::Event::CoverageProven { .. }
        | calendar::Event::CapabilityChanged { .. } => Vec::new(),
    }
}

fn of_source(recorded: &StoredEvent, event: &source::Event) -> Vec<Write> {
    let at = recorded.event.recorded_at;
    match event {
        source::Event::PollCompleted { source, cursor, .. } => vec![
            Write::put(["source", source.as_str(), ""]).set("token", cursor.as_str()).set("advanced_at", at).clear(&[
                "reason",
                "failed_at",
                "retry_at",
            ]),
        ],
        source::Event::PollFailed { source, failure, retry_at } => vec![
            Write::put(["source", source.as_str(), ""])
                .set("reason", failure.summary.as_str())
                .set("failed_at", at)
                .set("retry_at", *retry_at),
        ],
        source::Event::DeliveryReceived { .. }
        | source::Event::DeliveryApplied { .. }
        | source::Event::DeliveryRefused { .. }
        | source::Event::DeliveryReprocessed { .. }
        | source::Event::PollClaimed { .. } => Vec::new(),
    }
}
