//! Where things go: routes, providers and sources, as configuration says.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    domain::{
        ids::{BookingId, CalendarKey, ConnectionId, LinkId, ProfileId, ResourceId, SourceName},
        link::LinkRef,
        profile::Profile,
    },
    ports::{provider::CalendarProvider, source::BookingSource},
};

/// A resource's way to a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What is booked.
    pub resource: ResourceId,
    /// Where it shows.
    pub calendar: CalendarKey,
    /// Under which policy.
    pub profile: ProfileId,
}

/// All of it.
#[derive(Clone, Default)]
pub struct Routing {
    /// Routes.
    pub routes: Vec<Route>,
    /// Policies by name, as published.
    pub profiles: BTreeMap<ProfileId, Profile>,
    /// Connections by name.
    pub providers: BTreeMap<ConnectionId, Arc<dyn CalendarProvider>>,
    /// Sources that want changes written back, by name.
    pub sources: BTreeMap<SourceName, Arc<dyn BookingSource>>,
}

impl Routing {
    /// The links that a booking of `resource` should have.
    pub fn links(&self, booking: &BookingId, appointment: &str, resource: &ResourceId) -> Vec<LinkRef> {
        self.routes
            .iter()
            .filter(|route| route.resource == *resource)
            .map(|route| LinkRef {
                link: LinkId::of(booking, &route.calendar),
                booking: booking.clone(),
                appointment: appointment.to_owned(),
                calendar: route.calendar.clone(),
                resource: route.resource.clone(),
                profile: route.profile.clone(),
            })
            .collect()
    }

    /// Whether `resource` leads to `calendar`.
    pub fn leads(&self, resource: &ResourceId, calendar: &CalendarKey) -> bool {
        self.routes.iter().any(|route| route.resource == *resource && route.calendar == *calendar)
    }

    /// The calendars that routes lead to, each once.
    pub fn calendars(&self) -> Vec<CalendarKey> {
        let mut keys: Vec<CalendarKey> = self.routes.iter().map(|route| route.calendar.clone()).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// The policy for entries of `calendar`: that of the first route that leads there.
    pub fn profile_of(&self, calendar: &CalendarKey) -> Option<&Profile> {
        let route = self.routes.iter().find(|route| route.calendar == *calendar)?;
        self.profiles.get(&route.profile)
    }
}
