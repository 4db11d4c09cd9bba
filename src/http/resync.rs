//! Comparing a booking with its entries again, on an operator's request.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Server,
    call::{Answer, Call},
    problem::{Problem, Success},
};
use crate::{domain::ids::BookingId, record::envelope::Origin, services::operators::resync};

/// What is compared again.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Resync {
    /// Id of the booking.
    booking: String,
    /// Ids of its links.
    links: Vec<String>,
}

/// Requests a comparison of a booking with its entries.
pub async fn booking(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let id = BookingId::new(call.param("id")).map_err(|_| Problem::not_found("booking", call.param("id")))?;
    let context = call.context(Origin::Admin)?;
    let (read_models, routing) = (server.read_models.as_ref(), server.routing.as_ref());
    let links = resync::booking(&server.journal, read_models, routing, &id, &context).await?;
    let links = links.iter().map(ToString::to_string).collect();
    Answer::json(Success::Accepted, &Resync { booking: id.to_string(), links })
}
