//! CSV: a header with the column names, then one booking per record.

use std::collections::BTreeMap;

use super::{ENTRIES_MAX, LINE_BYTES_MAX, Line, Options, excerpt, fields, fields::Fields};

/// The report on a CSV file.
pub(super) fn lines(name: &str, text: &str, options: &Options) -> Vec<Line> {
    if let Some(place) = text.lines().position(|line| line.len() > LINE_BYTES_MAX) {
        let at = format!("{name}:{}", place + 1);
        return vec![Line::refused(at, format!("the line is longer than {LINE_BYTES_MAX} bytes"))];
    }
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .trim(::csv::Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes());
    let columns: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_ascii_lowercase).collect(),
        Err(_) => return vec![Line::refused(format!("{name}:1"), "the header could not be read")],
    };
    if let Err(reason) = check(&columns) {
        return vec![Line::refused(format!("{name}:1"), reason)];
    }
    let mut lines = Vec::new();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut record = ::csv::StringRecord::new();
    let mut counted = LineCounter { text, byte: 0, line: 1 };
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(wrong) => {
                let line = counted.to(wrong.position().map_or(0, ::csv::Position::byte));
                lines.push(Line::refused(format!("{name}:{line}"), "the record could not be read as CSV"));
                continue;
            }
        }
        let line = counted.to(record.position().map_or(0, ::csv::Position::byte));
        let at = format!("{name}:{line}");
        if lines.len() >= ENTRIES_MAX {
            lines.push(Line::refused(
                at,
                format!("a file may contain at most {ENTRIES_MAX} bookings: the rest was left out"),
            ));
            break;
        }
        if record.iter().all(str::is_empty) {
            continue;
        }
        if swallows(text, &record, reader.position().byte()) {
            lines.push(Line::refused(
                at,
                "it opens a quotation mark that is never closed: it and everything below were left out",
            ));
            break;
        }
        if record.len() != columns.len() {
            let reason = format!("the record has {} fields, but the header names {}", record.len(), columns.len());
            lines.push(Line::refused(at, reason));
            continue;
        }
        lines.push(once(at, line, row(&columns, &record).snapshot(options), &mut seen));
    }
    lines
}

/// Line numbers as shown by an editor: the CSV reader's are one too low after `\r
/// `, and ignore empty lines.
struct LineCounter<'t> {
    text: &'t str,
    byte: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The line of what begins at `byte`, or after the line breaks there. Call it with ascending values.
    fn to(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        let rest = self.text.get(byte..).unwrap_or_default();
        let byte = byte + (rest.len() - rest.trim_start_matches(['\r', '\n']).len());
        let passed = self.text.get(self.byte..byte).unwrap_or_default();
        self.line += passed.bytes().filter(|byte| *byte == b'\n').count() as u64;
        self.byte = byte.max(self.byte);
        self.line
    }
}

/// Whether a record extends to the end of the file because of an unclosed quotation mark.
fn swallows(text: &str, record: &::csv::StringRecord, after: u64) -> bool {
    let place = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX);
    let before = record.position().map_or(0, ::csv::Position::byte);
    let raw = text.get(place(before)..place(after)).unwrap_or_default();
    place(after) >= text.len() && record.iter().any(|value| value.contains('\n')) && raw.matches('"').count() % 2 == 1
}

/// Refuses a booking whose id was on an earlier line, since it is unknown which one is right.
pub(super) fn once(
    at: String,
    line: u64,
    outcome: Result<crate::domain::booking::Snapshot, super::Refusal>,
    seen: &mut BTreeMap<String, u64>,
) -> Line {
    if let Ok(snapshot) = &outcome {
        if let Some(first) = seen.get(&snapshot.source_ref) {
            return Line::refused(at, format!("a booking with this id is already on line {first}"));
        }
        seen.insert(snapshot.source_ref.clone(), line);
    }
    Line::of(at, outcome)
}

fn row(columns: &[String], record: &::csv::StringRecord) -> Fields {
    let mut row = Fields::default();
    for (column, value) in columns.iter().zip(record) {
        if let Some(field) = row.get_mut(column) {
            *field = Some(value.to_owned());
        }
    }
    row
}

fn check(columns: &[String]) -> Result<(), String> {
    for (place, column) in columns.iter().enumerate() {
        if !fields::NAMES.contains(&column.as_str()) {
            let known = fields::NAMES.join(", ");
            return Err(format!("unknown column {:?}; the columns are {known}", excerpt(column)));
        }
        if columns.iter().take(place).any(|earlier| earlier == column) {
            return Err(format!("column {column:?} occurs twice"));
        }
    }
    for needed in ["id", "starts_at"] {
        if !columns.iter().any(|column| column == needed) {
            return Err(format!("the first line must contain the column names, including {needed:?}"));
        }
    }
    Ok(())
}

/// Spreadsheets use semicolons where the comma is the decimal separator. No column name contains any of the three.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |sign: char| header.chars().filter(|c| *c == sign).count();
    [(';', b';'), ('\t', b'\t')]
        .into_iter()
        .filter(|(sign, _)| count(*sign) > count(','))
        .max_by_key(|(sign, _)| count(*sign))
        .map_or(b',', |(_, byte)| byte)
}
