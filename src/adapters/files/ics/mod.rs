//! iCalendar: every VEVENT is a booking, and so is every occurrence of a recurring one.

mod entry;
mod rule;
mod series;
mod shape;
mod time;
mod zones;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry as Slot};

use calcard::{
    Entry as Parsed, Parser,
    common::{IanaString as _, PartialDateTime},
    icalendar::{
        ICalendar, ICalendarComponent, ICalendarComponentType as Type, ICalendarMethod as Method,
        ICalendarProperty as Property, ICalendarValue,
    },
};
use chrono_tz::Tz;

use self::{
    entry::{Entry, Reader, text},
    rule::Work,
    series::{Occurrence, expand, repeats},
    zones::Zones,
};
use super::{ENTRIES_MAX, Line, OCCURRENCES_FILE_MAX, OCCURRENCES_MAX, Options, Refusal, excerpt, fields};
use crate::domain::booking::Snapshot;

/// The report on an iCalendar file.
pub(super) fn lines(name: &str, content: &str, options: &Options) -> Vec<Line> {
    let shape = match shape::of(content) {
        Ok(shape) => shape,
        Err((line, reason)) => return vec![Line::refused(format!("{name}:{line}"), reason)],
    };
    if shape.entries > ENTRIES_MAX {
        return vec![Line::refused(name, format!("a file may contain at most {ENTRIES_MAX} entries"))];
    }
    let mut parser = Parser::new(content);
    let mut calendars = Vec::new();
    let mut report = Report::new(name, options);
    let mut stray = false;
    loop {
        match parser.entry() {
            Parsed::ICalendar(calendar) => calendars.push(calendar),
            Parsed::VCard(_) => report.push(Line::refused(name, "a vCard is not a booking")),
            Parsed::Eof => break,
            Parsed::TooManyComponents => {
                report.push(Line::refused(name, "the file has too many components"));
                break;
            }
            // Lines outside of a calendar, and anything a later calcard may report. Mentioned once.
            _ => stray = true,
        }
    }
    let last = calendars.len();
    for (place, calendar) in (1..).zip(&calendars) {
        report.calendar(calendar, shape.cut && place == last);
    }
    let read = calendars.iter().flat_map(|calendar| &calendar.components);
    let read = read.filter(|component| component.component_type == Type::VEvent).count();
    if read < shape.entries {
        let missing = shape.entries - read;
        report.push(Line::refused(name, format!("{missing} more entries in the file could not be read")));
    }
    if stray {
        report.push(Line::refused(name, "the file has lines outside of a calendar"));
    }
    report.lines
}

/// The report on a file so far.
struct Report<'o> {
    name: &'o str,
    options: &'o Options,
    lines: Vec<Line>,
    /// Source ids used so far: a second booking with the same one would overwrite the first.
    taken: BTreeSet<String>,
    occurrences_left: usize,
    work: Work,
}

/// Properties of the calendar that affect its entries.
#[derive(Clone, Copy)]
struct CalendarContext {
    /// Time zone in which times written in UTC are shown.
    shown_in: Option<Tz>,
    /// Whether all of its entries are cancelled (`METHOD:CANCEL`).
    cancelled: bool,
}

impl<'o> Report<'o> {
    fn new(name: &'o str, options: &'o Options) -> Self {
        Self {
            name,
            options,
            lines: Vec::new(),
            taken: BTreeSet::new(),
            occurrences_left: OCCURRENCES_FILE_MAX,
            work: Work::new(),
        }
    }

    fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    fn refuse(&mut self, place: &str, reason: impl Into<String>) {
        let at = format!("{}:{}", self.name, excerpt(place));
        self.push(Line::refused(at, reason));
    }

    /// Reports on one calendar. `cut`: the file ends within its last entry.
    fn calendar(&mut self, file: &ICalendar, cut: bool) {
        let mut entries: Vec<&ICalendarComponent> = Vec::new();
        for component in &file.components {
            match &component.component_type {
                Type::VEvent => entries.push(component),
                Type::VTodo | Type::VJournal | Type::VFreebusy | Type::VAvailability => {
                    let uid = text(component, &Property::Uid).unwrap_or("(no UID)");
                    self.refuse(uid, format!("a {} is not a booking", component.component_type.as_str()));
                }
                _ => {}
            }
        }
        let method = file.components.first().and_then(|root| root.property(&Property::Method)?.values.first());
        if let Some(ICalendarValue::Method(
            method @ (Method::Reply | Method::Refresh | Method::Counter | Method::Declinecounter | Method::Add),
        )) = method
        {
            let reason = format!("the file is a message about an invitation ({}), not a calendar", method.as_str());
            self.push(Line::refused(self.name, reason));
            return;
        }
        if cut && entries.pop().is_some() {
            self.push(Line::refused(self.name, "the file ends in the middle of its last entry, which was left out"));
        }
        let mut zones = Zones::new(file, self.options.zone);
        let calendar_context = CalendarContext {
            shown_in: wr_timezone(file).or(self.options.zone),
            cancelled: matches!(method, Some(ICalendarValue::Method(Method::Cancel))),
        };
        for (uid, group) in self.grouped(entries) {
            self.group(uid, group, &mut zones, calendar_context);
        }
    }

    /// The entries by UID, ordered by the first occurrence of each UID.
    fn grouped<'c>(&mut self, entries: Vec<&'c ICalendarComponent>) -> Vec<(&'c str, Vec<&'c ICalendarComponent>)> {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut groups: Vec<(&str, Vec<&ICalendarComponent>)> = Vec::new();
        for (number, entry) in (1..).zip(entries) {
            match text(entry, &Property::Uid) {
                None => self.refuse(
                    &format!("entry {number}"),
                    "it has no UID, which is needed to recognise it in later imports",
                ),
                Some(uid) => {
                    let place = *places.entry(uid).or_insert(groups.len());
                    match groups.get_mut(place) {
                        Some((_, group)) => group.push(entry),
                        None => groups.push((uid, vec![entry])),
                    }
                }
            }
        }
        groups
    }

    /// Reports on all entries with one UID.
    fn group(
        &mut self,
        uid: &str,
        group: Vec<&ICalendarComponent>,
        zones: &mut Zones<'_>,
        calendar_context: CalendarContext,
    ) {
        if let Err(refused) = fields::source_ref(uid.to_owned()) {
            self.refuse(uid, refused.reason);
            return;
        }
        // By the occurrence they replace; `None` for the series itself, or an entry that does not recur.
        let mut versions: BTreeMap<Option<time::Key>, (Rank, Entry)> = BTreeMap::new();
        for (place, component) in group.into_iter().enumerate() {
            let rank = rank(component, place);
            match Reader::new(zones, self.options, &mut self.work).read(component) {
                Err(refused) => self.refuse(uid, refused.reason),
                Ok(entry) => match versions.entry(entry.replaces.map(|what| what.key)) {
                    Slot::Vacant(free) => drop(free.insert((rank, entry))),
                    Slot::Occupied(mut taken) => {
                        if rank > taken.get().0 {
                            taken.insert((rank, entry));
                        }
                        self.refuse(uid, "the file has a newer version of this entry");
                    }
                },
            }
        }
        let master = versions.remove(&None);
        let changed: Vec<Entry> = versions.into_values().map(|(_, entry)| entry).collect();
        match master {
            Some((_, master)) if repeats(&master) => self.series(uid, &master, &changed, calendar_context),
            Some((_, master)) => {
                self.booking(uid.to_owned(), &Occurrence::alone(&master), calendar_context);
                self.changes(uid, &changed, calendar_context);
            }
            None => self.changes(uid, &changed, calendar_context),
        }
    }

    /// Changed occurrences of a series that is not in the file.
    fn changes(&mut self, uid: &str, changed: &[Entry], calendar_context: CalendarContext) {
        for entry in changed {
            let Some(what) = entry.replaces else { continue };
            let one = Occurrence { start: entry.start, length: entry.length, like: entry, key: Some(what.key) };
            self.booking(format!("{uid}/{}", what.key), &one, calendar_context);
        }
    }

    fn series(&mut self, uid: &str, master: &Entry, changed: &[Entry], calendar_context: CalendarContext) {
        let window = self.options.window;
        let days = format!("between {} and {}", window.from.date_naive(), window.until.date_naive());
        let found = match expand(master, changed, window, &mut self.work) {
            Ok(found) => found,
            Err(reason) => return self.refuse(uid, reason),
        };
        if found.occurrences.is_empty() {
            return self.refuse(uid, format!("it recurs, but never {days}, the range that is imported"));
        }
        for occurrence in &found.occurrences {
            let Some(left) = self.occurrences_left.checked_sub(1) else {
                let reason =
                    format!("the recurring entries of a file can become at most {OCCURRENCES_FILE_MAX} bookings");
                return self.refuse(uid, reason);
            };
            self.occurrences_left = left;
            let key = occurrence.key.map(|key| key.to_string()).unwrap_or_default();
            self.booking(format!("{uid}/{key}"), occurrence, calendar_context);
        }
        if found.cut {
            let reason = format!("it recurs more than {OCCURRENCES_MAX} times {days}: the rest was left out");
            self.refuse(uid, reason);
        }
    }

    fn booking(&mut self, source_ref: String, occurrence: &Occurrence<'_>, calendar_context: CalendarContext) {
        let place = source_ref.clone();
        if !self.taken.insert(source_ref.clone()) {
            return self.refuse(&place, "a booking with this UID is earlier in the file");
        }
        let at = format!("{}:{}", self.name, excerpt(&place));
        let note = occurrence.like.note.clone();
        self.lines
            .push(Line { note, ..Line::of(at, snapshot(source_ref, occurrence, self.options, calendar_context)) });
    }
}

fn snapshot(
    source_ref: String,
    occurrence: &Occurrence<'_>,
    options: &Options,
    calendar_context: CalendarContext,
) -> Result<Snapshot, Refusal> {
    let like = occurrence.like;
    Ok(Snapshot {
        source: options.source.clone(),
        resource: like.resource.clone(),
        slot: occurrence.start.slot(occurrence.length, calendar_context.shown_in).map_err(Refusal::because)?,
        details: like.words.clone().details(&options.source, &source_ref)?,
        source_ref,
        confirmed: like.confirmed,
        cancelled: like.cancelled || calendar_context.cancelled,
    })
}

/// How new a version of an entry is: SEQUENCE, then DTSTAMP, then the order in the file.
type Rank = (i64, i64, usize);

fn rank(component: &ICalendarComponent, place: usize) -> Rank {
    let first = |property| component.property(&property).and_then(|entry| entry.values.first());
    let sequence = first(Property::Sequence).and_then(ICalendarValue::as_integer).unwrap_or(0);
    let stamp = first(Property::Dtstamp).and_then(ICalendarValue::as_partial_date_time);
    let stamp =
        stamp.and_then(PartialDateTime::to_date_time).map_or(i64::MIN, |read| read.date_time.and_utc().timestamp());
    (sequence, stamp, place)
}

/// The time zone a calendar is shown in, according to the program that wrote it.
fn wr_timezone(file: &ICalendar) -> Option<Tz> {
    let property = Property::Other("X-WR-TIMEZONE".to_owned());
    text(file.components.first()?, &property)?.parse().ok()
}
