//! `bookings import`: imports files of bookings into the ledger.

use std::path::PathBuf;

use chrono_tz::Tz;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{CliError, Session};
use crate::{
    app::files::{self, ImportDefaults},
    domain::ids::{ResourceId, SourceName},
    record::envelope::{Actor, Origin},
    services::{
        bookings::import::{ImportedLine, Outcome, import},
        journal::Context,
    },
};

/// Maximum number of changed and refused lines listed in the report; all are counted.
const SHOWN_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub struct Import {
    /// File (.ics, .csv, .jsonl) or folder of such files
    path: PathBuf,
    /// Resource for bookings that name none
    #[arg(long, value_name = "R")]
    resource: Option<String>,
    /// Map a name used in the files to a resource: "Bay 1=bay-1". Repeatable
    #[arg(long, value_name = "WORD=R")]
    map: Vec<String>,
    /// Take the resource of iCalendar entries from their LOCATION
    #[arg(long)]
    by_location: bool,
    /// Time zone for times without one: America/Chicago
    #[arg(long, value_name = "Z")]
    zone: Option<String>,
    /// Source name of the imported bookings; becomes part of their ids
    #[arg(long, value_name = "NAME", default_value = "import")]
    source: String,
    /// Report what would be imported, without changing anything
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    fn defaults(&self) -> Result<ImportDefaults, CliError> {
        let resource = |text: &str| ResourceId::new(text).map_err(CliError::usage);
        let mut resources = Vec::new();
        for pair in &self.map {
            let split = pair
                .rsplit_once('=')
                .ok_or_else(|| CliError::usage(format!("--map {pair:?}: expected WORD=RESOURCE")))?;
            resources.push((split.0.trim().to_owned(), resource(split.1.trim())?));
        }
        let zone = self.zone.as_deref().map(|name| {
            name.parse::<Tz>()
                .map_err(|_| CliError::usage(format!("{name:?} is not an IANA time zone such as Europe/Berlin")))
        });
        Ok(ImportDefaults {
            source: SourceName::new(self.source.clone()).map_err(CliError::usage)?,
            resource: self.resource.as_deref().map(resource).transpose()?,
            resources,
            by_location: self.by_location,
            zone: zone.transpose()?,
        })
    }
}

pub async fn run(session: &Session, options: Import) -> Result<(), CliError> {
    let defaults = options.defaults()?;
    if !options.path.exists() {
        return Err(CliError::usage(format!("there is no file or folder {}", options.path.display())));
    }
    let stores = session.stores().await?;
    let path = options.path.display();
    let lines = files::lines(&options.path, defaults, stores.clock.now())
        .map_err(|e| CliError::refused(format!("{path} cannot be read: {e}")))?;
    let context = Context::root(Actor::new("importer", session.by.clone()), Origin::Import, stores.clock.event_id());
    let bar = bar(session.printer.watched());
    let mut printed: Vec<ImportedLine> = Vec::new();
    let mut tell = |line: &ImportedLine| {
        bar.inc(1);
        let news = line.outcome != Outcome::Unchanged || line.note.is_some();
        if (session.printer.json || news) && printed.len() < SHOWN_MAX {
            printed.push(line.clone());
        }
    };
    let imported = import(&stores.journal, lines, options.dry_run, &context, &mut tell).await;
    bar.finish_and_clear();
    let tally = imported?;
    if session.printer.json {
        session.printer.document(&json!({
            "dry_run": options.dry_run,
            "registered": tally.registered,
            "changed": tally.changed,
            "unchanged": tally.unchanged,
            "refused": tally.refused,
            "lines": printed.iter().map(object).collect::<Vec<_>>(),
        }))?;
    } else {
        for line in printed.iter().filter(|line| line.outcome != Outcome::Registered || line.note.is_some()) {
            session.printer.print_line(sentence(line))?;
        }
        let would = if options.dry_run { " (dry run: nothing was changed)" } else { "" };
        session.printer.print_line(format!(
            "{} registered, {} changed, {} unchanged, {} refused{would}",
            tally.registered, tally.changed, tally.unchanged, tally.refused
        ))?;
    }
    match tally.refused {
        0 => Ok(()),
        1 => Err(CliError::refused("1 line was not imported")),
        refused => Err(CliError::refused(format!("{refused} lines were not imported"))),
    }
}

fn bar(watched: bool) -> ProgressBar {
    if !watched {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} bookings, {per_sec}, {elapsed}");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

fn outcome(outcome: &Outcome) -> (&'static str, Option<String>) {
    match outcome {
        Outcome::Registered => ("registered", None),
        Outcome::Changed(events) => ("changed", Some(events.join(", "))),
        Outcome::Unchanged => ("unchanged", None),
        Outcome::Refused(reason) => ("refused", Some(reason.clone())),
    }
}

fn object(line: &ImportedLine) -> serde_json::Value {
    let (word, more) = outcome(&line.outcome);
    json!({"at": line.at, "booking": line.booking, "outcome": word, "detail": more, "note": line.note})
}

fn sentence(line: &ImportedLine) -> String {
    let (word, more) = outcome(&line.outcome);
    let more = more.map(|more| format!(": {more}")).unwrap_or_default();
    let note = line.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    format!("{}: {word}{more}{note}", line.at)
}
