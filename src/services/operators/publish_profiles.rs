//! Publishes the configured policies into the ledger, so that every decision can cite the version it was made under.

use std::collections::BTreeMap;

use crate::{
    domain::{
        event,
        ids::{ProfileId, Version},
        profile::{Event, Policy, Profile},
        program_version::ProgramVersion,
    },
    ports::event_store::ExpectedVersion,
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        Error,
        journal::{Context, DecodedEvent, Journal},
    },
};

/// Publishes policies that changed since they were last published; returns all with their versions.
///
/// # Errors
/// The ledger is not available.
pub async fn publish(
    journal: &Journal,
    policies: &BTreeMap<ProfileId, Policy>,
) -> Result<BTreeMap<ProfileId, Profile>, Error> {
    let mut profiles = BTreeMap::new();
    for (id, policy) in policies {
        profiles.insert(id.clone(), publish_one(journal, id, policy).await?);
    }
    Ok(profiles)
}

/// The same result without publishing: a changed policy gets the version it would be published under.
///
/// # Errors
/// The ledger is not available.
pub async fn unpublished(
    journal: &Journal,
    policies: &BTreeMap<ProfileId, Policy>,
) -> Result<BTreeMap<ProfileId, Profile>, Error> {
    let mut profiles = BTreeMap::new();
    for (id, policy) in policies {
        let (last, _) = last(journal, id).await?;
        let version = match last {
            Some((version, known)) if known == *policy => version,
            Some((version, _)) => version + 1,
            None => 1,
        };
        profiles.insert(id.clone(), Profile { id: id.clone(), version, policy: policy.clone() });
    }
    Ok(profiles)
}

/// Says in every profile's stream that the ledger needs `least`, where no event says so yet: for programs that read nothing else first.
///
/// # Errors
/// The ledger is not available.
pub async fn require(
    journal: &Journal,
    profiles: impl Iterator<Item = &ProfileId>,
    least: ProgramVersion,
) -> Result<(), Error> {
    for id in profiles {
        loop {
            let stream = journal.stream(&StreamName::profile(id), Version(0)).await?;
            let said = |it: &DecodedEvent| matches!(it.event, event::Event::Profile(Event::ProgramRequired { .. }));
            if stream.iter().any(said) {
                break;
            }
            let expected = ExpectedVersion::after(stream.last().map(|it| it.recorded.version));
            let fact = Event::ProgramRequired { profile: id.clone(), least };
            let context = Context::root(Actor::new("operator", "upgrade"), Origin::Admin, journal.clock().event_id());
            match journal.append(&StreamName::profile(id), expected, vec![fact], &context).await {
                Ok(_) => break,
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// The policy as last published, and the version of its event.
async fn last(journal: &Journal, id: &ProfileId) -> Result<(Option<(u64, Policy)>, Option<Version>), Error> {
    let (mut last, mut at) = (None, None);
    for told in journal.stream(&StreamName::profile(id), Version(0)).await? {
        at = Some(told.recorded.version);
        if let event::Event::Profile(Event::Published { version, policy, .. }) = told.event {
            last = Some((version, policy));
        }
    }
    Ok((last, at))
}

async fn publish_one(journal: &Journal, id: &ProfileId, policy: &Policy) -> Result<Profile, Error> {
    let stream = StreamName::profile(id);
    loop {
        let (last, at) = last(journal, id).await?;
        if let Some((version, known)) = &last
            && known == policy
        {
            return Ok(Profile { id: id.clone(), version: *version, policy: policy.clone() });
        }
        let version = last.map_or(1, |(version, _)| version + 1);
        let fact = Event::Published { profile: id.clone(), version, policy: policy.clone() };
        let context = Context::root(Actor::new("operator", "configuration"), Origin::Admin, journal.clock().event_id());
        match journal.append(&stream, ExpectedVersion::after(at), vec![fact], &context).await {
            Ok(_) => return Ok(Profile { id: id.clone(), version, policy: policy.clone() }),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
}
