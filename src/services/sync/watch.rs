//! Push channels: opened if a calendar supports them, and replaced at 80 % of their lifetime before the old one is stopped.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER;
use tracing::{info, warn};

use super::{
    calendars::{Calendars, claim},
    routing::Routing,
    throttle::Throttle,
};
use crate::{
    domain::{
        calendar::{Calendar, Channel, Event},
        failure::{CallFailure, FailureClass},
        ids::{CalendarKey, ChannelId, Version},
    },
    ports::{
        event_store::ExpectedVersion,
        provider::{CalendarProvider, WatchRequest},
    },
    reconcile::retry,
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// The lifetime we request. Google grants seven days at most; its answer counts.
const LIFE_S: u64 = 7 * 24 * 3_600;
/// A channel whose opening got no answer is given up after this.
const UNANSWERED: TimeDelta = TimeDelta::minutes(5);

/// Keeps push channels open.
#[derive(Clone)]
pub struct Watcher {
    /// The ledger.
    pub journal: Journal,
    /// Which resources are shown on which calendars.
    pub routing: Arc<Routing>,
    /// Rate limits.
    pub throttle: Arc<Throttle>,
    /// Cached calendars.
    pub calendars: Arc<Calendars>,
    /// Address for notifications: `<public url>/webhook/…`; `None` if there is no public URL.
    pub address: Option<String>,
    /// Requested lifetime in seconds; `None` for a week.
    pub life_s: Option<u64>,
}

/// SHA-256 in hex, which is stored instead of the token.
pub fn token_hash(token: &str) -> String {
    use sha2::{Digest as _, Sha256};
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

impl Watcher {
    /// Opens, replaces and closes the channels of a calendar when due.
    ///
    /// # Errors
    /// The ledger is not available.
    pub async fn tend(&self, key: &CalendarKey) -> Result<(), Error> {
        let (Some(provider), Some(address)) = (self.routing.providers.get(&key.connection), &self.address) else {
            return Ok(());
        };
        let context =
            Context::root(Actor::new("reconciler", "watcher"), Origin::Reconciler, self.journal.clock().event_id());
        let now = self.journal.clock().now();
        if self.throttle.closed_until(key.connection.as_str(), now).is_some() {
            return Ok(());
        }
        let (calendar, version) = loop {
            let (calendar, version) = self.calendars.load(&self.journal, key).await?;
            let Some(channel) = calendar.channels.iter().find(|c| over(c, now)) else { break (calendar, version) };
            self.close(key, provider, channel, version, &context).await?;
        };
        let asked_for = calendar.channels.iter().any(|c| c.resource.is_none() && !over(c, now));
        let waits = calendar.channel_retry_at.is_some_and(|at| at > now);
        let current = calendar.current_channel().filter(|c| !over(c, now));
        let due = current.is_none_or(|c| c.renew_at.is_none_or(|at| at <= now));
        if calendar.push_unsupported || waits || asked_for || !due {
            return Ok(());
        }
        self.open(key, provider, address, &calendar, version, &context).await
    }

    async fn open(
        &self,
        key: &CalendarKey,
        provider: &Arc<dyn CalendarProvider>,
        address: &str,
        calendar: &Calendar,
        version: Option<Version>,
        context: &Context,
    ) -> Result<(), Error> {
        let clock = self.journal.clock();
        let mut secret = [0; 32];
        clock.fill(&mut secret);
        let token = HEXLOWER.encode(&secret);
        let channel = ChannelId::new(clock.event_id().to_string())
            .map_err(|e| Error::Invalid(format!("a UUID is a channel id, but: {e}")))?;
        let requested =
            Event::ChannelRequested { calendar: key.clone(), channel: channel.clone(), token_hash: token_hash(&token) };
        // Of two processes, only one opens a channel.
        if !claim(&self.journal, key, version, requested, context).await? {
            return Ok(());
        }
        let asked_at = clock.now();
        self.throttle.count_call(key.connection.as_str(), asked_at);
        let life_s = self.life_s.unwrap_or(LIFE_S);
        let request =
            WatchRequest { channel: channel.clone(), token: token.clone(), address: address.to_owned(), life_s };
        let facts = match provider.watch(key, &request).await {
            Ok(watch) => {
                let life = (watch.expires_at - asked_at).max(TimeDelta::zero());
                let renew_at = asked_at + life * 4 / 5;
                info!(calendar = %key, channel = %channel, expires_at = %watch.expires_at, "Watching {key}");
                let mut facts = vec![Event::ChannelOpened {
                    calendar: key.clone(),
                    channel: channel.clone(),
                    token_hash: token_hash(&token),
                    resource: watch.resource,
                    expires_at: watch.expires_at,
                    renew_at,
                }];
                facts.extend(calendar.channels.iter().filter(|c| !c.replaced && c.resource.is_some()).map(|old| {
                    Event::ChannelRenewed { calendar: key.clone(), channel: old.id.clone(), by: channel.clone() }
                }));
                facts
            }
            Err(failure) => self.not_opened(key, &channel, calendar, failure, asked_at).await?,
        };
        self.append(key, facts, context).await
    }

    async fn not_opened(
        &self,
        key: &CalendarKey,
        channel: &ChannelId,
        calendar: &Calendar,
        failure: CallFailure,
        now: DateTime<Utc>,
    ) -> Result<Vec<Event>, Error> {
        if failure.class == FailureClass::PushUnsupported {
            info!(calendar = %key, "{key} does not support push: it is polled");
            return Ok(vec![Event::PushUnsupported { calendar: key.clone() }]);
        }
        warn!(calendar = %key, class = failure.class.as_str(), error = failure.summary, "Opening a push channel for {key} failed");
        super::authorise::note_failure(&self.journal, &key.connection, &failure).await?;
        // Until the channel can be opened, the calendar is polled, so there is no hurry.
        let failures = if calendar.channel_retry_at.is_some() { 9 } else { 6 };
        let wait = failure.retry_after_ms.unwrap_or_else(|| retry::backoff_ms(failures, self.journal.clock().chance()));
        let retry_at = now + TimeDelta::milliseconds(i64::try_from(wait).unwrap_or(60_000));
        self.throttle.failed(key.connection.as_str(), &failure, None, now);
        let (calendar, channel, reason) = (key.clone(), channel.clone(), failure.to_string());
        Ok(vec![Event::ChannelLost { calendar, channel, reason, retry_at }])
    }

    /// Recorded first: of two processes, only one stops it. If that fails, or the process ends before it, the channel
    /// expires; notifications until then are reported as from a closed channel.
    async fn close(
        &self,
        key: &CalendarKey,
        provider: &Arc<dyn CalendarProvider>,
        channel: &Channel,
        version: Option<Version>,
        context: &Context,
    ) -> Result<(), Error> {
        let reason = match &channel.resource {
            None => "opening it was never confirmed",
            Some(_) => "it was replaced by a newer channel, or expired",
        };
        let (calendar, id) = (key.clone(), channel.id.clone());
        let closed = Event::ChannelClosed { calendar, channel: id, reason: reason.to_owned() };
        if !claim(&self.journal, key, version, closed, context).await? {
            return Ok(());
        }
        let Some(resource) = &channel.resource else { return Ok(()) };
        if let Err(failure) = provider.stop(&channel.id, resource).await {
            warn!(calendar = %key, channel = %channel.id, error = failure.summary, "Stopping a push channel of {key} failed");
        }
        Ok(())
    }

    async fn append(&self, key: &CalendarKey, facts: Vec<Event>, context: &Context) -> Result<(), Error> {
        self.journal.append(&StreamName::calendar(key), ExpectedVersion::Any, facts, context).await?;
        Ok(())
    }
}

/// Whether a channel must be closed: replaced, expired, or never confirmed.
fn over(channel: &Channel, now: DateTime<Utc>) -> bool {
    let unanswered = channel.resource.is_none() && asked_at(channel).is_none_or(|at| at + UNANSWERED <= now);
    channel.replaced || channel.expires_at.is_some_and(|at| at <= now) || unanswered
}

/// When a channel was requested: its id is a UUIDv7, which contains the time.
fn asked_at(channel: &Channel) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = uuid::Uuid::parse_str(channel.id.as_str()).ok()?.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_token_is_the_one_others_compute() {
        // printf secret-token | sha256sum
        let hash = "930bbdc51b6aed5c2a5678fd6e28dee7a05e8a4b643cfc0b4427c3efb86c0d94";
        assert_eq!(token_hash("secret-token"), hash);
    }
}
