//! Routes, profiles, providers and sources, as configured.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    domain::{
        ids::{BookingId, CalendarKey, ConnectionId, LinkId, ProfileId, ResourceId, SourceName},
        link::LinkRef,
        profile::Profile,
    },
    ports::{provider::CalendarProvider, source::BookingSource},
};

/// Shows the bookings of a resource on a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The resource.
    pub resource: ResourceId,
    /// The calendar.
    pub calendar: CalendarKey,
    /// The policy that applies.
    pub profile: ProfileId,
}

/// All routes, with everything they refer to.
#[derive(Clone, Default)]
pub struct Routing {
    /// The routes.
    pub routes: Vec<Route>,
    /// Policies by name, as published.
    pub profiles: BTreeMap<ProfileId, Profile>,
    /// Providers by connection id.
    pub providers: BTreeMap<ConnectionId, Arc<dyn CalendarProvider>>,
    /// Sources that accept changes, by name.
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

    /// Whether a route leads from `resource` to `calendar`.
    pub fn leads(&self, resource: &ResourceId, calendar: &CalendarKey) -> bool {
        self.routes.iter().any(|route| route.resource == *resource && route.calendar == *calendar)
    }

    /// The calendars of all routes, without duplicates.
    pub fn calendars(&self) -> Vec<CalendarKey> {
        let mut keys: Vec<CalendarKey> = self.routes.iter().map(|route| route.calendar.clone()).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// The policy for entries of `calendar`: that of its first route.
    pub fn profile_of(&self, calendar: &CalendarKey) -> Option<&Profile> {
        let route = self.routes.iter().find(|route| route.calendar == *calendar)?;
        self.profiles.get(&route.profile)
    }
}
