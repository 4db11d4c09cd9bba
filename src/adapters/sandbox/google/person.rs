//! Actions of people in Google's own interface, and its state: without HTTP, tokens or quotas.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    Google,
    entry::{Entry, id_of},
    when,
};

/// The calendar has no live entry with that id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("calendar {calendar} has no live entry {id}")]
pub struct NoSuchEntry {
    /// The calendar.
    pub calendar: String,
    /// The entry.
    pub id: String,
}

impl Google {
    /// Every live entry of a calendar, as its resource, in the order they were made.
    pub fn entries(&self, calendar: &str) -> Vec<&Map<String, Value>> {
        let entries = self.calendars.get(calendar).into_iter().flat_map(|c| c.entries.values());
        let mut live: Vec<&Entry> = entries.filter(|e| !e.deleted()).collect();
        live.sort_by_key(|e| e.made);
        live.into_iter().map(|e| &e.resource).collect()
    }

    /// The live entries of a calendar that carry a private property.
    pub fn entries_with(&self, calendar: &str, name: &str, value: &str) -> Vec<&Map<String, Value>> {
        let carries = |e: &&Map<String, Value>| {
            e.get("extendedProperties").and_then(|p| p["private"][name].as_str()) == Some(value)
        };
        self.entries(calendar).into_iter().filter(carries).collect()
    }

    /// One entry, deleted or not.
    pub fn entry(&self, calendar: &str, id: &str) -> Option<&Map<String, Value>> {
        self.calendars.get(calendar)?.entries.get(id).map(|e| &e.resource)
    }

    /// Every calendar that is not gone, by id.
    pub fn calendar_ids(&self) -> Vec<&str> {
        self.calendars.values().filter(|c| !c.gone).map(|c| c.id.as_str()).collect()
    }

    /// A person moves an entry to other times.
    ///
    /// # Errors
    /// [`NoSuchEntry`].
    pub fn move_entry(
        &mut self,
        calendar: &str,
        id: &str,
        starts_at: DateTime<Utc>,
        ends_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), NoSuchEntry> {
        self.edit(calendar, id, now, |resource, zone| {
            for (key, instant) in [("start", starts_at), ("end", ends_at)] {
                let named = resource.get(key).and_then(|s| s.get("timeZone")).cloned();
                let named = named.unwrap_or_else(|| json!(zone.name()));
                resource
                    .insert(key.into(), json!({"dateTime": when::format_instant(instant, zone), "timeZone": named}));
            }
            let sequence = resource.get("sequence").and_then(Value::as_i64).unwrap_or(0);
            resource.insert("sequence".into(), json!(sequence + 1));
        })
    }

    /// A person gives an entry another title.
    ///
    /// # Errors
    /// [`NoSuchEntry`].
    pub fn rename_entry(
        &mut self,
        calendar: &str,
        id: &str,
        summary: &str,
        now: DateTime<Utc>,
    ) -> Result<(), NoSuchEntry> {
        self.edit(calendar, id, now, |resource, _| {
            resource.insert("summary".into(), json!(summary));
        })
    }

    /// Removes an entry's private properties, including our marker.
    ///
    /// # Errors
    /// [`NoSuchEntry`].
    pub fn strip_marker(&mut self, calendar: &str, id: &str, now: DateTime<Utc>) -> Result<(), NoSuchEntry> {
        self.edit(calendar, id, now, |resource, _| {
            if let Some(Value::Object(properties)) = resource.get_mut("extendedProperties") {
                properties.remove("private");
            }
        })
    }

    /// A person deletes an entry.
    ///
    /// # Errors
    /// [`NoSuchEntry`].
    pub fn delete_entry(&mut self, calendar: &str, id: &str, now: DateTime<Utc>) -> Result<(), NoSuchEntry> {
        self.live_entry(calendar, id)?;
        self.bury(calendar, id, now);
        Ok(())
    }

    /// A person restores a deleted entry.
    ///
    /// # Errors
    /// [`NoSuchEntry`] where there is no deleted entry of that id.
    pub fn undelete_entry(&mut self, calendar: &str, id: &str, now: DateTime<Utc>) -> Result<(), NoSuchEntry> {
        let buried = self.calendars.get(calendar).and_then(|c| c.entries.get(id)).filter(|e| e.deleted());
        let Some(mut entry) = buried.cloned() else {
            return Err(NoSuchEntry { calendar: calendar.into(), id: id.into() });
        };
        entry.resource.insert("status".into(), json!("confirmed"));
        self.keep(calendar, id, entry, now);
        Ok(())
    }

    /// A person duplicates an entry; private properties go along. Gives the copy's id.
    ///
    /// # Errors
    /// [`NoSuchEntry`].
    pub fn copy_entry(&mut self, calendar: &str, id: &str, now: DateTime<Utc>) -> Result<String, NoSuchEntry> {
        let mut resource = self.live_entry(calendar, id)?.resource.clone();
        for key in ["id", "iCalUID", "htmlLink", "created", "creator", "organizer", "sequence"] {
            resource.remove(key);
        }
        Ok(self.add_made_by_hand(calendar, resource, now))
    }

    /// A person creates an entry that is not ours. Returns its id; if the calendar does not exist, nothing is
    /// created and the id refers to nothing.
    pub fn create_entry(
        &mut self,
        calendar: &str,
        summary: &str,
        starts_at: DateTime<Utc>,
        ends_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> String {
        let zone = self.calendars.get(calendar).map_or(chrono_tz::UTC, |c| c.time_zone);
        let mut resource = Map::new();
        resource.insert("summary".into(), json!(summary));
        for (key, instant) in [("start", starts_at), ("end", ends_at)] {
            resource
                .insert(key.into(), json!({"dateTime": when::format_instant(instant, zone), "timeZone": zone.name()}));
        }
        self.add_made_by_hand(calendar, resource, now)
    }

    fn add_made_by_hand(&mut self, calendar: &str, resource: Map<String, Value>, now: DateTime<Utc>) -> String {
        let id = id_of(self.chance(), self.chance());
        // The answer is for callers of the API.
        drop(self.add_entry(calendar, id.clone(), &format!("{id}@google.com"), resource, now));
        id
    }

    fn live_entry(&self, calendar: &str, id: &str) -> Result<&Entry, NoSuchEntry> {
        let entry = self.calendars.get(calendar).and_then(|c| c.entries.get(id)).filter(|e| !e.deleted());
        entry.ok_or_else(|| NoSuchEntry { calendar: calendar.into(), id: id.into() })
    }

    fn edit(
        &mut self,
        calendar: &str,
        id: &str,
        now: DateTime<Utc>,
        change: impl FnOnce(&mut Map<String, Value>, chrono_tz::Tz),
    ) -> Result<(), NoSuchEntry> {
        let mut entry = self.live_entry(calendar, id)?.clone();
        let zone = self.calendars.get(calendar).map_or(chrono_tz::UTC, |c| c.time_zone);
        change(&mut entry.resource, zone);
        self.keep(calendar, id, entry, now);
        Ok(())
    }
}
