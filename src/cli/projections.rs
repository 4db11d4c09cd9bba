//! `projections`: how far the derived tables have come, filling one anew, and holding one against a replay.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Session, Stop, ask, progress,
    projections_show::{self, Show, known},
};
use crate::{
    domain::operations,
    ports::{
        event_store::Expected,
        projection_store::{Difference, Differs},
    },
    projections::Value as Cell,
    record::stream::StreamName,
    services::models::rebuild::{Options, Report},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List them, and how far each is behind the ledger
    List,
    /// Show the rows of one, now or as they were
    Show(Show),
    /// Fill one anew beside the live table, then swap: nothing stops meanwhile
    Rebuild {
        /// Which
        name: String,
    },
    /// Hold the live table against a replay from zero; exit code 1 where they differ
    Diff {
        /// Which
        name: String,
    },
}

pub async fn run(session: &Session, command: Command) -> Result<(), Stop> {
    match command {
        Command::List => list(session).await,
        Command::Show(show) => projections_show::run(session, show).await,
        Command::Rebuild { name } => rebuild(session, &name).await,
        Command::Diff { name } => diff(session, &name).await,
    }
}

async fn list(session: &Session) -> Result<(), Stop> {
    let stores = session.kept().await?;
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
    session.printer.table(&["projection", "version", "position", "behind"], rows.collect(), "There are none.")
}

async fn rebuild(session: &Session, name: &str) -> Result<(), Stop> {
    known(name)?;
    let stores = session.kept().await?;
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
    stores.journal.append(&stream, Expected::Any, vec![fact], &session.operator(&stores)).await?;
    say(session, &report, "Rebuilt")
}

async fn diff(session: &Session, name: &str) -> Result<(), Stop> {
    known(name)?;
    let stores = session.kept().await?;
    ask::refresh(&stores).await?;
    let bar = progress::bar();
    let report = stores.projector.diff(name, Options::default(), &mut |step| progress::show(&bar, step)).await;
    bar.finish_and_clear();
    let report = report?;
    say(session, &report, "Replayed")?;
    match &report.comparison {
        Some(comparison) if comparison.differing == 0 => Ok(()),
        Some(comparison) => {
            let what = format!("rebuild it with: syncledger projections rebuild {name}");
            Err(Stop::refused(format!("{} rows of {name} are not what the ledger says: {what}", comparison.differing)))
        }
        None => Err(Stop::refused(format!("{name} never stood still long enough to be compared: try again"))),
    }
}

fn say(session: &Session, report: &Report, verb: &str) -> Result<(), Stop> {
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
    session.printer.say(format!("{verb} {projection} (version {version}): {facts} events in {took:.1} s"))?;
    let Some(comparison) = comparison else {
        return session.printer.say("It was not compared: the live table never stood still.");
    };
    session.printer.say(format!("{} rows compared, {} differ", comparison.rows, comparison.differing))?;
    for difference in &comparison.examples {
        session.printer.say(format!("  {}", sentence(difference)))?;
    }
    Ok(())
}

fn example(difference: &Difference) -> Value {
    let (what, columns) = match &difference.what {
        Differs::MissingInLive => ("missing", Vec::new()),
        Differs::OnlyInLive => ("not in the ledger", Vec::new()),
        Differs::Columns(columns) => ("different", columns.iter().map(|(name, ..)| *name).collect()),
    };
    json!({"key": difference.key, "what": what, "columns": columns})
}

fn sentence(difference: &Difference) -> String {
    let key = difference.key.join(" ");
    match &difference.what {
        Differs::MissingInLive => format!("{key}: missing in the live table"),
        Differs::OnlyInLive => format!("{key}: in the live table only"),
        Differs::Columns(columns) => {
            let columns = columns
                .iter()
                .map(|(name, live, other)| format!("{name} is {} instead of {}", shown(live), shown(other)));
            format!("{key}: {}", columns.collect::<Vec<_>>().join(", "))
        }
    }
}

fn shown(value: &Cell) -> String {
    match value {
        Cell::Null => "empty".to_owned(),
        Cell::Bool(flag) => flag.to_string(),
        Cell::Int(number) => number.to_string(),
        Cell::Text(text) => format!("{text:?}"),
    }
}
