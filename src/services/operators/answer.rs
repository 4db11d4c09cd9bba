//! An operator's decision about a change that is waiting: accept it, or restore the entry.

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

/// Retries because the link changed at the same time.
const ROUNDS_MAX: usize = 8;

/// Records the answer to the change waiting on `id`. The first answer counts.
///
/// # Errors
/// `NotFound`; `Invalid` if nothing is waiting, or it already has the opposite answer.
pub async fn answer(journal: &Journal, id: &LinkId, accept: bool, context: &Context) -> Result<(), Error> {
    for _ in 0..ROUNDS_MAX {
        let (link, version) = journal.link(id).await?;
        let link = link.ok_or_else(|| Error::NotFound { what: "link", id: id.to_string() })?;
        match link.held.as_ref().map(|held| (&held.reason, held.answer)) {
            None => return Err(Error::Invalid(format!("no change is waiting on link {id}"))),
            Some((HoldReason::Busy, _)) => {
                let why = "one of our own calls is in progress; the change is checked again afterwards";
                return Err(Error::Invalid(format!("link {id} needs no decision: {why}")));
            }
            Some((_, Some(known))) if known == accept => return Ok(()),
            Some((_, Some(_))) => {
                return Err(Error::Invalid(format!(
                    "the change waiting on link {id} was already answered the other way"
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
