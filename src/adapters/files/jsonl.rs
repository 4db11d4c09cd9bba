//! JSON Lines: one object per line, with the CSV columns as fields.

use std::collections::BTreeMap;

use super::{ENTRIES_MAX, LINE_BYTES_MAX, Line, Options, Refusal, csv::once, fields::Fields};

/// The report on a JSON Lines file.
pub(super) fn lines(name: &str, text: &str, options: &Options) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut seen = BTreeMap::new();
    for (line, text) in (1_u64..).zip(text.lines()) {
        let at = format!("{name}:{line}");
        if text.trim().is_empty() {
            continue;
        }
        if lines.len() >= ENTRIES_MAX {
            lines.push(Line::refused(
                at,
                format!("a file may contain at most {ENTRIES_MAX} bookings: the rest was left out"),
            ));
            break;
        }
        let outcome = object(text).and_then(|fields| fields.snapshot(options));
        lines.push(once(at, line, outcome, &mut seen));
    }
    lines
}

fn object(text: &str) -> Result<Fields, Refusal> {
    if text.len() > LINE_BYTES_MAX {
        return Err(Refusal::because(format!("the line is longer than {LINE_BYTES_MAX} bytes")));
    }
    // serde would also accept an array of eleven values.
    if !text.trim_start().starts_with('{') {
        return Err(Refusal::because("the line is not a JSON object"));
    }
    serde_json::from_str(text).map_err(|wrong| {
        // A type error repeats the value, which may be personal data; errors that only name a field are shown.
        let message = wrong.to_string();
        let named = ["unknown field", "duplicate field", "id must be"];
        let place = wrong.column();
        if wrong.is_data() && named.iter().any(|begin| message.starts_with(begin)) {
            Refusal::because(super::long_excerpt(&message))
        } else if wrong.is_data() {
            Refusal::because(format!("a field before column {place} must be a text"))
        } else {
            Refusal::because(format!("the line is not valid JSON at column {place}"))
        }
    })
}
