//! Another try at what was given up: a link's command, or a delivery that was refused.

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

/// How often it is tried anew because the link moved on meanwhile.
const ROUNDS_MAX: usize = 8;

/// What is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReprocessTarget {
    /// This link's last command.
    Link(LinkId),
    /// This delivery of a source.
    Delivery(String),
}

/// Asks for another try of `id`: an attempt's id, a link's, or a delivery's, as the lists show them.
///
/// # Errors
/// `NotFound`; `Invalid` where it was not given up.
pub async fn reprocess(journal: &Journal, id: &str, context: &Context) -> Result<ReprocessTarget, Error> {
    // An attempt is named by its link and a number.
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
        _ => Err(Error::Invalid(format!("{id} is a source, not one of its deliveries"))),
    }
}

async fn of_link(journal: &Journal, id: &str, context: &Context) -> Result<ReprocessTarget, Error> {
    let not_found = || Error::NotFound { what: "attempt", id: id.chars().take(200).collect() };
    let link_id = LinkId::new(id).map_err(|_| not_found())?;
    for _ in 0..ROUNDS_MAX {
        let (link, version) = journal.link(&link_id).await?;
        let link = link.ok_or_else(not_found)?;
        if link.dead.is_none() {
            return Err(Error::Invalid(format!("link {id} was not given up: there is nothing to try again")));
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
