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
    Ok(fold(journal, workspace).await?.0)
}

/// All approvals, and the version of the stream's last event.
async fn fold(journal: &Journal, workspace: &str) -> Result<(Approvals, Option<Version>), Error> {
    let (mut approvals, mut last) = (Approvals::new(), None);
    for decoded in journal.stream(&StreamName::operations(workspace), Version(0)).await? {
        last = Some(decoded.recorded.version);
        if let event::Event::Operations(event) = &decoded.event {
            approvals = operations::evolve(approvals, event);
        }
    }
    Ok((approvals, last))
}

/// Answers an approval. The first answer counts, also of two at the same time.
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
    let (wanted, stream) =
        (if grant { Approval::Granted } else { Approval::Denied }, StreamName::operations(workspace));
    loop {
        let (approvals, last) = fold(journal, workspace).await?;
        match approvals.get(approval) {
            None => return Err(Error::NotFound { what: "approval", id: approval.to_owned() }),
            Some(known) if *known == wanted => return Ok(()),
            Some(Approval::Granted | Approval::Denied) => {
                return Err(Error::Invalid(format!("approval {approval} was already answered the other way")));
            }
            Some(Approval::Open) => {}
        }
        let (approval, by) = (approval.to_owned(), context.actor.id.clone());
        let fact = if grant { Event::ApprovalGranted { approval, by } } else { Event::ApprovalDenied { approval, by } };
        match journal.append(&stream, ExpectedVersion::after(last), vec![fact], context).await {
            // Something else was recorded meanwhile, perhaps another answer.
            Err(error) if error.is_conflict() => {}
            other => return other.map(drop),
        }
    }
}
