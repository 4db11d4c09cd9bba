//! Carrying out a command that is recorded.

use super::{
    came::Came,
    record::{self, actor},
};
use crate::{
    domain::{
        booking::Refusal,
        ids::{BookingId, Revision},
    },
    ports::{event_store, vault},
    record::envelope::{Origin, Recorded},
    services::{
        Error,
        bookings::{
            Asker, Keys, NotDone,
            ask::{self, shown as as_it_was},
            view::BookingView,
        },
        journal::{Context, Journal},
        problem::{Kind, Problem},
    },
};

/// What to say to whoever sent a command.
#[derive(Debug)]
pub(super) enum Answer {
    /// It was done: the booking, and whether it was created.
    Booking(Box<BookingView>, bool),
    /// It was not.
    Problem(Problem),
}

/// Carries it out, and notes what became of it.
///
/// # Errors
/// What may be otherwise at the next try.
pub(super) async fn carry_out(
    journal: &Journal,
    keys: &Keys,
    came: &Came,
    received: &Recorded,
) -> Result<Answer, Error> {
    let context = Context::caused_by(actor(), Origin::Api, received);
    let asker = Asker { context, only: came.only(), key: Some(came.key_hash()) };
    let outcome = match came.asked() {
        Ok((booking, asked)) => ask::ask(journal, keys, &booking, &asked, &asker).await,
        Err(problem) => Err(NotDone::Wrong(problem)),
    };
    let (problem, poison) = match outcome {
        Ok(done) => {
            record::apply(journal, came, received, &done).await?;
            return shown(journal, &done.booking, done.revision, done.created).await;
        }
        Err(NotDone::Failed(error)) if passing(&error) => return Err(error),
        Err(NotDone::Failed(error)) => (Problem::from(error), false),
        Err(NotDone::Wrong(problem)) => {
            // A booking that is not there may be a matter between two systems; anything else is a mistake in the command.
            let poison = problem.kind != Kind::NotFound || came.asked().is_err();
            (problem, poison)
        }
    };
    record::refuse(journal, came, received, &problem, came.awaited && !poison).await?;
    Ok(Answer::Problem(problem))
}

/// The answer to a command that was carried out.
pub(super) async fn shown(
    journal: &Journal,
    booking: &BookingId,
    revision: Revision,
    created: bool,
) -> Result<Answer, Error> {
    match as_it_was(journal, booking, revision).await {
        Ok(view) => Ok(Answer::Booking(Box::new(view), created)),
        Err(NotDone::Failed(error)) => Err(error),
        Err(NotDone::Wrong(problem)) => Ok(Answer::Problem(problem)),
    }
}

/// Another try of a command that was refused, because an operator asked for it. `text` is what was recorded; `None` where the
/// person it is about was forgotten.
///
/// # Errors
/// What may be otherwise at the next try.
pub(crate) async fn reprocessed(journal: &Journal, text: Option<&str>, last: &Recorded) -> Result<(), Error> {
    let Some(came) = text.and_then(|text| serde_json::from_str::<Came>(text).ok()) else {
        return record::forgotten(journal, last).await;
    };
    // Nobody waits for the answer any more.
    let came = Came { awaited: false, ..came };
    carry_out(journal, &Keys::default(), &came, last).await.map(drop)
}

/// Whether it may be otherwise at the next try.
fn passing(error: &Error) -> bool {
    match error {
        Error::Busy
        | Error::Ledger(_)
        | Error::Vault(vault::Failure::Unavailable(_) | vault::Failure::WrongMaster(_) | vault::Failure::NoMaster(_))
        | Error::Tokens(_)
        | Error::SigningKeys(_)
        | Error::KeptCheckpoints(_)
        | Error::ReadModels(_)
        | Error::Damaged { .. } => !matches!(error, Error::Ledger(event_store::Failure::Invalid(_))),
        Error::Refused(Refusal::Unknown | Refusal::Exists | Refusal::Cancelled | Refusal::KeyReused)
        | Error::NotFound { .. }
        | Error::Invalid(_)
        | Error::Vault(vault::Failure::Forgotten(_)) => false,
    }
}
