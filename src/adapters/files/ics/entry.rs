//! Parses one VEVENT.

use calcard::common::PartialDateTime;
use calcard::icalendar::{
    ICalendarComponent, ICalendarEntry, ICalendarParameterName as Parameter, ICalendarPeriod,
    ICalendarProperty as Property, ICalendarStatus, ICalendarValue,
};
use chrono::Datelike as _;
use chrono_tz::Tz;

use super::{
    rule::{Rule, Work},
    time::{Key, Length, When},
    zones::Zones,
};
use crate::adapters::files::{Options, Refusal, ResourceFrom, fields::PersonalTexts, resource};
use crate::domain::ids::ResourceId;

/// A VEVENT that can become one or more bookings.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub start: When,
    pub length: Length,
    /// The occurrence it replaces, and whether all later ones as well.
    pub replaces: Option<Replaces>,
    pub rules: Vec<Rule>,
    pub more: Vec<(When, Option<Length>)>,
    pub except: Vec<When>,
    pub words: PersonalTexts,
    pub resource: ResourceId,
    pub confirmed: bool,
    pub cancelled: bool,
    pub note: Option<String>,
}

/// What an entry with a `RECURRENCE-ID` replaces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replaces {
    pub original: When,
    pub key: Key,
    pub following: bool,
}

/// What is needed to parse an entry.
pub(super) struct Reader<'x, 'y> {
    pub zones: &'y mut Zones<'x>,
    pub options: &'y Options,
    pub work: &'y mut Work,
    note: Option<String>,
}

impl<'x, 'y> Reader<'x, 'y> {
    pub(super) fn new(zones: &'y mut Zones<'x>, options: &'y Options, work: &'y mut Work) -> Self {
        Self { zones, options, work, note: None }
    }

    /// Parses an entry.
    pub(super) fn read(mut self, component: &ICalendarComponent) -> Result<Entry, Refusal> {
        self.entry(component).map_err(Refusal::because)
    }

    fn entry(&mut self, component: &ICalendarComponent) -> Result<Entry, String> {
        if component.has_property(&Property::Exrule) {
            return Err("it has an exception rule (EXRULE), which is obsolete and not supported".to_owned());
        }
        let start = component.property(&Property::Dtstart).ok_or("it has no start (DTSTART)")?;
        let start = self.first("its start (DTSTART)", start, None)?;
        let length = self.length(component, &start)?;
        let replaces = match component.property(&Property::RecurrenceId) {
            Some(entry) => {
                let original = self.first("its RECURRENCE-ID", entry, Some(start.zone()))?;
                let key = original.key().ok_or("its RECURRENCE-ID is out of range")?;
                Some(Replaces { original, key, following: entry.has_parameter(&Parameter::Range) })
            }
            None => None,
        };
        let (mut rules, mut more, mut except) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &component.entries {
            match &entry.name {
                Property::Rrule => rules.extend(Self::rules(entry, &start)?),
                Property::Rdate => more.extend(self.dates(entry, &start)?),
                Property::Exdate => except.extend(self.dates(entry, &start)?.into_iter().map(|(at, _)| at)),
                _ => {}
            }
        }
        let status = component.status();
        Ok(Entry {
            start,
            length,
            replaces,
            rules,
            more,
            except,
            words: words(component),
            resource: self.resource(component)?,
            confirmed: !matches!(status, Some(ICalendarStatus::Tentative)),
            cancelled: matches!(status, Some(ICalendarStatus::Cancelled)),
            note: self.note.take(),
        })
    }

    fn length(&mut self, component: &ICalendarComponent, start: &When) -> Result<Length, String> {
        let duration = component.property(&Property::Duration).and_then(|entry| entry.values.first());
        match (component.property(&Property::Dtend), duration) {
            (Some(entry), _) => {
                let end = self.first("its end (DTEND)", entry, Some(start.zone()))?;
                Length::between(start, &end)
            }
            (None, Some(ICalendarValue::Duration(duration))) => Length::lasting(start, duration),
            (None, Some(_)) => Err("its DURATION is invalid".to_owned()),
            (None, None) if matches!(start, When::Day(_)) => Ok(Length::Days(1)),
            (None, None) => Err("it has neither an end (DTEND) nor a DURATION: a booking needs a length".to_owned()),
        }
    }

    fn rules(entry: &ICalendarEntry, start: &When) -> Result<Vec<Rule>, String> {
        let rule = |value: &ICalendarValue| match value {
            ICalendarValue::RecurrenceRule(rule) => Rule::new(rule, start.civil(), start.zone()),
            _ => Err("its rule (RRULE) could not be read".to_owned()),
        };
        entry.values.iter().map(rule).collect()
    }

    fn dates(&mut self, entry: &ICalendarEntry, start: &When) -> Result<Vec<(When, Option<Length>)>, String> {
        let near = Some(start.zone());
        let mut dates = Vec::with_capacity(entry.values.len());
        for value in &entry.values {
            dates.push(match value {
                ICalendarValue::PartialDateTime(at) => (self.when("a date", entry, at, near)?, None),
                ICalendarValue::Period(ICalendarPeriod::Range { start, end }) => {
                    let from = self.when("a date", entry, start, near)?;
                    let until = self.when("a date", entry, end, near)?;
                    (from, Some(Length::between(&from, &until)?))
                }
                ICalendarValue::Period(ICalendarPeriod::Duration { start, duration }) => {
                    let from = self.when("a date", entry, start, near)?;
                    (from, Some(Length::lasting(&from, duration)?))
                }
                // Some programs write an empty list.
                ICalendarValue::Text(text) if text.trim().is_empty() => continue,
                _ => return Err(format!("its {} could not be read", entry.name.as_str())),
            });
        }
        Ok(dates)
    }

    fn first(&mut self, what: &str, entry: &ICalendarEntry, near: Option<Tz>) -> Result<When, String> {
        match entry.values.first() {
            Some(ICalendarValue::PartialDateTime(at)) => self.when(what, entry, at, near),
            _ => Err(format!("{what} could not be read")),
        }
    }

    /// Parses a time. `near` is the time zone of the entry's start, for other times without one.
    fn when(
        &mut self,
        what: &str,
        entry: &ICalendarEntry,
        at: &PartialDateTime,
        near: Option<Tz>,
    ) -> Result<When, String> {
        let read = at.to_date_time().ok_or_else(|| format!("{what} is a date or time that does not exist"))?;
        if !at.has_time() {
            return Ok(When::Day(read.date_time.date()));
        }
        if let Some(offset) = read.offset {
            let utc = read.date_time.checked_sub_offset(offset).ok_or_else(|| format!("{what} is out of range"))?;
            return Ok(When::At { civil: utc, zone: Tz::UTC });
        }
        let name = entry.tz_id().map(str::trim).filter(|name| !name.is_empty());
        let zone = match name {
            Some(name) => {
                let resolved = self.zones.resolve(name, read.date_time.year(), self.work)?;
                if self.note.is_none() {
                    self.note = resolved.note;
                }
                resolved.zone
            }
            None => {
                near.or(self.zones.default).ok_or_else(|| format!("{what} has no time zone: pass one with --zone"))?
            }
        };
        Ok(When::At { civil: read.date_time, zone })
    }

    fn resource(&self, component: &ICalendarComponent) -> Result<ResourceId, String> {
        let own = text(component, &Property::Other("X-SYNCLEDGER-RESOURCE".to_owned()));
        let named = match self.options.resource_from {
            ResourceFrom::Option => None,
            ResourceFrom::Location => text(component, &Property::Location),
            ResourceFrom::Resources => match component.property(&Property::Resources) {
                Some(entry) if entry.values.len() > 1 => return Err("its RESOURCES contain more than one".to_owned()),
                Some(_) | None => text(component, &Property::Resources),
            },
        };
        resource(own.or(named), self.options).map_err(|refused| refused.reason)
    }
}

/// The first value of a property, if it is a non-empty text.
pub(super) fn text<'c>(component: &'c ICalendarComponent, property: &Property) -> Option<&'c str> {
    let value = component.property(property)?.values.first()?;
    value.as_text().map(str::trim).filter(|text| !text.is_empty())
}

/// Title, notes and customer. The customer is the only attendee; of several, nobody can tell which one.
fn words(component: &ICalendarComponent) -> PersonalTexts {
    let organizer = component.property(&Property::Organizer).and_then(ICalendarEntry::calendar_address);
    let mut invited = component.properties(&Property::Attendee).filter(|entry| {
        let kind = entry.parameter(&Parameter::Cutype).and_then(|kind| kind.as_text()).unwrap_or("INDIVIDUAL");
        let same = organizer.zip(entry.calendar_address()).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other));
        kind.eq_ignore_ascii_case("INDIVIDUAL") && !same
    });
    let customer = invited.next().filter(|_| invited.next().is_none());
    PersonalTexts {
        title: text(component, &Property::Summary).map(str::to_owned),
        notes: text(component, &Property::Description).map(str::to_owned),
        customer_name: customer
            .and_then(|entry| entry.parameter(&Parameter::Cn)?.as_text())
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty()),
        customer_email: customer
            .and_then(ICalendarEntry::calendar_address)
            .filter(|address| address.contains('@'))
            .map(|address| address.trim().to_owned()),
        customer_phone: None,
    }
}
