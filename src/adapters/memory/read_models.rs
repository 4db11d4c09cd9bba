//! Query answers from the tables in memory, equal to those of the statements in `projections/*.sql`.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use super::tables::Tables;
use crate::{
    ports::projection_store::TableCopy,
    projections::{
        self, Row, StoredRow, Table, Value,
        query::{AttemptFilter, BookingFilter, LinkFilter, PAGE_ROWS_MAX, Query},
    },
    record::envelope::write_time,
};

/// The rows for `query`.
pub(super) fn answer(tables: &Tables, query: &Query) -> Vec<Row> {
    match query {
        Query::AttemptCounts => attempt_counts(tables),
        Query::LinkCounts => counted(&["status"], all(tables, "links").iter().map(|l| vec![l.get("status").clone()])),
        Query::Health => vec![health(tables)],
        Query::LinkOfEntry { calendar, remote } => {
            let on_calendar = |link: &TableRow<'_>| {
                is(link, "connection", calendar.connection.as_str()) && is(link, "calendar", calendar.calendar.as_str())
            };
            let mut entries = some(tables, "entries", |entry| is(entry, "remote", remote.as_str()));
            entries.retain(|entry| {
                let id = entry.text("link");
                !some(tables, "links", |link| link.text("link") == id && on_calendar(link)).is_empty()
            });
            entries
        }
        Query::Attempt(_) | Query::Attempts(..) => {
            let rows = attempts(tables).into_iter().filter(|row| wanted(query, row)).collect();
            paged(query, rows)
        }
        _ => paged(query, some(tables, query.table(), |row| wanted(query, row))),
    }
}

/// A row by reference, so that only matching rows are copied: the simulation queries after every step.
struct TableRow<'a> {
    table: &'a Table,
    row: &'a StoredRow,
}

/// Access to a row by column name.
trait RowCells {
    fn text(&self, column: &str) -> Option<&str>;
}

impl RowCells for TableRow<'_> {
    fn text(&self, column: &str) -> Option<&str> {
        self.row.cells[self.table.place(column)].as_text()
    }
}

impl RowCells for Row {
    fn text(&self, column: &str) -> Option<&str> {
        Row::text(self, column)
    }
}

/// The rows of a live table that are not removed, ordered by key.
fn all(tables: &Tables, name: &'static str) -> Vec<Row> {
    some(tables, name, |_| true)
}

/// Those that match.
fn some(tables: &Tables, name: &'static str, wanted: impl Fn(&TableRow<'_>) -> bool) -> Vec<Row> {
    let (Some(filled), Some(projection)) = (tables.get(&(name, TableCopy::Live)), projections::named(name)) else {
        return Vec::new();
    };
    let table = &projection.table;
    let mut live = filled.rows.values().filter(|row| !row.removed && wanted(&TableRow { table, row })).peekable();
    if live.peek().is_none() {
        return Vec::new();
    }
    let names: Vec<String> = table.columns.iter().map(|c| c.name.to_owned()).collect();
    let names: Arc<[String]> = names.into_iter().chain(["position".to_owned(), "removed".to_owned()]).collect();
    live.map(|row| {
        let mut values = row.cells.clone();
        values.extend([row.position.0.into(), row.removed.into()]);
        Row::new(Arc::clone(&names), values)
    })
    .collect()
}

fn by(rows: Vec<Row>, column: &str) -> BTreeMap<String, Row> {
    rows.into_iter().filter_map(|row| Some((row.text(column)?.to_owned(), row))).collect()
}

fn is(row: &impl RowCells, column: &str, value: &str) -> bool {
    row.text(column) == Some(value)
}

fn is_or_any(row: &impl RowCells, column: &str, value: Option<&str>) -> bool {
    value.is_none_or(|value| is(row, column, value))
}

fn before(row: &impl RowCells, column: &str, limit: &str) -> bool {
    row.text(column).is_some_and(|text| text < limit)
}

fn paged(query: &Query, rows: Vec<Row>) -> Vec<Row> {
    let order = query.order();
    // The newest attempts come first; everything else is ascending.
    let compare = |one: &[Value], two: &[Value]| match query {
        Query::Attempts(..) => two.cmp(one),
        _ => one.cmp(two),
    };
    let key = |row: &Row| order.iter().map(|column| row.get(column).clone()).collect::<Vec<_>>();
    let after = query.page().and_then(|page| page.after.as_ref());
    let after: Option<Vec<Value>> = after.map(|after| after.iter().cloned().map(Value::Text).collect());
    let mut rows: Vec<Row> = rows
        .into_iter()
        .filter(|row| after.as_ref().is_none_or(|after| compare(&key(row), after) == Ordering::Greater))
        .collect();
    rows.sort_by(|one, two| compare(&key(one), &key(two)));
    let limit = match query {
        Query::DueLinks { limit, .. } => Some(*limit),
        _ => query.page().map(|page| page.limit),
    };
    rows.truncate(limit.map_or(usize::MAX, |limit| limit.min(PAGE_ROWS_MAX) as usize));
    rows
}

fn wanted(query: &Query, row: &impl RowCells) -> bool {
    match query {
        Query::DueLinks { now, .. } => row.text("due_at").is_some_and(|due| due <= write_time(*now).as_str()),
        Query::LinksOfBooking(booking) | Query::Booking(booking) => is(row, "booking", booking.as_str()),
        Query::LinksOfCalendar(calendar, _) => {
            is(row, "connection", calendar.connection.as_str())
                && is(row, "calendar", calendar.calendar.as_str())
                && row.text("remote").is_some()
        }
        Query::LinksOfConnection(connection, _) => is(row, "connection", connection.as_str()),
        Query::LinksHeldForApproval(approval, _) => is(row, "approval", approval),
        Query::BookingsOverlapping { resource, from, until, excluding } => {
            is(row, "resource", resource.as_str())
                && !is(row, "status", "cancelled")
                && before(row, "blocks_from", &write_time(*until))
                && row.text("blocks_until").is_some_and(|end| end > write_time(*from).as_str())
                && !excluding.as_ref().is_some_and(|booking| is(row, "booking", booking.as_str()))
        }
        Query::BookingsOfSubject(subject, _) => is(row, "subject", subject.as_str()),
        Query::Channel(channel) => is(row, "channel", channel.as_str()),
        Query::Channels(_) => matches!(row.text("state"), Some("requested" | "open" | "replaced")),
        Query::Link(link) => is(row, "link", link.as_str()),
        Query::Attempt(attempt) => is(row, "attempt", attempt),
        Query::Bookings(BookingFilter { status, resource, source, from, until }, _) => {
            is_or_any(row, "status", status.as_deref())
                && is_or_any(row, "resource", resource.as_deref())
                && is_or_any(row, "source", source.as_deref())
                && from.is_none_or(|from| row.text("blocks_until").is_some_and(|end| end > write_time(from).as_str()))
                && until.is_none_or(|until| before(row, "blocks_from", &write_time(until)))
        }
        Query::Links(LinkFilter { status, connection, resource, attention }, _) => {
            is_or_any(row, "status", status.as_deref())
                && is_or_any(row, "connection", connection.as_deref())
                && is_or_any(row, "resource", resource.as_deref())
                && (!attention || row.text("attention").is_some())
        }
        Query::Attempts(AttemptFilter { status, link, connection, direction }, _) => {
            is_or_any(row, "status", status.as_deref())
                && is_or_any(row, "link", link.as_deref())
                && is_or_any(row, "connection", connection.as_deref())
                && is_or_any(row, "direction", direction.as_deref())
        }
        Query::Approvals(status, _) | Query::Deliveries(status, _) => is_or_any(row, "status", status.as_deref()),
        Query::OpenCommands(_)
        | Query::Connections(_)
        | Query::Calendars(_)
        | Query::Cursors(_)
        | Query::DeadLetters(_)
        | Query::LinkOfEntry { .. }
        | Query::AttemptCounts
        | Query::LinkCounts
        | Query::Table(..)
        | Query::Health => true,
    }
}

/// The columns of `projections/attempts.sql`, statement `list`.
const ATTEMPT: [&str; 25] = [
    "attempt",
    "link",
    "booking",
    "number",
    "connection",
    "calendar",
    "direction",
    "operation",
    "status",
    "error_class",
    "error_group",
    "error_summary",
    "error_status",
    "error_reason",
    "retry_at",
    "verified",
    "remote",
    "generation",
    "booking_revision",
    "worker",
    "started_at",
    "finished_at",
    "correlation",
    "entries",
    "removals",
];

fn attempts(tables: &Tables) -> Vec<Row> {
    let links = by(all(tables, "links"), "link");
    let names: Arc<[String]> = ATTEMPT.map(str::to_owned).into();
    let joined = |row: &Row| {
        let link = row.text("link").and_then(|link| links.get(link));
        let of_link = |name: &str| link.map_or(Value::Null, |link| link.get(name).clone());
        let values = ATTEMPT.map(|name| match (name, row.get(name)) {
            ("booking", _) | ("connection" | "calendar", Value::Null) => of_link(name),
            (_, value) => value.clone(),
        });
        Row::new(Arc::clone(&names), values.to_vec())
    };
    all(tables, "attempts").iter().map(joined).collect()
}

fn attempt_counts(tables: &Tables) -> Vec<Row> {
    let connections = by(all(tables, "connections"), "connection");
    let groups = attempts(tables).into_iter().map(|row| {
        let connection = row.text("connection").and_then(|connection| connections.get(connection));
        let provider = connection.map_or(Value::Null, |connection| connection.get("provider").clone());
        let rest = ["direction", "operation", "status", "error_class"].map(|name| row.get(name).clone());
        [provider].into_iter().chain(rest).collect()
    });
    counted(&["provider", "direction", "operation", "status", "error_class"], groups)
}

fn counted(names: &[&str], groups: impl Iterator<Item = Vec<Value>>) -> Vec<Row> {
    let names: Arc<[String]> = names.iter().chain(&["count"]).map(|name| (*name).to_owned()).collect();
    let mut counts: BTreeMap<Vec<Value>, i64> = BTreeMap::new();
    for group in groups {
        *counts.entry(group).or_default() += 1;
    }
    let row = |(mut group, count): (Vec<Value>, i64)| {
        group.push(count.into());
        Row::new(Arc::clone(&names), group)
    };
    counts.into_iter().map(row).collect()
}

fn health(tables: &Tables) -> Row {
    let earliest = |table, column: &str, when: &dyn Fn(&Row) -> bool| {
        let rows = all(tables, table);
        rows.iter().filter(|row| when(row)).filter_map(|row| row.text(column)).min().map(str::to_owned)
    };
    let attempts = all(tables, "attempts");
    let succeeded = attempts.iter().filter(|row| is(*row, "status", "success"));
    let attention = all(tables, "links").iter().filter(|row| row.text("attention").is_some()).count();
    let cells: [(&str, Value); 6] = [
        ("oldest_due_at", earliest("links", "due_at", &|_| true).into()),
        ("last_success_at", succeeded.filter_map(|row| row.text("finished_at")).max().map(str::to_owned).into()),
        ("channel_expires_at", earliest("channels", "expires_at", &|row| is(row, "state", "open")).into()),
        ("pulled_at", earliest("calendars", "pulled_at", &|row| row.flag("selected")).into()),
        ("attention", (attention as u64).into()),
        ("dead_letters", (all(tables, "dead_letters").len() as u64).into()),
    ];
    Row::new(cells.iter().map(|(name, _)| (*name).to_owned()).collect(), cells.map(|(_, value)| value).to_vec())
}
