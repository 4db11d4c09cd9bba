//! A person's word about a change that waits: take it over, or put the entry back.

use crate::{
    domain::{
        ids::LinkId,
        link::{Event, HoldReason},
    },
    ports::event_store::ExpectedVersion,
    record::stream::StreamName,
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// How often it is tried anew because the link moved on meanwhile.
const ROUNDS_MAX: usize = 8;

/// Answers the change that waits on `id`. The first answer stands.
///
/// # Errors
/// `NotFound`; `Invalid` where nothing waits for a person, or it was answered otherwise already.
pub async fn answer(journal: &Journal, id: &LinkId, accept: bool, context: &Context) -> Result<(), Error> {
    for _ in 0..ROUNDS_MAX {
        let (link, version) = journal.link(id).await?;
        let link = link.ok_or_else(|| Error::NotFound { what: "link", id: id.to_string() })?;
        match link.held.as_ref().map(|held| (&held.reason, held.answer)) {
            None => return Err(Error::Invalid(format!("nothing waits on link {id}"))),
            Some((HoldReason::Busy, _)) => {
                let why = "a call of our own is under way; the change is looked at again by itself";
                return Err(Error::Invalid(format!("link {id} needs no answer: {why}")));
            }
            Some((_, Some(known))) if known == accept => return Ok(()),
            Some((_, Some(_))) => {
                return Err(Error::Invalid(format!(
                    "the change that waits on link {id} was answered otherwise already"
                )));
            }
            Some((_, None)) => {}
        }
        let fact = Event::RemoteChangeAnswered { accept, by: context.actor.id.clone() };
        match journal.append(&StreamName::link(id), ExpectedVersion::after(version), vec![fact], context).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Busy)
}
