//! Retries of what was given up: a link's command, or a refused delivery.

use crate::{
    domain::{
        event,
        ids::{LinkId, Version},
        link::Event,
        source,
    },
    ports::event_store::ExpectedVersion,
    record::stream::{Category, StreamName},
    services::{
        Error,
        journal::{Context, Journal},
        sync::intake,
    },
};

/// Retries because the link changed at the same time.
const ROUNDS_MAX: usize = 8;

/// What is retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReprocessTarget {
    /// The last command of this link.
    Link(LinkId),
    /// This delivery from a source.
    Delivery(String),
}

/// Requests a retry of `id`: an attempt, a link or a delivery, as shown in the lists.
///
/// # Errors
/// `NotFound`; `Invalid` if it was not given up.
pub async fn reprocess(journal: &Journal, id: &str, context: &Context) -> Result<ReprocessTarget, Error> {
    // An attempt's id is its link's id and a number.
    if let Some((link, _)) = id.rsplit_once(':') {
        return of_link(journal, link, context).await;
    }
    let stream = StreamName { category: Category::Source, id: id.to_owned() };
    let first = if StreamName::parse(&stream.to_string()).is_ok() {
        journal.store().read_stream(&stream, Version(0), 1).await?.into_iter().next()
    } else {
        None
    };
    let Some(first) = first else { return of_link(journal, id, context).await };
    match journal.decode(first).await?.event {
        event::Event::Source(source::Event::DeliveryReceived { source, delivery, .. }) => {
            intake::reprocess(journal, &source, &delivery, context).await?;
            Ok(ReprocessTarget::Delivery(id.to_owned()))
        }
        _ => Err(Error::Invalid(format!("{id} is a source; give the id of one of its deliveries"))),
    }
}

async fn of_link(journal: &Journal, id: &str, context: &Context) -> Result<ReprocessTarget, Error> {
    let not_found = || Error::NotFound { what: "attempt", id: id.chars().take(200).collect() };
    let link_id = LinkId::new(id).map_err(|_| not_found())?;
    for _ in 0..ROUNDS_MAX {
        let (link, version) = journal.link(&link_id).await?;
        let link = link.ok_or_else(not_found)?;
        if link.dead.is_none() {
            return Err(Error::Invalid(format!("link {id} was not given up: there is nothing to retry")));
        }
        let fact = Event::Reprocessed { by: context.actor.id.clone() };
        match journal.append(&StreamName::link(&link_id), ExpectedVersion::after(version), vec![fact], context).await {
            Ok(_) => return Ok(ReprocessTarget::Link(link_id)),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Busy)
}
