//! Carries out a recorded command.

use super::{
    incoming::IncomingCommand,
    record::{self, actor},
};
use crate::{
    domain::{
        booking::Refusal,
        ids::{BookingId, Revision},
    },
    ports::{event_store, vault},
    record::envelope::{Origin, StoredEvent},
    services::{
        Error,
        bookings::{
            RequestFailure, RequestKeys, Requester,
            handle::{self, view_at},
            view::BookingView,
        },
        journal::{Context, Journal},
        problem::{Kind, Problem},
    },
};

/// The response to the sender of a command.
#[derive(Debug)]
pub(super) enum Answer {
    /// Success: the booking, and whether it was created.
    Booking(Box<BookingView>, bool),
    /// Failure.
    Problem(Problem),
}

/// Carries out a command and records the outcome.
///
/// # Errors
/// Errors that may pass with a retry.
pub(super) async fn carry_out(
    journal: &Journal,
    keys: &RequestKeys,
    incoming: &IncomingCommand,
    received: &StoredEvent,
) -> Result<Answer, Error> {
    let context = Context::caused_by(actor(), Origin::Api, received);
    let requester = Requester { context, only: incoming.only(), key: Some(incoming.key_hash()) };
    let outcome = match incoming.request() {
        Ok((booking, asked)) => handle::handle(journal, keys, &booking, &asked, &requester).await,
        Err(problem) => Err(RequestFailure::Invalid(problem)),
    };
    let (problem, poison) = match outcome {
        Ok(done) => {
            record::applied(journal, incoming, received, &done).await?;
            return booking_answer(journal, &done.booking, done.revision, done.created).await;
        }
        Err(RequestFailure::Failed(error)) if passing(&error) => return Err(error),
        Err(RequestFailure::Failed(error)) => (Problem::from(error), false),
        Err(RequestFailure::Invalid(problem)) => {
            // A missing booking may be a matter between two systems; anything else is a mistake in the command.
            let poison = problem.kind != Kind::NotFound || incoming.request().is_err();
            (problem, poison)
        }
    };
    record::refuse(journal, incoming, received, &problem, incoming.awaited && !poison).await?;
    Ok(Answer::Problem(problem))
}

/// The response to a command that was carried out.
pub(super) async fn booking_answer(
    journal: &Journal,
    booking: &BookingId,
    revision: Revision,
    created: bool,
) -> Result<Answer, Error> {
    match view_at(journal, booking, revision).await {
        Ok(view) => Ok(Answer::Booking(Box::new(view), created)),
        Err(RequestFailure::Failed(error)) => Err(error),
        Err(RequestFailure::Invalid(problem)) => Ok(Answer::Problem(problem)),
    }
}

/// Retries a refused command on an operator's request. `text` is the recorded command; `None` if the person it is
/// about was erased.
///
/// # Errors
/// Errors that may pass with a retry.
pub(crate) async fn reprocessed(journal: &Journal, text: Option<&str>, last: &StoredEvent) -> Result<(), Error> {
    let Some(incoming) = text.and_then(|text| serde_json::from_str::<IncomingCommand>(text).ok()) else {
        return record::refuse_erased(journal, last).await;
    };
    // Nobody waits for the response any more.
    let incoming = IncomingCommand { awaited: false, ..incoming };
    carry_out(journal, &RequestKeys::default(), &incoming, last).await.map(drop)
}

/// Whether a retry may succeed.
fn passing(error: &Error) -> bool {
    match error {
        Error::Busy
        | Error::Ledger(_)
        | Error::Vault(vault::Failure::Unavailable(_) | vault::Failure::WrongMaster(_) | vault::Failure::NoMaster(_))
        | Error::Tokens(_)
        | Error::SigningKeys(_)
        | Error::CheckpointArchive(_)
        | Error::ReadModels(_)
        | Error::Damaged { .. } => !matches!(error, Error::Ledger(event_store::Failure::Invalid(_))),
        Error::Refused(Refusal::Unknown | Refusal::Exists | Refusal::Cancelled | Refusal::KeyReused)
        | Error::NotFound { .. }
        | Error::Invalid(_)
        | Error::Vault(vault::Failure::Forgotten(_)) => false,
    }
}
