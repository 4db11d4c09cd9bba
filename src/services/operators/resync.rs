//! An operator's request to compare a booking with its entries again, whatever was decided before.

use std::collections::BTreeMap;

use crate::{
    domain::{
        event::Event as Fact,
        ids::{BookingId, LinkId, Version},
        link::{Event, LinkRef, LookReason},
    },
    ports::{event_store::ExpectedVersion, projection_store::ProjectionStore},
    projections::query::Query,
    record::stream::StreamName,
    services::{
        Error,
        journal::{Context, Journal},
        sync::routing::Routing,
    },
};

/// Requests it for every link the booking has or should have. Returns these links.
///
/// What was given up is retried, and an existing entry is read by its id before anything is sent.
///
/// # Errors
/// `NotFound`.
pub async fn booking(
    journal: &Journal,
    read_models: &dyn ProjectionStore,
    routing: &Routing,
    id: &BookingId,
    context: &Context,
) -> Result<Vec<LinkId>, Error> {
    let (booking, _) = journal.booking(id).await?;
    let booking = booking.ok_or_else(|| Error::NotFound { what: "booking", id: id.to_string() })?;
    let mut links: BTreeMap<LinkId, LinkRef> =
        routing.links(id, &booking.source_ref, &booking.resource).into_iter().map(|of| (of.link.clone(), of)).collect();
    // Links of routes no longer configured, or of former resources.
    let rows =
        read_models.ask(&Query::LinksOfBooking(id.clone())).await.map_err(|e| Error::ReadModels(e.to_string()))?;
    for known in rows.iter().filter_map(|row| row.text("link")).filter_map(|link| LinkId::new(link).ok()) {
        if let Some(of) = first(journal, &known).await? {
            links.entry(known).or_insert(of);
        }
    }
    for (link, of) in &links {
        let (state, _) = journal.link(link).await?;
        let mut facts = vec![Event::SyncRequested { of: of.clone(), reason: "requested by an operator".into() }];
        if state.is_some_and(|link| link.remote.is_some()) {
            facts.push(Event::LookRequested { reason: LookReason::OperatorRequest, retry_at: None });
        }
        journal.append(&StreamName::link(link), ExpectedVersion::Any, facts, context).await?;
    }
    Ok(links.into_keys().collect())
}

async fn first(journal: &Journal, link: &LinkId) -> Result<Option<LinkRef>, Error> {
    let Some(first) = journal.store().read_stream(&StreamName::link(link), Version(0), 1).await?.into_iter().next()
    else {
        return Ok(None);
    };
    match journal.decode(first).await?.event {
        Fact::Link(Event::SyncRequested { of, .. }) => Ok(Some(of)),
        _ => Ok(None),
    }
}
