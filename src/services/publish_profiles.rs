//! Policies of the configuration, published into the ledger: a decision cites the version that it was made under.

use std::collections::BTreeMap;

use super::{
    Error,
    journal::{Context, Journal},
};
use crate::{
    domain::{
        event,
        ids::{ProfileId, Version},
        profile::{Event, Policy, Profile},
    },
    ports::event_store::Expected,
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
};

/// Publishes what changed since it was published last, and answers all of them with their versions.
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

async fn publish_one(journal: &Journal, id: &ProfileId, policy: &Policy) -> Result<Profile, Error> {
    let stream = StreamName::profile(id);
    loop {
        let mut last: Option<(u64, Policy)> = None;
        let mut at = None;
        for told in journal.stream(&stream, Version(0)).await? {
            at = Some(told.recorded.version);
            if let event::Event::Profile(Event::Published { version, policy, .. }) = told.event {
                last = Some((version, policy));
            }
        }
        if let Some((version, known)) = &last
            && known == policy
        {
            return Ok(Profile { id: id.clone(), version: *version, policy: policy.clone() });
        }
        let version = last.map_or(1, |(version, _)| version + 1);
        let fact = Event::Published { profile: id.clone(), version, policy: policy.clone() };
        let context = Context::root(Actor::new("operator", "configuration"), Origin::Admin, journal.clock().event_id());
        match journal.append(&stream, Expected::after(at), vec![fact], &context).await {
            Ok(_) => return Ok(Profile { id: id.clone(), version, policy: policy.clone() }),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
}
