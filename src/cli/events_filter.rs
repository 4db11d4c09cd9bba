//! Filters for events. All given conditions must hold.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::Value;

use super::CliError;
use crate::{
    domain::ids::short_hash,
    record::{
        envelope::{Origin, StoredEvent},
        stream::Category,
    },
    services::models::past::AsOf,
};

#[derive(Debug, Clone, Default, Args)]
pub struct Filter {
    /// Only these event types (booking.cancelled) or categories (booking). Repeatable
    #[arg(long = "type", value_name = "T", value_delimiter = ',')]
    kinds: Vec<String>,
    /// Only events in this stream
    #[arg(long = "in", value_name = "STREAM")]
    within: Option<String>,
    /// Only events by this actor: a kind (operator), or kind and id (operator:kim)
    #[arg(long, value_name = "KIND[:ID]")]
    actor: Option<String>,
    /// Only events with this origin: api, webhook, poll, provider, device, reconciler, admin, import
    #[arg(long, value_name = "O", value_parser = origin)]
    origin: Option<Origin>,
    /// Only events with this correlation id
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// Only events about this booking: its own, its links', and others that name it
    #[arg(long, value_name = "ID")]
    booking: Option<String>,
    /// Only events about this link
    #[arg(long, value_name = "ID")]
    link: Option<String>,
    /// Only events recorded at or after this time (2026-05-03T10:00; UTC unless an offset is given)
    #[arg(long, value_name = "T", value_parser = instant)]
    recorded_from: Option<DateTime<Utc>>,
    /// Only events recorded before this time
    #[arg(long, value_name = "T", value_parser = instant)]
    recorded_until: Option<DateTime<Utc>>,
    /// Only events that took effect at or after this time
    #[arg(long, value_name = "T", value_parser = instant)]
    effective_from: Option<DateTime<Utc>>,
    /// Only events that took effect before this time
    #[arg(long, value_name = "T", value_parser = instant)]
    effective_until: Option<DateTime<Utc>>,
}

fn origin(name: &str) -> Result<Origin, String> {
    Origin::parse(name).ok_or_else(|| {
        let names: Vec<&str> = Origin::ALL.iter().map(|(_, name)| *name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    match text.parse() {
        Ok(AsOf::Instant(at)) => Ok(at),
        Ok(AsOf::Position(_)) | Err(_) => {
            Err("expected a time such as 2026-05-03T10:00, in UTC unless an offset is given".into())
        }
    }
}

impl Filter {
    /// Checks that the requested types exist.
    ///
    /// # Errors
    /// A type whose category does not exist.
    pub fn check(&self) -> Result<(), CliError> {
        for kind in &self.kinds {
            let category = kind.split('.').next().unwrap_or_default();
            if !Category::ALL.iter().any(|known| known.as_str() == category) {
                let names: Vec<&str> = Category::ALL.iter().map(|known| known.as_str()).collect();
                return Err(CliError::usage(format!(
                    "unknown event type {kind:?}: types begin with one of {}",
                    names.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// Whether the event matches all conditions.
    pub fn fits(&self, recorded: &StoredEvent) -> bool {
        let event = &recorded.event;
        let at_or_after = |from: Option<DateTime<Utc>>, at| from.is_none_or(|from| at >= from);
        let before = |until: Option<DateTime<Utc>>, at| until.is_none_or(|until| at < until);
        self.fits_kind(&event.kind)
            && self.within.as_ref().is_none_or(|wanted| recorded.stream.to_string() == *wanted)
            && self.actor.as_ref().is_none_or(|wanted| {
                *wanted == event.actor.kind || *wanted == format!("{}:{}", event.actor.kind, event.actor.id)
            })
            && self.origin.is_none_or(|wanted| event.origin == wanted)
            && self.correlation.as_ref().is_none_or(|wanted| event.correlation.as_str() == wanted)
            && at_or_after(self.recorded_from, event.recorded_at)
            && before(self.recorded_until, event.recorded_at)
            && at_or_after(self.effective_from, event.effective_at)
            && before(self.effective_until, event.effective_at)
            && self.booking.as_ref().is_none_or(|booking| about_booking(recorded, booking))
            && self.link.as_ref().is_none_or(|link| about_link(recorded, link))
    }

    fn fits_kind(&self, actual: &str) -> bool {
        let category = actual.split('.').next().unwrap_or_default();
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == actual || wanted == category)
    }
}

fn about_booking(recorded: &StoredEvent, booking: &str) -> bool {
    let stream = &recorded.stream;
    if stream.category == Category::Booking {
        return stream.id == booking;
    }
    let of_booking = |link: &str| {
        // `LinkId::of`: the booking's id, or the hash that replaces a long one, and eight digits for the calendar.
        link.rsplit_once('.').is_some_and(|(of, _)| of == booking || of == format!("~{}", short_hash(&[booking], 32)))
    };
    if stream.category == Category::Link {
        return of_booking(&stream.id);
    }
    names(&recorded.event.data, &|key, value| match key {
        "booking" => value == booking,
        "link" => of_booking(value),
        _ => false,
    })
}

fn about_link(recorded: &StoredEvent, link: &str) -> bool {
    if recorded.stream.category == Category::Link {
        return recorded.stream.id == link;
    }
    names(&recorded.event.data, &|key, value| matches!(key, "link" | "links") && value == link)
}

/// Whether a field of the data, at any depth, has such a name and value. Items of a list take the list's name.
fn names(data: &str, so: &dyn Fn(&str, &str) -> bool) -> bool {
    fn look(name: &str, value: &Value, so: &dyn Fn(&str, &str) -> bool) -> bool {
        match value {
            Value::String(text) => so(name, text),
            Value::Array(items) => items.iter().any(|item| look(name, item, so)),
            Value::Object(fields) => fields.iter().any(|(name, value)| look(name, value, so)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    serde_json::from_str(data).is_ok_and(|data: Value| look("", &data, so))
}
