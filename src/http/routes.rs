//! The table of routes: everything that can be asked over HTTP, and who may. The router, the check of roles and
//! `/openapi.json` are made from it, so a route that is not in it does not exist, and one that lets nobody in opens to nobody.

use super::{
    approvals, attempts, audit,
    auth::{ADMINS, AUDITORS, BOOKING_READERS, BOOKING_WRITERS, OPERATORS, READERS, STATUS_READERS},
    bookings, events, health, links, lists,
    problem::Success,
    resync,
    route::{Access, Route, Shape, Verb},
    story, subjects, webhooks,
};

/// How USchedule's deliveries are believed.
const SIGNED_DELIVERY: Access = Access::Signed(
    "Signed by the source: HMAC-SHA256 over delivery id, time and body, sent within five minutes. No token.",
);
/// How Google's notifications are believed.
const CHANNEL_TOKEN: Access =
    Access::Signed("Bears the id, the token and the resource of a push channel that we opened. No token of ours.");

/// Every route.
pub fn table() -> Vec<Route> {
    [machines(), hooks(), bookings(), booking_changes(), mapping(), log(), proofs(), states(), admin()].concat()
}

fn machines() -> Vec<Route> {
    let metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    vec![
        Route::new(Verb::Get, "/health", "getHealth", "How the service is doing, with reasons", health::show)
            .access(Access::Open)
            .answers::<crate::services::operators::health::Health>(Success::Ok)
            .answers::<crate::services::operators::health::Health>(Success::Failing),
        Route::new(Verb::Get, "/metrics", "getMetrics", "The same in numbers, for Prometheus", health::metrics)
            .access(Access::Open)
            .shaped(Success::Ok, Shape::Text(metrics)),
        Route::new(Verb::Get, "/openapi.json", "getOpenapi", "This document", health::openapi)
            .access(Access::Open)
            .answers::<serde_json::Map<String, serde_json::Value>>(Success::Ok),
    ]
}

fn hooks() -> Vec<Route> {
    let uschedule = "Takes a signed delivery of USchedule's: recorded, then answered";
    vec![
        Route::new(Verb::Post, "/webhook/uschedule", "takeUscheduleDelivery", uschedule, webhooks::uschedule)
            .access(SIGNED_DELIVERY)
            .body_max(webhooks::DELIVERY_BYTES_MAX)
            .answers::<webhooks::DeliveryReceipt>(Success::Accepted)
            .answers::<webhooks::DeliveryReceipt>(Success::Ok),
        Route::new(
            Verb::Post,
            "/webhook/gcal",
            "takeGoogleNotification",
            "Takes a notification of Google's",
            webhooks::gcal,
        )
        .access(CHANNEL_TOKEN)
        .answers::<webhooks::NotificationReceipt>(Success::Accepted),
    ]
}

fn bookings() -> Vec<Route> {
    use bookings::{BookingPage, BookingView, BookingsQuery, NewBooking};
    vec![
        Route::new(Verb::Get, "/api/v1/bookings", "listBookings", "Bookings by when they begin", bookings::list)
            .roles(BOOKING_READERS)
            .query::<BookingsQuery>()
            .answers::<BookingPage>(Success::Ok),
        Route::new(Verb::Post, "/api/v1/bookings", "createBooking", "Creates a booking", bookings::create)
            .roles(BOOKING_WRITERS)
            .keyed()
            .body::<NewBooking>()
            .answers::<BookingView>(Success::Created)
            .answers::<BookingView>(Success::Ok),
        Route::new(Verb::Get, "/api/v1/bookings/{id}", "getBooking", "A booking as it is now", bookings::show)
            .roles(BOOKING_READERS)
            .answers::<BookingView>(Success::Ok),
        Route::new(
            Verb::Get,
            "/api/v1/bookings/{id}/story",
            "tellBooking",
            "What happened to a booking, and why",
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
            "Settles a booking",
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
            "Changes words or customer of a booking; what is not named stays",
            bookings::change_details,
        )
        .body::<DetailsChange>(),
        Route::new(
            Verb::Post,
            "/api/v1/bookings/{id}/cancel",
            "cancelBooking",
            "Calls a booking off",
            bookings::cancel,
        ),
        Route::new(
            Verb::Post,
            "/api/v1/bookings/{id}/restore",
            "restoreBooking",
            "Calls a booking on again",
            bookings::restore,
        ),
    ];
    routes.into_iter().map(|route| route.roles(BOOKING_WRITERS).keyed().answers::<BookingView>(Success::Ok)).collect()
}

fn mapping() -> Vec<Route> {
    let accept = "Takes the change that waits on a link over";
    let reject = "Puts the entry back whose change waits on a link";
    vec![
        Route::new(Verb::Get, "/api/v1/links", "listLinks", "Which booking is which remote entry", links::list)
            .roles(READERS)
            .query::<links::LinksQuery>()
            .shaped(Success::Ok, Shape::Page("links")),
        Route::new(Verb::Get, "/api/v1/links/{id}", "getLink", "A link", links::show)
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
    let again = "Tries again what was given up: an attempt, a link, or a refused delivery, by its id in the lists";
    vec![
        Route::new(Verb::Get, "/api/v1/attempts", "listAttempts", "Attempts, the newest first", attempts::list)
            .roles(READERS)
            .query::<attempts::AttemptsQuery>()
            .shaped(Success::Ok, Shape::Page("attempts")),
        Route::new(Verb::Get, "/api/v1/attempts/{id}", "getAttempt", "An attempt", attempts::show)
            .roles(READERS)
            .shaped(Success::Ok, Shape::Row("attempts")),
        Route::new(Verb::Post, "/api/v1/attempts/{id}/reprocess", "reprocessAttempt", again, attempts::retry)
            .roles(OPERATORS)
            .answers::<attempts::ReprocessReceipt>(Success::Accepted),
        Route::new(Verb::Get, "/api/v1/dead-letters", "listDeadLetters", "What was given up", lists::dead_letters)
            .roles(READERS)
            .query::<lists::Paging>()
            .shaped(Success::Ok, Shape::Page("dead_letters")),
        Route::new(Verb::Get, "/api/v1/deliveries", "listDeliveries", "What sources delivered", lists::deliveries)
            .roles(READERS)
            .query::<lists::DeliveriesQuery>()
            .shaped(Success::Ok, Shape::Page("deliveries")),
        Route::new(Verb::Get, "/api/v1/events", "listEvents", "Events exactly as they are stored", events::list)
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
            "The newest signed checkpoint of the ledger",
            audit::checkpoint,
        )
        .roles(AUDITORS)
        .answers::<audit::LatestCheckpoint>(Success::Ok),
        Route::new(
            Verb::Get,
            "/api/v1/audit/proof/{event}",
            "proveInclusion",
            "Proof that an event stands in the ledger that the newest checkpoint covers",
            audit::proof,
        )
        .roles(AUDITORS)
        .answers::<Inclusion>(Success::Ok),
        Route::new(
            Verb::Get,
            "/api/v1/audit/consistency",
            "proveConsistency",
            "Proof that the ledger at one size continues the ledger at another",
            audit::consistency,
        )
        .roles(AUDITORS)
        .query::<audit::ConsistencyQuery>()
        .answers::<Continuity>(Success::Ok),
    ]
}

fn states() -> Vec<Route> {
    vec![
        Route::new(Verb::Get, "/api/v1/connections", "listConnections", "Authorised grants", lists::connections)
            .roles(READERS)
            .query::<lists::Paging>()
            .shaped(Success::Ok, Shape::Page("connections")),
        Route::new(Verb::Get, "/api/v1/calendars", "listCalendars", "Remote calendars", lists::calendars)
            .roles(READERS)
            .query::<lists::Paging>()
            .shaped(Success::Ok, Shape::Page("calendars")),
        Route::new(Verb::Get, "/api/v1/channels", "listChannels", "Push channels", lists::channels)
            .roles(READERS)
            .query::<lists::Paging>()
            .shaped(Success::Ok, Shape::Page("channels")),
        Route::new(Verb::Get, "/api/v1/cursors", "listCursors", "How far listing has come", lists::cursors)
            .roles(READERS)
            .query::<lists::Paging>()
            .shaped(Success::Ok, Shape::Page("cursors")),
        Route::new(
            Verb::Get,
            "/api/v1/projections",
            "listProjections",
            "Read models and how far they have come",
            lists::projections,
        )
        .roles(STATUS_READERS)
        .answers::<lists::ProjectionList>(Success::Ok),
    ]
}

fn admin() -> Vec<Route> {
    let booking = "Compares a booking with its entries again, whatever was decided before";
    vec![
        Route::new(Verb::Get, "/api/v1/admin/approvals", "listApprovals", "What waits for a word", approvals::list)
            .roles(OPERATORS)
            .query::<approvals::ApprovalsQuery>()
            .shaped(Success::Ok, Shape::Page("approvals")),
        Route::new(Verb::Post, "/api/v1/admin/approvals/{id}/grant", "grantApproval", "It was meant", approvals::grant)
            .roles(OPERATORS)
            .answers::<approvals::ApprovalAnswer>(Success::Ok),
        Route::new(
            Verb::Post,
            "/api/v1/admin/approvals/{id}/deny",
            "denyApproval",
            "It was not meant",
            approvals::deny,
        )
        .roles(OPERATORS)
        .answers::<approvals::ApprovalAnswer>(Success::Ok),
        Route::new(
            Verb::Delete,
            "/api/v1/admin/subjects/{id}",
            "forgetSubject",
            "Forgets a person for good: destroys the key of everything that was ever recorded about them",
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
