//! Approvals and their answers. Table: `projections/approvals.sql`.

use super::{Column, Condition, Projection, Table, Value, Write, int, text};
use crate::{
    domain::{event::Event, ids::LinkId, operations},
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "approvals",
    version: 1,
    table: Table { columns: COLUMNS, keys: 1, settle: None, personal: &[] },
    reads: &[Category::Operations],
    project,
};

const COLUMNS: &[Column] = &[
    text("approval"),
    text("connection"),
    text("calendar"),
    int("removals"),
    int("live"),
    text("links"),
    text("status"),
    text("answered_by"),
    text("requested_at"),
    text("answered_at"),
];

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    let Event::Operations(event) = event else { return Vec::new() };
    let at = recorded.event.recorded_at;
    let answer = |approval: &str, status: &str, by: &str| {
        // The first answer counts.
        vec![
            Write::patch([approval])
                .when(Condition::Is("status", "open".into()))
                .set("status", status)
                .set("answered_by", by)
                .set("answered_at", at),
        ]
    };
    match event {
        operations::Event::ApprovalRequested { approval, calendar, removals, live, links } => {
            let links: Vec<_> = links.iter().map(LinkId::as_str).collect();
            vec![
                Write::put([approval])
                    .when(Condition::Is("status", Value::Null))
                    .set("connection", calendar.connection.as_str())
                    .set("calendar", calendar.calendar.as_str())
                    .set("removals", *removals)
                    .set("live", *live)
                    .set("links", links.join(" "))
                    .set("status", "open")
                    .set("requested_at", at),
            ]
        }
        operations::Event::ApprovalGranted { approval, by } => answer(approval, "granted", by),
        operations::Event::ApprovalDenied { approval, by } => answer(approval, "denied", by),
        operations::Event::ProjectionRebuilt { .. }
        | operations::Event::MasterKeyRotated { .. }
        | operations::Event::CheckpointSealed { .. }
        | operations::Event::SubjectErasureRequested { .. }
        | operations::Event::SubjectErased { .. }
        | operations::Event::ProgramRequired { .. } => Vec::new(),
    }
}
