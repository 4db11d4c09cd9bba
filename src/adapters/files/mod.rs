//! Bookings from files: iCalendar, CSV and JSON Lines. Columns and rules are told in `docs/operating/import.md`.
//!
//! Understanding a file is pure: the same bytes, options and `now` always give the same report. Only `folder.rs` reads disks.

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

/// The largest file: a calendar of 20,000 bookings has about 10 MB.
pub const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The longest line of a CSV or JSON Lines file, and the longest property of an iCalendar file.
pub const LINE_BYTES_MAX: usize = 256 * 1024;
/// The most bookings one file may hold, before repetitions are spread out.
pub const ENTRIES_MAX: usize = 20_000;
/// How deep components of an iCalendar file may stand in each other. Real ones need three.
pub const NESTING_MAX: usize = 16;
/// The most occurrences one repeating entry becomes.
pub const OCCURRENCES_MAX: usize = 1_000;
/// The most occurrences all repeating entries of one file become.
pub const OCCURRENCES_FILE_MAX: usize = 50_000;
/// The longest source reference (an `id` or a UID), in bytes.
pub const REF_BYTES_MAX: usize = 1_024;
/// The longest title, name, mail address or phone number, in bytes.
pub const TITLE_BYTES_MAX: usize = 4 * 1024;
/// The longest notes, in bytes.
pub const NOTES_BYTES_MAX: usize = 64 * 1024;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// iCalendar (RFC 5545).
    Ics,
    /// Comma (or semicolon, or tab) separated values, with a header.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

impl Kind {
    /// The kind that a file's name says, by its extension.
    pub fn of_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "ics" | "ical" | "ifb" | "icalendar" => Some(Self::Ics),
            "csv" | "tsv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// Which property of an iCalendar entry names the resource, where it has no `X-SYNCLEDGER-RESOURCE`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ResourceFrom {
    /// None: [`Options::resource`] it is.
    #[default]
    Option,
    /// `LOCATION`.
    Location,
    /// `RESOURCES`, where it names one.
    Resources,
}

/// From when to when repeating entries become bookings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The first instant after it.
    pub until: DateTime<Utc>,
}

impl Window {
    /// One year back and two ahead.
    pub fn around(now: DateTime<Utc>) -> Self {
        let add = |days| now.checked_add_signed(TimeDelta::days(days)).unwrap_or(now);
        Self { from: add(-365), until: add(2 * 365) }
    }
}

/// What a file itself does not say.
#[derive(Debug, Clone)]
pub struct Options {
    /// The source that its bookings get.
    pub source: SourceName,
    /// The resource of bookings that name none.
    pub resource: Option<ResourceId>,
    /// Where iCalendar entries name their resource.
    pub resource_from: ResourceFrom,
    /// Words of the file and the resources they stand for: `Bay 1` → `bay-1`.
    pub resources: BTreeMap<String, ResourceId>,
    /// The zone of times that have none.
    pub zone: Option<Tz>,
    /// From when to when repeating entries become bookings.
    pub window: Window,
}

impl Options {
    /// Options that say nothing but the source; the window is [`Window::around`] `now`.
    pub fn new(source: SourceName, now: DateTime<Utc>) -> Self {
        Self {
            source,
            resource: None,
            resource_from: ResourceFrom::Option,
            resources: BTreeMap::new(),
            zone: None,
            window: Window::around(now),
        }
    }
}

/// Why something was not imported, in words for the person who chose the file. Without titles, names or addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The sentence.
    pub reason: String,
}

impl Refusal {
    /// Refuses for this reason.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// One booking that a file shows, or what stands where one was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it stands: `bookings.csv:12`, `bay.ics:<UID>`.
    pub at: String,
    /// The booking, or why there is none.
    pub outcome: Result<Box<Snapshot>, Refusal>,
    /// What was taken in another sense than written: a zone that was named in another way, for instance.
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

/// Cuts a text of the file for use in a reason: at most 80 characters, none that moves the cursor.
fn excerpt(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(80).collect()
}

/// The same for a message that is a sentence of its own.
fn long_excerpt(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(400).collect()
}

/// The resource that a word of the file stands for.
fn resource(word: Option<&str>, options: &Options) -> Result<ResourceId, Refusal> {
    match word.map(str::trim).filter(|word| !word.is_empty()) {
        Some(word) => options.resources.get(word).cloned().map_or_else(
            || {
                ResourceId::new(word).map_err(|malformed| {
                    Refusal::because(format!("{malformed}; say which resource it stands for with a resource map"))
                })
            },
            Ok,
        ),
        None => options.resource.clone().ok_or_else(|| {
            Refusal::because("it names no resource, and no resource was given for bookings that name none")
        }),
    }
}
