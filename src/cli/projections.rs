//! `projections`: lists, shows, rebuilds and verifies the read models.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    CliError, Session, ask, progress,
    projections_show::{self, Show, check_name},
};
use crate::{
    domain::operations,
    ports::{
        event_store::ExpectedVersion,
        projection_store::{Difference, RowDifference},
    },
    projections::Value as Cell,
    record::stream::StreamName,
    services::models::rebuild::{Options, Report},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List read models and how far each is behind the ledger
    List,
    /// Show the rows of a read model, now or in the past
    Show(Show),
    /// Rebuild a read model next to the live one, then swap; without downtime
    Rebuild {
        /// Name of the read model
        name: String,
    },
    /// Compare the live table with a full replay; exits with 1 if they differ
    Diff {
        /// Name of the read model
        name: String,
    },
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    match command {
        Command::List => list(session).await,
        Command::Show(show) => projections_show::run(session, show).await,
        Command::Rebuild { name } => rebuild(session, &name).await,
        Command::Diff { name } => diff(session, &name).await,
    }
}

async fn list(session: &Session) -> Result<(), CliError> {
    let stores = session.existing_stores().await?;
    let lags = stores.projector.lag().await?;
    if session.printer.json {
        let lags: Vec<Value> = lags
            .iter()
            .map(|lag| {
                json!({
                    "projection": lag.projection,
                    "version": lag.version,
                    "position": lag.position,
                    "events_behind": lag.events,
                    "seconds_behind": lag.behind.num_seconds(),
                })
            })
            .collect();
        return session.printer.document(&lags);
    }
    let rows = lags.iter().map(|lag| {
        let behind = match lag.events {
            0 => "up to date".to_owned(),
            events => format!("{events} events, {} s", lag.behind.num_seconds()),
        };
        vec![lag.projection.to_owned(), lag.version.to_string(), lag.position.to_string(), behind]
    });
    session.printer.table(&["projection", "version", "position", "behind"], rows.collect(), "There are no projections.")
}

async fn rebuild(session: &Session, name: &str) -> Result<(), CliError> {
    check_name(name)?;
    let stores = session.existing_stores().await?;
    ask::refresh(&stores).await?;
    let bar = progress::bar();
    let report = stores.projector.rebuild(name, Options::default(), &mut |step| progress::show(&bar, step)).await;
    bar.finish_and_clear();
    let report = report?;
    let fact = operations::Event::ProjectionRebuilt {
        projection: report.projection.to_owned(),
        version: report.version,
        position: report.position,
        differing: report.comparison.as_ref().map_or(0, |comparison| comparison.differing),
    };
    let stream = StreamName::operations(&session.config.workspace);
    stores.journal.append(&stream, ExpectedVersion::Any, vec![fact], &session.operator(&stores)).await?;
    print_report(session, &report, "Rebuilt")
}

async fn diff(session: &Session, name: &str) -> Result<(), CliError> {
    check_name(name)?;
    let stores = session.existing_stores().await?;
    ask::refresh(&stores).await?;
    let bar = progress::bar();
    let report = stores.projector.diff(name, Options::default(), &mut |step| progress::show(&bar, step)).await;
    bar.finish_and_clear();
    let report = report?;
    print_report(session, &report, "Replayed")?;
    match &report.comparison {
        Some(comparison) if comparison.differing == 0 => Ok(()),
        Some(comparison) => {
            let what = format!("rebuild it with: syncledger projections rebuild {name}");
            Err(CliError::refused(format!("{} rows of {name} differ from the ledger: {what}", comparison.differing)))
        }
        None => Err(CliError::refused(format!("{name} kept changing while it was compared: try again"))),
    }
}

fn print_report(session: &Session, report: &Report, verb: &str) -> Result<(), CliError> {
    let Report { projection, version, position, facts, took, comparison } = report;
    if session.printer.json {
        let compared = comparison.as_ref().map(|c| {
            let examples: Vec<Value> = c.examples.iter().map(example).collect();
            json!({"rows": c.rows, "differing": c.differing, "examples": examples})
        });
        return session.printer.document(&json!({
            "projection": projection,
            "version": version,
            "position": position,
            "events": facts,
            "took_ms": took.num_milliseconds(),
            "comparison": compared,
        }));
    }
    let took = f64::from(i32::try_from(took.num_milliseconds()).unwrap_or(i32::MAX)) / 1_000.0;
    session.printer.print_line(format!("{verb} {projection} (version {version}): {facts} events in {took:.1} s"))?;
    let Some(comparison) = comparison else {
        return session.printer.print_line("Not compared: the live table kept changing.");
    };
    session.printer.print_line(format!("{} rows compared, {} differ", comparison.rows, comparison.differing))?;
    for difference in &comparison.examples {
        session.printer.print_line(format!("  {}", sentence(difference)))?;
    }
    Ok(())
}

fn example(difference: &Difference) -> Value {
    let (what, columns) = match &difference.what {
        RowDifference::MissingInLive => ("missing", Vec::new()),
        RowDifference::OnlyInLive => ("not in the ledger", Vec::new()),
        RowDifference::Columns(columns) => ("different", columns.iter().map(|(name, ..)| *name).collect()),
    };
    json!({"key": difference.key, "what": what, "columns": columns})
}

fn sentence(difference: &Difference) -> String {
    let key = difference.key.join(" ");
    match &difference.what {
        RowDifference::MissingInLive => format!("{key}: missing from the live table"),
        RowDifference::OnlyInLive => format!("{key}: only in the live table"),
        RowDifference::Columns(columns) => {
            let columns = columns
                .iter()
                .map(|(name, live, other)| format!("{name} is {} instead of {}", cell_text(live), cell_text(other)));
            format!("{key}: {}", columns.collect::<Vec<_>>().join(", "))
        }
    }
}

fn cell_text(value: &Cell) -> String {
    match value {
        Cell::Null => "empty".to_owned(),
        Cell::Bool(flag) => flag.to_string(),
        Cell::Int(number) => number.to_string(),
        Cell::Text(text) => format!("{text:?}"),
    }
}
