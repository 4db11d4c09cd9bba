//! `reconcile plan`: what would be done now, or under a draft policy. Decides for every link and appends nothing about it.

use std::{fs, path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Session, ask};
use crate::{
    app::App,
    config,
    domain::{
        ids::{BookingId, ProfileId, ResourceId},
        link::{Event, LinkRef},
        profile::Policy,
    },
    projections::{
        Row,
        query::{BookingFilter, Query},
    },
    reconcile::{Decision, Step},
    services::{story::withheld, sync::reconciler::Reconciler},
};

/// Maximum size of a draft, in bytes.
const DRAFT_BYTES_MAX: u64 = 256 * 1024;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show for every link what would be done now
    Plan(Plan),
}

#[derive(Debug, Args)]
pub struct Plan {
    /// Use this draft policy instead (TOML: a preset and its changes)
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Profile that the draft replaces [default: every profile]
    #[arg(long = "for", value_name = "NAME", requires = "profile")]
    instead_of: Option<String>,
    /// Only bookings changed since this time (2026-03-01T00:00:00Z)
    #[arg(long, value_name = "T")]
    since: Option<DateTime<Utc>>,
    /// Include links with nothing to do
    #[arg(long)]
    all: bool,
}

/// What would be done about one link.
struct PlannedAction {
    of: LinkRef,
    what: String,
    why: String,
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    let Command::Plan(options) = command;
    let draft = draft(&options)?;
    let app = session.app().await?;
    ask::refresh(&app.stores).await?;
    let reconciler = match draft {
        Some(policy) => under(&app, &policy, options.instead_of.as_deref())?,
        None => app.reconciler.clone(),
    };
    let mut planned = Vec::new();
    let mut links = 0_usize;
    let bookings = ask::all(&app.stores, |page| Query::Bookings(BookingFilter::default(), page)).await?;
    for row in &bookings {
        if options.since.is_some_and(|since| row.time("changed_at").is_some_and(|at| at < since)) {
            continue;
        }
        for of in of_booking(&app, row).await? {
            let Some(decision) = reconciler.plan(&of).await? else { continue };
            links += 1;
            if options.all || decision.step != Step::Rest || !decision.facts.is_empty() {
                let (what, why) = words(&decision);
                planned.push(PlannedAction { of, what, why });
            }
        }
    }
    print_plan(session, &planned, links)
}

fn draft(options: &Plan) -> Result<Option<Policy>, CliError> {
    let Some(path) = &options.profile else { return Ok(None) };
    let name = path.display().to_string();
    let wrong = |e: std::io::Error| CliError::usage(format!("{name} cannot be read: {e}"));
    if fs::metadata(path).map_err(wrong)?.len() > DRAFT_BYTES_MAX {
        return Err(CliError::usage(format!("{name} is larger than {DRAFT_BYTES_MAX} bytes: is it the right file?")));
    }
    Ok(Some(config::policy(&name, &fs::read_to_string(path).map_err(wrong)?)?))
}

/// The same reconciler with the draft instead of one profile, or of all.
fn under(app: &App, policy: &Policy, instead_of: Option<&str>) -> Result<Reconciler, CliError> {
    let mut routing = (*app.routing).clone();
    let wanted = instead_of.map(ProfileId::new).transpose().map_err(CliError::usage)?;
    if let Some(wanted) = &wanted
        && !routing.profiles.contains_key(wanted)
    {
        return Err(CliError::usage(format!("there is no profile {wanted}")));
    }
    for (id, profile) in &mut routing.profiles {
        if wanted.as_ref().is_none_or(|wanted| wanted == id) {
            profile.policy = policy.clone();
        }
    }
    Ok(Reconciler { routing: Arc::new(routing), ..app.reconciler.clone() })
}

/// The links a booking has, and those it should have.
async fn of_booking(app: &App, row: &Row) -> Result<Vec<LinkRef>, CliError> {
    let named = (row.text("booking"), row.text("source_ref"), row.text("resource"));
    let (Some(booking), Some(appointment), Some(resource)) = named else { return Ok(Vec::new()) };
    let booking = BookingId::new(booking).map_err(CliError::refused)?;
    let resource = ResourceId::new(resource).map_err(CliError::refused)?;
    let mut links = app.stores.worklist.links_of_booking(&booking).await?;
    for of in app.routing.links(&booking, appointment, &resource) {
        if !links.iter().any(|known| known.link == of.link) {
            links.push(of);
        }
    }
    Ok(links)
}

/// The step of a decision, and the reasons.
fn words(decision: &Decision) -> (String, String) {
    let what = match &decision.step {
        Step::Call(command) => format!("{} {}", command.operation.name().replace('_', " "), command.remote),
        Step::Verify(command) => format!("find out whether command {} was carried out", command.id),
        Step::Look(remote, _) => format!("read entry {remote}"),
        Step::ReadSource => "read the booking at its source".to_owned(),
        Step::ChangeBooking(..) => "apply the accepted change to the booking".to_owned(),
        Step::Rest => match decision.facts.last() {
            None | Some(Event::SyncRequested { .. }) => "nothing".to_owned(),
            Some(fact) => fact.name().replace('_', " "),
        },
    };
    let mut why = Vec::new();
    for fact in &decision.facts {
        match fact {
            Event::Decided { reasons, .. } => why.extend(reasons.clone()),
            Event::Withheld { reason, .. } => why.push(withheld(reason).to_owned()),
            Event::ConflictResolved { rule, .. } => why.push(rule.clone()),
            Event::RemoteChangeReleased { reason } | Event::RemoteChangeRejected { reason, .. } => {
                why.push(reason.clone());
            }
            _ => {}
        }
    }
    (what, why.join("; "))
}

fn print_plan(session: &Session, planned: &[PlannedAction], links: usize) -> Result<(), CliError> {
    if session.printer.json {
        let plan: Vec<_> = planned
            .iter()
            .map(|p| {
                let PlannedAction { of, what, why } = p;
                json!({"link": of.link, "booking": of.booking, "calendar": of.calendar, "profile": of.profile, "what": what, "why": why})
            })
            .collect();
        return session.printer.document(&json!({"links": links, "plan": plan}));
    }
    let rows = planned
        .iter()
        .map(|p| vec![p.of.booking.to_string(), p.of.calendar.calendar.to_string(), p.what.clone(), p.why.clone()]);
    let columns = ["booking", "calendar", "planned", "reason"];
    session.printer.table(&columns, rows.collect(), "Nothing to do.")?;
    session.printer.print_line(format!("{links} links checked; {} shown", planned.len()))
}
