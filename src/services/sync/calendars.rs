//! Remote calendars folded from their streams. The fold is cached, since these streams grow long.

use std::collections::BTreeMap;

use futures::lock::Mutex;

use crate::{
    domain::{
        calendar::{self, Calendar, Event},
        event,
        ids::{CalendarKey, Version},
    },
    ports::event_store::ExpectedVersion,
    record::stream::StreamName,
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// Folded calendars by key.
#[derive(Default)]
pub struct Calendars {
    folded: Mutex<BTreeMap<CalendarKey, (Calendar, Option<Version>)>>,
}

impl Calendars {
    /// A calendar up to the end of its stream, and the version of its last event.
    ///
    /// # Errors
    /// The ledger is not available.
    pub async fn load(&self, journal: &Journal, key: &CalendarKey) -> Result<(Calendar, Option<Version>), Error> {
        let mut folded = self.folded.lock().await;
        let (mut state, mut version) = folded.get(key).cloned().unwrap_or_default();
        let from = version.map_or(Version(0), Version::next);
        for decoded in journal.stream(&StreamName::calendar(key), from).await? {
            version = Some(decoded.recorded.version);
            if let event::Event::Calendar(event) = &decoded.event {
                state = calendar::evolve(state, event, decoded.recorded.event.recorded_at);
            }
        }
        folded.insert(key.clone(), (state.clone(), version));
        Ok((state, version))
    }
}

/// Appends to a calendar's stream if it is still at `version`; `false` if it is not.
///
/// # Errors
/// The ledger is not available.
pub async fn claim(
    journal: &Journal,
    key: &CalendarKey,
    version: Option<Version>,
    fact: Event,
    context: &Context,
) -> Result<bool, Error> {
    match journal.append(&StreamName::calendar(key), ExpectedVersion::after(version), vec![fact], context).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}
