//! The story of a booking: what happened, why, and who caused it.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Server,
    bookings::visible_booking,
    call::{Answer, Call},
    problem::{Problem, Success},
};
use crate::{domain::ids::LinkId, projections::query::Query, services::story};

/// Returns the story of a booking.
pub async fn show(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let (id, booking) = visible_booking(&server, &call).await?;
    // The read model may be a moment behind; links of the current routes are known without it.
    let routed = server.routing.links(&id, &booking.source_ref, &booking.resource);
    let rows = server.read_models.ask(&Query::LinksOfBooking(id.clone())).await?;
    let mut links: BTreeSet<LinkId> = routed.into_iter().map(|of| of.link).collect();
    links.extend(rows.iter().filter_map(|row| LinkId::new(row.text("link")?).ok()));
    let links: Vec<LinkId> = links.into_iter().collect();
    let events = story::collect(&server.journal, &id, &links).await?;
    Answer::json(Success::Ok, &story::compose(&id, &events))
}
