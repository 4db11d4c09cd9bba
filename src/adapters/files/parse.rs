//! A file understood, whichever kind it is.

use super::{FILE_BYTES_MAX, Kind, Line, Options, csv, ics, jsonl, text};

/// Parses a file. Never empty: an unreadable or empty file gives one refused line.
///
/// `name` is used in the report; it is not opened.
pub fn parse(name: &str, bytes: &[u8], kind: Kind, options: &Options) -> Vec<Line> {
    if bytes.len() > FILE_BYTES_MAX {
        return vec![Line::refused(name, format!("the file is larger than {FILE_BYTES_MAX} bytes"))];
    }
    let text = match text::decode(bytes) {
        Ok(text) => text,
        Err(reason) => return vec![Line::refused(name, reason)],
    };
    let lines = match kind {
        Kind::Ics => ics::lines(name, &text, options),
        Kind::Csv => csv::lines(name, &text, options),
        Kind::Jsonl => jsonl::lines(name, &text, options),
    };
    if lines.is_empty() { vec![Line::refused(name, "the file contains no bookings")] } else { lines }
}
