//! Bookings from files: iCalendar, CSV and JSON Lines. Columns and rules are documented in `docs/operating/import.md`.
//!
//! Parsing is pure: the same bytes, options and `now` always give the same report. Only `folder.rs` reads the disk.

mod csv;
mod fields;
mod folder;
mod ics;
mod jsonl;
mod parse;
mod text;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::domain::{
    booking::Snapshot,
    ids::{ResourceId, SourceName},
};

pub use folder::{FILES_MAX, FOLDERS_DEEP_MAX, FileReport, Files, files};
pub use parse::parse;

/// Maximum size of a file: a calendar of 20,000 bookings has about 10 MB.
pub const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Maximum length of a line in CSV or JSON Lines, and of a property in iCalendar.
pub const LINE_BYTES_MAX: usize = 256 * 1024;
/// Maximum number of bookings per file, before recurrences are expanded.
pub const ENTRIES_MAX: usize = 20_000;
/// Maximum nesting of iCalendar components. Real files need three levels.
pub const NESTING_MAX: usize = 16;
/// Maximum number of occurrences of a recurring entry.
pub const OCCURRENCES_MAX: usize = 1_000;
/// Maximum number of occurrences of all recurring entries of a file.
pub const OCCURRENCES_FILE_MAX: usize = 50_000;
/// Maximum length of a source's id (an `id` or a UID), in bytes.
pub const REF_BYTES_MAX: usize = 1_024;
/// Maximum length of a title, name, email address or phone number, in bytes.
pub const TITLE_BYTES_MAX: usize = 4 * 1024;
/// Maximum length of notes, in bytes.
pub const NOTES_BYTES_MAX: usize = 64 * 1024;

/// File formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// iCalendar (RFC 5545).
    Ics,
    /// Values separated by commas, semicolons or tabs, with a header.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

impl Kind {
    /// The format of a file name, by its extension.
    pub fn of_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "ics" | "ical" | "ifb" | "icalendar" => Some(Self::Ics),
            "csv" | "tsv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// The property that names an iCalendar entry's resource, if it has no `X-SYNCLEDGER-RESOURCE`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ResourceFrom {
    /// None: [`Options::resource`] is used.
    #[default]
    Option,
    /// `LOCATION`.
    Location,
    /// `RESOURCES`, if it contains one.
    Resources,
}

/// The range in which recurring entries become bookings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Start.
    pub from: DateTime<Utc>,
    /// End (exclusive).
    pub until: DateTime<Utc>,
}

impl Window {
    /// One year back and two years ahead.
    pub fn at(now: DateTime<Utc>) -> Self {
        let add = |days| now.checked_add_signed(TimeDelta::days(days)).unwrap_or(now);
        Self { from: add(-365), until: add(2 * 365) }
    }
}

/// Settings that complete what a file contains.
#[derive(Debug, Clone)]
pub struct Options {
    /// Source name of its bookings.
    pub source: SourceName,
    /// Resource of bookings that name none.
    pub resource: Option<ResourceId>,
    /// The property that names an iCalendar entry's resource.
    pub resource_from: ResourceFrom,
    /// Names used in the file, and the resources they stand for: `Bay 1` → `bay-1`.
    pub resources: BTreeMap<String, ResourceId>,
    /// Time zone of times without one.
    pub zone: Option<Tz>,
    /// The range in which recurring entries become bookings.
    pub window: Window,
}

impl Options {
    /// Default options for a source; the window is [`Window::at`] `now`.
    pub fn new(source: SourceName, now: DateTime<Utc>) -> Self {
        Self {
            source,
            resource: None,
            resource_from: ResourceFrom::Option,
            resources: BTreeMap::new(),
            zone: None,
            window: Window::at(now),
        }
    }
}

/// Why something was not imported, for the person who chose the file. Without titles, names or addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The message.
    pub reason: String,
}

impl Refusal {
    /// A refusal with this reason.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// One line of a report: a booking, or why it is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// File and line or UID: `bookings.csv:12`, `bay.ics:<UID>`.
    pub at: String,
    /// The booking, or the refusal.
    pub outcome: Result<Box<Snapshot>, Refusal>,
    /// What was interpreted differently from how it was written, such as a time zone with another name.
    pub note: Option<String>,
}

impl Line {
    fn refused(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { at: at.into(), outcome: Err(Refusal::because(reason)), note: None }
    }

    fn of(at: String, outcome: Result<Snapshot, Refusal>) -> Self {
        Self { at, outcome: outcome.map(Box::new), note: None }
    }
}

/// Shortens a text of the file for a message: at most 80 characters, without control characters.
fn excerpt(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(80).collect()
}

/// The same for a longer message.
fn long_excerpt(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(400).collect()
}

/// The resource for a name used in the file.
fn resource(word: Option<&str>, options: &Options) -> Result<ResourceId, Refusal> {
    match word.map(str::trim).filter(|word| !word.is_empty()) {
        Some(word) => options.resources.get(word).cloned().map_or_else(
            || {
                ResourceId::new(word).map_err(|malformed| {
                    Refusal::because(format!("{malformed}; map it to a resource with --map \"NAME=RESOURCE\""))
                })
            },
            Ok,
        ),
        None => {
            options.resource.clone().ok_or_else(|| Refusal::because("it names no resource: pass one with --resource"))
        }
    }
}
