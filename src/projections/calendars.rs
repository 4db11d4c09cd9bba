//! Remote calendars: our permissions, the last pull, and when the next pull is due.
//! Table: `projections/calendars.sql`.

use super::{Cells, Column, Projection, Table, Write, flag, int, text};
use crate::{
    domain::{calendar, connection, event::Event, failure::CallFailure, ids::CalendarKey},
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "calendars",
    version: 1,
    table: Table { columns: COLUMNS, keys: 2, settle: Some(settle), personal: &[] },
    reads: &[Category::Connection, Category::Calendar],
    project,
};

const COLUMNS: &[Column] = &[
    text("connection"),
    text("calendar"),
    flag("selected"),
    text("push"),
    flag("writable"),
    text("writable_reason"),
    flag("unavailable"),
    text("notified_at"),
    flag("notified"),
    text("pull_worker"),
    text("pull_lease_until"),
    text("began_at"),
    text("pull_began_at"),
    text("pulled_at"),
    int("pulled_entries"),
    int("pulled_managed"),
    text("pull_retry_at"),
    text("failure_class"),
    text("failure_summary"),
    text("coverage_from"),
    text("coverage_until"),
    text("covered_at"),
    text("channel_retry_at"),
    text("changed_at"),
];

/// Whether a change was reported since the last complete pull began.
fn settle(row: &mut Cells<'_>) {
    let notified = match (row.text("notified_at"), row.text("pull_began_at")) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(notified), Some(began)) => notified >= began,
    };
    row.set("notified", notified);
}

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    match event {
        Event::Connection(event) => of_connection(recorded, event),
        Event::Calendar(event) => of_calendar(recorded, event),
        Event::Booking(_) | Event::Link(_) | Event::Source(_) | Event::Profile(_) | Event::Operations(_) => Vec::new(),
    }
}

fn of_connection(recorded: &StoredEvent, event: &connection::Event) -> Vec<Write> {
    let (connection, calendar, selected) = match event {
        connection::Event::CalendarSelected { connection, calendar } => (connection, calendar, true),
        connection::Event::CalendarDeselected { connection, calendar } => (connection, calendar, false),
        connection::Event::Authorised { .. }
        | connection::Event::RefreshFailed { .. }
        | connection::Event::Revoked { .. }
        | connection::Event::Reauthorised { .. } => return Vec::new(),
    };
    let put = Write::put([connection.as_str(), calendar.as_str()]);
    vec![put.set("selected", selected).set("changed_at", recorded.event.recorded_at)]
}

fn of_calendar(recorded: &StoredEvent, event: &calendar::Event) -> Vec<Write> {
    let at = recorded.event.recorded_at;
    let put = |key: &CalendarKey| Write::put([key.connection.as_str(), key.calendar.as_str()]).set("changed_at", at);
    vec![match event {
        calendar::Event::ChannelOpened { calendar, .. } => {
            put(calendar).set("push", "supported").clear(&["channel_retry_at"])
        }
        calendar::Event::ChannelLost { calendar, retry_at, .. } => put(calendar).set("channel_retry_at", *retry_at),
        calendar::Event::PushUnsupported { calendar } => put(calendar).set("push", "unsupported"),
        calendar::Event::NotificationReceived { calendar, .. } => put(calendar).set("notified_at", at),
        calendar::Event::PullStarted { calendar, worker, lease_until, .. } => {
            put(calendar).set("pull_worker", worker.as_str()).set("pull_lease_until", *lease_until).set("began_at", at)
        }
        calendar::Event::CoverageProven { calendar, window } => {
            put(calendar).set("coverage_from", window.from).set("coverage_until", window.until).set("covered_at", at)
        }
        calendar::Event::CursorAdvanced { calendar, tally, .. } => put(calendar)
            .copy("pull_began_at", "began_at")
            .set("pulled_at", at)
            .set("pulled_entries", tally.entries)
            .set("pulled_managed", tally.managed)
            .set("unavailable", false)
            .clear(&["pull_worker", "pull_lease_until", "pull_retry_at", "failure_class", "failure_summary"]),
        calendar::Event::PullFailed { calendar, failure, retry_at } => {
            not_pulled(put(calendar), failure).set("pull_retry_at", *retry_at)
        }
        calendar::Event::Unavailable { calendar, failure, retry_at } => {
            not_pulled(put(calendar), failure).set("pull_retry_at", *retry_at).set("unavailable", true)
        }
        calendar::Event::CapabilityChanged { calendar, writable, reason } => {
            put(calendar).set("writable", *writable).set("writable_reason", reason.as_str())
        }
        calendar::Event::ChannelRequested { .. }
        | calendar::Event::ChannelRenewed { .. }
        | calendar::Event::ChannelClosed { .. }
        | calendar::Event::NotificationRejected { .. }
        | calendar::Event::RemoteEntryObserved { .. }
        | calendar::Event::RemoteEntryRemoved { .. }
        | calendar::Event::CursorInvalidated { .. } => return Vec::new(),
    }]
}

fn not_pulled(write: Write, failure: &CallFailure) -> Write {
    write
        .set("failure_class", failure.class.as_str())
        .set("failure_summary", failure.summary.as_str())
        .clear(&["pull_worker", "pull_lease_until"])
}
