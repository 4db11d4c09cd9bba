//! Files of bookings, as lines for the import service.

use std::{io, path::Path};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::{
    adapters::files::{self, Options, ResourceFrom},
    domain::ids::{ResourceId, SourceName},
    services::bookings::import::Line,
};

/// Settings that complete what the files contain.
#[derive(Debug, Clone)]
pub struct ImportDefaults {
    /// Source name of the bookings.
    pub source: SourceName,
    /// Resource of bookings that name none.
    pub resource: Option<ResourceId>,
    /// Names used in the files, and the resources they stand for.
    pub resources: Vec<(String, ResourceId)>,
    /// Take the resource of iCalendar entries from their `LOCATION`.
    pub by_location: bool,
    /// Time zone of times without one.
    pub zone: Option<Tz>,
}

/// The lines of a file, or of all files in a folder, read lazily.
///
/// # Errors
/// `root` does not exist, or a folder cannot be listed.
pub fn lines(
    root: &Path,
    defaults: ImportDefaults,
    now: DateTime<Utc>,
) -> io::Result<impl Iterator<Item = Line> + Send> {
    let mut options = Options::new(defaults.source, now);
    options.resource = defaults.resource;
    options.zone = defaults.zone;
    options.resources = defaults.resources.into_iter().collect();
    if defaults.by_location {
        options.resource_from = ResourceFrom::Location;
    }
    let files = files::files(root, options)?;
    Ok(files.flat_map(|file| file.lines).map(|line| Line {
        at: line.at,
        outcome: line.outcome.map_err(|refused| refused.to_string()),
        note: line.note,
    }))
}
