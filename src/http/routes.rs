//! The route table: every endpoint, and who may call it. The router, the role checks and `/openapi.json` are made from
//! it, so an endpoint that is not in the table does not exist, and one without access rules is closed.

use super::{
    approvals, attempts, audit,
    auth::{ADMINS, AUDITORS, BOOKING_READERS, BOOKING_WRITERS, OPERATORS, READERS, STATUS_READERS},
    bookings, events, health, links, lists,
    problem::Success,
    resync,
    route::{Access, Route, Shape, Verb},
    story, subjects, webhooks,
};

/// How USchedule's webhooks are authenticated.
const SIGNED_DELIVERY: Access = Access::Signed(
    "Signed by the source: HMAC-SHA256 over delivery id, time and body, sent within five minutes. No API token.",
);
/// How Google's notifications are authenticated.
const CHANNEL_TOKEN: Access =
    Access::Signed("Authenticated by the id, token and resource of a push channel that we opened. No API token.");

/// Every route.
pub fn table() -> Vec<Route> {
    [machines(), hooks(), bookings(), booking_changes(), mapping(), log(), proofs(), states(), admin()].concat()
}

fn machines() -> Vec<Route> {
    let metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    vec![
        Route::new(Verb::Get, "/health", "getHealth", "Health of the service, with reasons", health::show)
            .access(Access::Open)
            .answers::<crate::services::operators::health::Health>(Success::Ok)
            .answers::<crate::services::operators::health::Health>(Success::Failing),
        Route::new(Verb::Get, "/metrics", "getMetrics", "Metrics for Prometheus", health::metrics)
            .access(Access::Open)
            .shaped(Success::Ok, Shape::Text(metrics)),
        Route::new(Verb::Get, "/openapi.json", "getOpenapi", "This document", health::openapi)
            .access(Access::Open)
            .answers::<serde_json::Map<String, serde_json::Value>>(Success::Ok),
    ]
}

fn hooks() -> Vec<Route> {
    let uschedule = "Receives a signed delivery from USchedule; it is recorded before the response";
    vec![
        Route::new(Verb::Post, "/webhook/uschedule", "receiveUscheduleWebhook", uschedule, webhooks::uschedule)
            .access(SIGNED_DELIVERY)
            .body_max(webhooks::DELIVERY_BYTES_MAX)
            .answers::<webhooks::DeliveryReceipt>(Success::Accepted)
            .answers::<webhooks::DeliveryReceipt>(Success::Ok),
        Route::new(
            Verb::Post,
            "/webhook/gcal",
            "receiveGoogleNotification",
            "Receives a push notification from Google",
            webhooks::gcal,
        )
        .access(CHANNEL_TOKEN)
        .answers::<webhooks::NotificationReceipt>(Success::Accepted),
    ]
}

fn bookings() -> Vec<Route> {
    use bookings::{BookingPage, BookingView, BookingsQuery, NewBooking};
    vec![
        Route::new(Verb::Get, "/api/v1/bookings", "listBookings", "Lists bookings by start time", bookings::list)
            .roles(BOOKING_READERS)
            .query::<BookingsQuery>()
            .answers::<BookingPage>(Success::Ok),
        Route::new(Verb::Post, "/api/v1/bookings", "createBooking", "Creates a booking", bookings::create)
            .roles(BOOKING_WRITERS)
            .keyed()
            .body::<NewBooking>()
            .answers::<BookingView>(Success::Created)
            .answers::<BookingView>(Success::Ok),
        Route::new(Verb::Get, "/api/v1/bookings/{id}", "getBooking", "Returns a booking", bookings::show)
            .roles(BOOKING_READERS)
            .answers::<BookingView>(Success::Ok),
        Route::new(
            Verb::Get,
            "/api/v1/bookings/{id}/story",
            "getBookingStory",
            "Returns the story of a booking: what happened, and why",
            story::show,
        )
        .roles(BOOKING_READERS)
        .answers::<crate::services::story::Story>(Success::Ok),
    ]
}

fn booking_changes() -> Vec<Route> {
    use bookings::{BookingView, DetailsChange, Reassignment, SlotBody};
    let routes = vec![
        Route::new(
            Verb::Post,
            "/api/v1/bookings/{id}/confirm",
            "confirmBooking",
            "Confirms a tentative booking",
            bookings::confirm,
        ),
        Route::new(
            Verb::Post,
            "/api/v1/bookings/{id}/reschedule",
            "rescheduleBooking",
            "Moves a booking to another time",
            bookings::reschedule,
        )
        .body::<SlotBody>(),
        Route::new(
            Verb::Post,
            "/api/v1/bookings/{id}/reassign",
            "reassignBooking",
            "Moves a booking to another resource",
            bookings::reassign,
        )
        .body::<Reassignment>(),
        Route::new(
            Verb::Patch,
            "/api/v1/bookings/{id}/details",
            "changeBookingDetails",
            "Changes title, notes or customer of a booking; fields left out stay as they are",
            bookings::change_details,
        )
        .body::<DetailsChange>(),
        Route::new(Verb::Post, "/api/v1/bookings/{id}/cancel", "cancelBooking", "Cancels a booking", bookings::cancel),
        Route::new(
            Verb::Post,
            "/api/v1/bookings/{id}/restore",
            "restoreBooking",
            "Restores a cancelled booking",
            bookings::restore,
        ),
    ];
    routes.into_iter().map(|route| route.roles(BOOKING_WRITERS).keyed().answers::<BookingView>(Success::Ok)).collect()
}

fn mapping() -> Vec<Route> {
    let accept = "Accepts the calendar change waiting on a link";
    let reject = "Rejects the calendar change waiting on a link and restores the entry";
    vec![
        Route::new(
            Verb::Get,
            "/api/v1/links",
            "listLinks",
            "Lists links: which booking is which remote entry",
            links::list,
        )
        .roles(READERS)
        .query::<links::LinksQuery>()
        .shaped(Success::Ok, Shape::Page("links")),
        Route::new(Verb::Get, "/api/v1/links/{id}", "getLink", "Returns a link", links::show)
            .roles(READERS)
            .shaped(Success::Ok, Shape::Row("links")),
        Route::new(Verb::Post, "/api/v1/links/{id}/held/accept", "acceptHeldChange", accept, links::accept)
            .roles(OPERATORS)
            .answers::<links::HeldChangeReceipt>(Success::Accepted),
        Route::new(Verb::Post, "/api/v1/links/{id}/held/reject", "rejectHeldChange", reject, links::reject)
            .roles(OPERATORS)
            .answers::<links::HeldChangeReceipt>(Success::Accepted),
    ]
}

fn log() -> Vec<Route> {
    let again = "Retries what was given up: an attempt, a link, or a refused delivery, by its id";
    vec![
        Route::new(
            Verb::Get,
            "/api/v1/attempts",
            "listAttempts",
            "Lists calls to calendars and sources, newest first",
            attempts::list,
        )
        .roles(READERS)
        .query::<attempts::AttemptsQuery>()
        .shaped(Success::Ok, Shape::Page("attempts")),
        Route::new(Verb::Get, "/api/v1/attempts/{id}", "getAttempt", "Returns an attempt", attempts::show)
            .roles(READERS)
            .shaped(Success::Ok, Shape::Row("attempts")),
        Route::new(Verb::Post, "/api/v1/attempts/{id}/reprocess", "reprocessAttempt", again, attempts::retry)
            .roles(OPERATORS)
            .answers::<attempts::ReprocessReceipt>(Success::Accepted),
        Route::new(
            Verb::Get,
            "/api/v1/dead-letters",
            "listDeadLetters",
            "Lists calls and deliveries that were given up",
            lists::dead_letters,
        )
        .roles(READERS)
        .query::<lists::Paging>()
        .shaped(Success::Ok, Shape::Page("dead_letters")),
        Route::new(
            Verb::Get,
            "/api/v1/deliveries",
            "listDeliveries",
            "Lists deliveries from sources",
            lists::deliveries,
        )
        .roles(READERS)
        .query::<lists::DeliveriesQuery>()
        .shaped(Success::Ok, Shape::Page("deliveries")),
        Route::new(Verb::Get, "/api/v1/events", "listEvents", "Lists events exactly as they are stored", events::list)
            .roles(AUDITORS)
            .query::<events::EventsQuery>()
            .answers::<events::EventPage>(Success::Ok),
    ]
}

fn proofs() -> Vec<Route> {
    use crate::services::audit::{Continuity, Inclusion};
    vec![
        Route::new(
            Verb::Get,
            "/api/v1/audit/checkpoint",
            "getCheckpoint",
            "Returns the newest signed checkpoint of the ledger",
            audit::checkpoint,
        )
        .roles(AUDITORS)
        .answers::<audit::LatestCheckpoint>(Success::Ok),
        Route::new(
            Verb::Get,
            "/api/v1/audit/proof/{event}",
            "proveInclusion",
            "Proves that an event is in the ledger covered by the newest checkpoint",
            audit::proof,
        )
        .roles(AUDITORS)
        .answers::<Inclusion>(Success::Ok),
        Route::new(
            Verb::Get,
            "/api/v1/audit/consistency",
            "proveConsistency",
            "Proves that the ledger at one size continues the ledger at another",
            audit::consistency,
        )
        .roles(AUDITORS)
        .query::<audit::ConsistencyQuery>()
        .answers::<Continuity>(Success::Ok),
    ]
}

fn states() -> Vec<Route> {
    vec![
        Route::new(
            Verb::Get,
            "/api/v1/connections",
            "listConnections",
            "Lists connections to calendar providers",
            lists::connections,
        )
        .roles(READERS)
        .query::<lists::Paging>()
        .shaped(Success::Ok, Shape::Page("connections")),
        Route::new(Verb::Get, "/api/v1/calendars", "listCalendars", "Lists remote calendars", lists::calendars)
            .roles(READERS)
            .query::<lists::Paging>()
            .shaped(Success::Ok, Shape::Page("calendars")),
        Route::new(Verb::Get, "/api/v1/channels", "listChannels", "Lists push channels", lists::channels)
            .roles(READERS)
            .query::<lists::Paging>()
            .shaped(Success::Ok, Shape::Page("channels")),
        Route::new(Verb::Get, "/api/v1/cursors", "listCursors", "Lists the sync cursors of calendars", lists::cursors)
            .roles(READERS)
            .query::<lists::Paging>()
            .shaped(Success::Ok, Shape::Page("cursors")),
        Route::new(
            Verb::Get,
            "/api/v1/projections",
            "listProjections",
            "Lists read models and how far each is behind the ledger",
            lists::projections,
        )
        .roles(STATUS_READERS)
        .answers::<lists::ProjectionList>(Success::Ok),
    ]
}

fn admin() -> Vec<Route> {
    let booking = "Re-checks a booking against its calendar entries";
    vec![
        Route::new(Verb::Get, "/api/v1/admin/approvals", "listApprovals", "Lists approvals", approvals::list)
            .roles(OPERATORS)
            .query::<approvals::ApprovalsQuery>()
            .shaped(Success::Ok, Shape::Page("approvals")),
        Route::new(
            Verb::Post,
            "/api/v1/admin/approvals/{id}/grant",
            "grantApproval",
            "Grants an approval: the deletions were meant",
            approvals::grant,
        )
        .roles(OPERATORS)
        .answers::<approvals::ApprovalAnswer>(Success::Ok),
        Route::new(
            Verb::Post,
            "/api/v1/admin/approvals/{id}/deny",
            "denyApproval",
            "Denies an approval: the entries are put back",
            approvals::deny,
        )
        .roles(OPERATORS)
        .answers::<approvals::ApprovalAnswer>(Success::Ok),
        Route::new(
            Verb::Delete,
            "/api/v1/admin/subjects/{id}",
            "forgetSubject",
            "Erases a person permanently, by destroying the key of everything recorded about them",
            subjects::forget,
        )
        .roles(ADMINS)
        .query::<subjects::EraseQuery>()
        .answers::<subjects::Erasure>(Success::Ok),
        Route::new(Verb::Post, "/api/v1/admin/resync/booking/{id}", "resyncBooking", booking, resync::booking)
            .roles(OPERATORS)
            .answers::<resync::Resync>(Success::Accepted),
    ]
}
