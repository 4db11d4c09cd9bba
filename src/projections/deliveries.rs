//! Deliveries from sources, and their outcomes. Bodies stay sealed in the ledger. Table: `projections/deliveries.sql`.

use super::{Column, Projection, Table, Write, flag, text};
use crate::{
    domain::{event::Event, source},
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "deliveries",
    version: 1,
    table: Table { columns: COLUMNS, keys: 1, settle: None, personal: &[] },
    reads: &[Category::Source],
    project,
};

const COLUMNS: &[Column] = &[
    text("stream"),
    text("source"),
    text("delivery"),
    text("origin"),
    text("status"),
    text("booking"),
    flag("changed"),
    text("reason"),
    text("received_at"),
    text("settled_at"),
];

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    let Event::Source(event) = event else { return Vec::new() };
    let at = recorded.event.recorded_at;
    let named = |source: &str, delivery: &str| {
        Write::put([&recorded.stream.id]).set("source", source).set("delivery", delivery)
    };
    match event {
        source::Event::DeliveryReceived { source, delivery, .. } => vec![
            named(source.as_str(), delivery)
                .set("origin", recorded.event.origin.as_str())
                .set("status", "received")
                .set("received_at", at),
        ],
        source::Event::DeliveryApplied { source, delivery, booking, changed, .. } => vec![
            named(source.as_str(), delivery)
                .set("status", "applied")
                .set("booking", booking.as_str())
                .set("changed", *changed)
                .clear(&["reason"])
                .set("settled_at", at),
        ],
        source::Event::DeliveryRefused { source, delivery, reason, .. } => vec![
            named(source.as_str(), delivery)
                .set("status", "refused")
                .set("reason", reason.as_str())
                .set("settled_at", at),
        ],
        source::Event::DeliveryReprocessed { source, delivery, .. } => {
            vec![named(source.as_str(), delivery).set("status", "received").clear(&["reason", "settled_at"])]
        }
        source::Event::PollClaimed { .. } | source::Event::PollCompleted { .. } | source::Event::PollFailed { .. } => {
            Vec::new()
        }
    }
}
