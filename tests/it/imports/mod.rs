//! Reading bookings from files.

mod hostile;
mod real_files;
mod reports;
mod rules;

use chrono::{DateTime, Utc};
use syncledger::{
    adapters::files::{Line, Options},
    domain::{
        booking::Snapshot,
        ids::{BookingId, ResourceId, SourceName},
    },
};

/// When all these imports take place.
pub fn now() -> DateTime<Utc> {
    "2025-06-01T12:00:00Z".parse().expect("a time")
}

/// The options of `--source import --resource bay-1`.
pub fn options() -> Options {
    let resource = Some(ResourceId::new("bay-1").expect("a resource"));
    Options { resource, ..Options::new(SourceName::new("import").expect("a source"), now()) }
}

/// A report as a person would read it.
pub fn shown(lines: &[Line]) -> String {
    let line = |line: &Line| {
        let outcome = match &line.outcome {
            Ok(snapshot) => booking(snapshot),
            Err(refused) => format!("REFUSED {refused}"),
        };
        let note = line.note.as_ref().map(|note| format!("\n    note: {note}")).unwrap_or_default();
        format!("{}\n    {outcome}{note}\n", line.at)
    };
    lines.iter().map(line).collect()
}

fn booking(snapshot: &Snapshot) -> String {
    let state = match (snapshot.cancelled, snapshot.confirmed) {
        (true, _) => "cancelled",
        (false, true) => "confirmed",
        (false, false) => "tentative",
    };
    let details = &snapshot.details;
    let customer = details.customer.as_ref().map(|customer| {
        let more =
            [&customer.email, &customer.phone].into_iter().flatten().map(|text| format!(" {}", text.display_text()));
        format!("\n    for {}{}", customer.name.display_text(), more.collect::<String>())
    });
    let notes = details.notes.as_ref().map(|notes| format!("\n    notes {:?}", notes.display_text()));
    format!(
        "{} on {}: {} {:?} {state}, under {}{}{}",
        BookingId::of_source(&snapshot.source, &snapshot.source_ref),
        snapshot.resource,
        snapshot.slot,
        details.title.display_text(),
        details.title.subject,
        customer.unwrap_or_default(),
        notes.unwrap_or_default()
    )
}
