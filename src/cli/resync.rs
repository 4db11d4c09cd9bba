//! `resync`: asks the service to compare bookings with their entries again, whatever was decided before.

use chrono::{DateTime, Utc};
use clap::Subcommand;
use serde_json::json;

use super::{CliError, Session, ask};
use crate::{
    domain::ids::{BookingId, ConnectionId},
    projections::query::{BookingFilter, LinkFilter, Query},
    services::operators::resync,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Re-check one booking
    Booking {
        /// Booking id
        id: String,
    },
    /// Re-check every booking on a connection's calendars
    Connection {
        /// Connection id
        id: String,
        /// Only bookings that end after this time
        #[arg(long, value_name = "D")]
        from: Option<DateTime<Utc>>,
        /// Only bookings that begin before this time
        #[arg(long, value_name = "D")]
        to: Option<DateTime<Utc>>,
    },
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    let app = session.app().await?;
    ask::refresh(&app.stores).await?;
    let bookings = match command {
        Command::Booking { id } => vec![BookingId::new(id).map_err(CliError::usage)?],
        Command::Connection { id, from, to } => {
            let connection = ConnectionId::new(id).map_err(CliError::usage)?;
            if !app.routing.providers.contains_key(&connection) {
                return Err(CliError::refused(format!("there is no connection {connection} in the configuration")));
            }
            let filter = LinkFilter { connection: Some(connection.to_string()), ..LinkFilter::default() };
            let linked = ask::all(&app.stores, |page| Query::Links(filter.clone(), page)).await?;
            let filter = BookingFilter { from, until: to, ..BookingFilter::default() };
            let within = ask::all(&app.stores, |page| Query::Bookings(filter.clone(), page)).await?;
            let linked: std::collections::BTreeSet<&str> =
                linked.iter().filter_map(|row| row.text("booking")).collect();
            let ids = within.iter().filter_map(|row| row.text("booking")).filter(|id| linked.contains(id));
            ids.filter_map(|id| BookingId::new(id).ok()).collect()
        }
    };
    let context = session.operator(&app.stores);
    let mut links = 0;
    for booking in &bookings {
        let models = app.stores.models.as_ref();
        links += resync::booking(&app.stores.journal, models, &app.routing, booking, &context).await?.len();
    }
    if session.printer.json {
        return session.printer.document(&json!({"bookings": bookings.len(), "links": links}));
    }
    let bookings = bookings.len();
    session.printer.print_line(format!(
        "Requested for {links} links of {bookings} bookings; the running service will carry it out"
    ))
}
