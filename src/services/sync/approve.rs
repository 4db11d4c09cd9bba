//! Approvals of mass deletions, answered by an operator.

use crate::{
    domain::{
        event,
        ids::Version,
        operations::{self, Approval, Approvals, Event},
    },
    ports::event_store::ExpectedVersion,
    record::stream::StreamName,
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// All approvals of a workspace.
///
/// # Errors
/// The ledger is not available.
pub async fn approvals(journal: &Journal, workspace: &str) -> Result<Approvals, Error> {
    let mut approvals = Approvals::new();
    for decoded in journal.stream(&StreamName::operations(workspace), Version(0)).await? {
        if let event::Event::Operations(event) = &decoded.event {
            approvals = operations::evolve(approvals, event);
        }
    }
    Ok(approvals)
}

/// Answers an approval. The first answer counts.
///
/// # Errors
/// `NotFound`; `Invalid` if it already has the opposite answer.
pub async fn answer(
    journal: &Journal,
    workspace: &str,
    approval: &str,
    grant: bool,
    context: &Context,
) -> Result<(), Error> {
    let wanted = if grant { Approval::Granted } else { Approval::Denied };
    match approvals(journal, workspace).await?.get(approval) {
        None => return Err(Error::NotFound { what: "approval", id: approval.to_owned() }),
        Some(known) if *known == wanted => return Ok(()),
        Some(Approval::Granted | Approval::Denied) => {
            return Err(Error::Invalid(format!("approval {approval} was already answered the other way")));
        }
        Some(Approval::Open) => {}
    }
    let (approval, by) = (approval.to_owned(), context.actor.id.clone());
    let fact = if grant { Event::ApprovalGranted { approval, by } } else { Event::ApprovalDenied { approval, by } };
    journal.append(&StreamName::operations(workspace), ExpectedVersion::Any, vec![fact], context).await?;
    Ok(())
}
