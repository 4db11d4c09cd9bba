//! Push channels: to recognise notifications, and to find those to renew. Table: `projections/channels.sql`.

use super::{Column, Projection, Table, Write, int, text};
use crate::{
    domain::{calendar, event::Event, ids::ChannelId},
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "channels",
    version: 1,
    table: Table { columns: COLUMNS, keys: 1, settle: None, personal: &[] },
    reads: &[Category::Calendar],
    project,
};

/// `state`: `requested`, `open`, `replaced`, `closed`, `lost`. Only the first three can still receive notifications.
const COLUMNS: &[Column] = &[
    text("channel"),
    text("connection"),
    text("calendar"),
    text("token_hash"),
    text("resource"),
    text("expires_at"),
    text("renew_at"),
    text("state"),
    text("replaced_by"),
    text("reason"),
    int("last_number"),
    text("notified_at"),
    text("requested_at"),
    text("opened_at"),
    text("ended_at"),
];

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    let Event::Calendar(event) = event else { return Vec::new() };
    let at = recorded.event.recorded_at;
    let patch = |channel: &ChannelId| Write::patch([channel.as_str()]);
    vec![match event {
        calendar::Event::ChannelRequested { calendar, channel, token_hash } => Write::put([channel.as_str()])
            .set("connection", calendar.connection.as_str())
            .set("calendar", calendar.calendar.as_str())
            .set("token_hash", token_hash.as_str())
            .set("state", "requested")
            .set("requested_at", at),
        calendar::Event::ChannelOpened { calendar, channel, token_hash, resource, expires_at, renew_at } => {
            Write::put([channel.as_str()])
                .set("connection", calendar.connection.as_str())
                .set("calendar", calendar.calendar.as_str())
                .set("token_hash", token_hash.as_str())
                .set("resource", resource.as_str())
                .set("expires_at", *expires_at)
                .set("renew_at", *renew_at)
                .set("state", "open")
                .set("opened_at", at)
        }
        calendar::Event::ChannelRenewed { channel, by, .. } => {
            patch(channel).set("state", "replaced").set("replaced_by", by.as_str())
        }
        calendar::Event::ChannelClosed { channel, reason, .. } => {
            patch(channel).set("state", "closed").set("reason", reason.as_str()).set("ended_at", at)
        }
        calendar::Event::ChannelLost { channel, reason, .. } => {
            patch(channel).set("state", "lost").set("reason", reason.as_str()).set("ended_at", at)
        }
        calendar::Event::NotificationReceived { channel, number, .. } => {
            patch(channel).set("last_number", *number).set("notified_at", at)
        }
        // A channel that was requested and refused stays `requested`: the event does not name it, and it never opens.
        calendar::Event::PushUnsupported { .. }
        | calendar::Event::NotificationRejected { .. }
        | calendar::Event::PullStarted { .. }
        | calendar::Event::RemoteEntryObserved { .. }
        | calendar::Event::RemoteEntryRemoved { .. }
        | calendar::Event::CoverageProven { .. }
        | calendar::Event::CursorAdvanced { .. }
        | calendar::Event::CursorInvalidated { .. }
        | calendar::Event::PullFailed { .. }
        | calendar::Event::Unavailable { .. }
        | calendar::Event::CapabilityChanged { .. } => return Vec::new(),
    }]
}
