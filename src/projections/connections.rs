//! Connections: whether access works. Table: `projections/connections.sql`.

use super::{Column, Projection, Table, Write, text};
use crate::{
    domain::{connection, event::Event},
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "connections",
    version: 1,
    table: Table { columns: COLUMNS, keys: 1, settle: None, personal: &[] },
    reads: &[Category::Connection],
    project,
};

const COLUMNS: &[Column] = &[
    text("connection"),
    text("provider"),
    text("account"),
    text("scopes"),
    text("status"),
    text("failure_class"),
    text("failure_summary"),
    text("retry_at"),
    text("authorised_at"),
    text("revoked_at"),
    text("changed_at"),
];

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    let Event::Connection(event) = event else { return Vec::new() };
    let at = recorded.event.recorded_at;
    let put = |id: &crate::domain::ids::ConnectionId| Write::put([id.as_str()]).set("changed_at", at);
    let works = |write: Write| {
        let write = write.set("status", "active").set("authorised_at", at);
        write.clear(&["failure_class", "failure_summary", "retry_at", "revoked_at"])
    };
    match event {
        connection::Event::Authorised { connection, provider, account, scopes } => vec![
            works(put(connection))
                .set("provider", provider.as_str())
                .set("account", account.as_str())
                .set("scopes", scopes.join(" ")),
        ],
        connection::Event::Reauthorised { connection } => vec![works(put(connection))],
        // Access may still be granted, so the status does not change.
        connection::Event::RefreshFailed { connection, failure, retry_at } => vec![
            put(connection)
                .set("failure_class", failure.class.as_str())
                .set("failure_summary", failure.summary.as_str())
                .set("retry_at", *retry_at),
        ],
        connection::Event::Revoked { connection, failure } => vec![
            put(connection)
                .set("status", "revoked")
                .set("failure_class", failure.class.as_str())
                .set("failure_summary", failure.summary.as_str())
                .set("revoked_at", at),
        ],
        connection::Event::CalendarSelected { .. } | connection::Event::CalendarDeselected { .. } => Vec::new(),
    }
}
