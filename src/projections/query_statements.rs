//! Maps queries to statements in `projections/*.sql` with arguments, for stores with tables.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Value,
    query::{AttemptFilter, BookingFilter, LinkFilter, PAGE_ROWS_MAX, Page, Query},
};
use crate::{
    domain::{ids::BookingId, slot::SLOT_DAYS_MAX},
    record::envelope::write_time,
};

/// The projection whose file has the statement, the statement's name, and its arguments.
pub type StatementCall = (&'static str, &'static str, Vec<Value>);

/// The statement for `query`.
pub fn statement_call(query: &Query) -> StatementCall {
    let keys = query.order().len();
    let paged = |mut arguments: Vec<Value>, page: &Page| {
        let after = page.after.as_deref().unwrap_or_default();
        arguments.extend((0..keys).map(|at| Value::from(after.get(at).map(String::as_str))));
        arguments.push(page.limit.min(PAGE_ROWS_MAX).into());
        arguments
    };
    match query {
        Query::DueLinks { now, limit } => ("links", "due", vec![(*now).into(), (*limit).min(PAGE_ROWS_MAX).into()]),
        Query::LinksOfBooking(booking) => ("links", "of_booking", vec![booking.as_str().into()]),
        Query::LinkOfEntry { calendar, remote } => {
            let arguments = [calendar.connection.as_str(), calendar.calendar.as_str(), remote.as_str()];
            ("entries", "link_of", arguments.map(Value::from).to_vec())
        }
        Query::LinksOfCalendar(calendar, page) => {
            let arguments = vec![calendar.connection.as_str().into(), calendar.calendar.as_str().into()];
            ("links", "of_calendar", paged(arguments, page))
        }
        Query::LinksOfConnection(connection, page) => {
            ("links", "of_connection", paged(vec![connection.as_str().into()], page))
        }
        Query::LinksHeldForApproval(approval, page) => {
            ("links", "for_approval", paged(vec![approval.as_str().into()], page))
        }
        Query::BookingsOverlapping { resource, from, until, excluding } => {
            let arguments = vec![
                resource.as_str().into(),
                (*from).into(),
                (*until).into(),
                excluding.as_ref().map(BookingId::as_str).into(),
                year_before(*from).into(),
            ];
            ("bookings", "overlapping", arguments)
        }
        Query::Channel(channel) => ("channels", "one", vec![channel.as_str().into()]),
        Query::OpenCommands(page) => ("open_commands", "list", paged(Vec::new(), page)),
        Query::Booking(booking) => ("bookings", "one", vec![booking.as_str().into()]),
        Query::Bookings(filter, page) => ("bookings", "list", paged(bookings(filter), page)),
        Query::Link(link) => ("links", "one", vec![link.as_str().into()]),
        Query::Links(LinkFilter { status, connection, resource, attention }, page) => {
            let texts = [status, connection, resource].map(|text| Value::from(text.as_deref()));
            let arguments = texts.into_iter().chain([Value::from(*attention)]).collect();
            ("links", "list", paged(arguments, page))
        }
        Query::Attempt(attempt) => ("attempts", "one", vec![attempt.as_str().into()]),
        Query::Attempts(AttemptFilter { status, link, connection, direction }, page) => {
            let arguments = [status, link, connection, direction].map(|text| Value::from(text.as_deref()));
            ("attempts", "list", paged(arguments.to_vec(), page))
        }
        Query::Connections(page) => ("connections", "list", paged(Vec::new(), page)),
        Query::Calendars(page) => ("calendars", "list", paged(Vec::new(), page)),
        Query::Cursors(page) => ("cursors", "list", paged(Vec::new(), page)),
        Query::Channels(page) => ("channels", "list", paged(Vec::new(), page)),
        Query::DeadLetters(page) => ("dead_letters", "list", paged(Vec::new(), page)),
        Query::Approvals(status, page) => ("approvals", "list", paged(vec![status.as_deref().into()], page)),
        Query::Deliveries(status, page) => ("deliveries", "list", paged(vec![status.as_deref().into()], page)),
        Query::BookingsOfSubject(subject, page) => {
            ("bookings", "of_subject", paged(vec![subject.as_str().into()], page))
        }
        Query::Table(projection, page) => (projection.name, "all", paged(Vec::new(), page)),
        Query::AttemptCounts => ("attempts", "counts", Vec::new()),
        Query::LinkCounts => ("links", "counts", Vec::new()),
        Query::Health => ("links", "health", Vec::new()),
    }
}

fn bookings(filter: &BookingFilter) -> Vec<Value> {
    let BookingFilter { status, resource, source, from, until } = filter;
    let texts = [status, resource, source].map(|text| Value::from(text.as_deref()));
    texts.into_iter().chain([Value::from(*from), Value::from(*until)]).collect()
}

/// No booking that begins before this can reach `from`: the longest slot, widened by the time zones on both sides.
fn year_before(from: DateTime<Utc>) -> String {
    write_time(from.checked_sub_signed(TimeDelta::days(SLOT_DAYS_MAX + 3)).unwrap_or(DateTime::<Utc>::MIN_UTC))
}
