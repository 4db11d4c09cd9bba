//! Carries out the one step that was decided (call, read, verification, or change of the booking) and records
//! its outcome. Makes no decisions.

use chrono::TimeDelta;

use super::{LookOutcome, Reconciler, Round};
use crate::{
    domain::{
        booking::{self, Cause},
        entry::{Body, Content, EntryState, Evidence, Marker, Observation, RemoteEntry},
        failure::{CallFailure, FailureClass},
        ids::{Generation, RemoteId, SubjectId, Version},
        link::{
            Attempt, Event as LinkEvent, IssuedCommand, LinkRef, LookReason, Operation, RemoteChange, Verification,
        },
    },
    ports::{event_store::ExpectedVersion, source::SourceBooking},
    reconcile::retry,
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        Error,
        bookings::execute::execute,
        journal::Context,
        sync::{authorise, log},
    },
};

impl Reconciler {
    /// Sends a command whose intent is recorded, and records the outcome.
    pub(super) async fn call(
        &self,
        round: &Round<'_>,
        command: IssuedCommand,
        context: &Context,
    ) -> Result<Version, Error> {
        let credential = self.credential_of(round, &command);
        self.throttle.passed(&credential, self.journal.clock().now());
        let whose = &round.booking.details.title.subject;
        let outcome = match (&command.operation, round.source) {
            (Operation::WriteBackUpdate { .. } | Operation::WriteBackCancel { .. }, None) => {
                Err(CallFailure::new(FailureClass::OperatorNeeded, "the booking's source is no longer configured"))
            }
            (Operation::WriteBackUpdate { slot, expect_revision }, Some(source)) => source
                .reschedule(&round.of.appointment, slot, *expect_revision, &command.key)
                .await
                .map(|source_revision| Attempt::WrittenBack { source_revision }),
            (Operation::WriteBackCancel { expect_revision }, Some(source)) => source
                .cancel(&round.of.appointment, *expect_revision, &command.key)
                .await
                .map(|source_revision| Attempt::WrittenBack { source_revision }),
            (Operation::Create { content }, _) => {
                let marker = marker(round.of, command.generation);
                let calendar = &round.of.calendar;
                let created = round.provider.create(calendar, &command.remote, &marker, content, &command.key).await;
                created.and_then(|entry| answer(&entry, whose))
            }
            (Operation::Update { expect, from, content, .. }, _) => {
                let (calendar, key) = (&round.of.calendar, &command.key);
                let updated = round.provider.update(calendar, &command.remote, expect, from, content, key).await;
                updated.and_then(|entry| answer(&entry, whose))
            }
            (Operation::Delete { expect }, _) => round
                .provider
                .delete(&round.of.calendar, &command.remote, expect)
                .await
                .map(|already_absent| Attempt::Deleted { already_absent }),
        };
        self.outcome(round, &command, outcome, &credential, context).await
    }

    fn credential_of(&self, round: &Round<'_>, command: &IssuedCommand) -> String {
        if command.operation.at_source() {
            round.booking.source.to_string()
        } else {
            round.of.calendar.connection.to_string()
        }
    }

    async fn outcome(
        &self,
        round: &Round<'_>,
        command: &IssuedCommand,
        outcome: Result<Attempt, CallFailure>,
        credential: &str,
        context: &Context,
    ) -> Result<Version, Error> {
        let operation = command.operation.name().to_owned();
        let id = command.id.clone();
        let facts = match outcome {
            Ok(answer) => {
                let mut facts = vec![LinkEvent::AttemptSucceeded { command: id, operation, answer }];
                if matches!(command.operation, Operation::Create { .. }) {
                    let (remote, generation) = (command.remote.clone(), command.generation);
                    facts.push(LinkEvent::Established { remote, generation });
                }
                facts
            }
            Err(failure) => self.failed(round, command, operation, failure, credential).await?,
        };
        for fact in &facts {
            log::link(round.of, fact, context);
        }
        // The outcome is a fact and is recorded whatever others appended meanwhile. The fold matches it by command id.
        let stream = StreamName::link(&round.of.link);
        Ok(self.journal.append(&stream, ExpectedVersion::Any, facts, context).await?.version)
    }

    async fn failed(
        &self,
        round: &Round<'_>,
        command: &IssuedCommand,
        operation: String,
        failure: CallFailure,
        credential: &str,
    ) -> Result<Vec<LinkEvent>, Error> {
        let clock = self.journal.clock();
        let now = clock.now();
        let before = self.journal.link(&round.of.link).await?.0.map(|link| link.retry).unwrap_or_default();
        let verdict = retry::after(&failure, &before, round.profile.policy.attempts_max, now, clock.chance());
        self.throttle.failed(credential, &failure, verdict.retry_at, now);
        authorise::note_failure(&self.journal, &round.of.calendar.connection, &failure).await?;
        let mut facts = vec![LinkEvent::AttemptFailed {
            command: command.id.clone(),
            operation,
            failure: failure.clone(),
            retry_at: verdict.retry_at,
            counts: verdict.counts,
        }];
        if verdict.dead {
            let booking_revision = round.booking.revision;
            facts.push(LinkEvent::DeadLettered { command: command.id.clone(), failure, booking_revision });
        }
        Ok(facts)
    }

    /// Finds out how a command without an answer ended.
    pub(super) async fn verify(
        &self,
        round: &Round<'_>,
        command: IssuedCommand,
        context: &Context,
    ) -> Result<LookOutcome, Error> {
        let found = if command.operation.at_source() {
            self.verify_at_source(round, &command, context).await?
        } else {
            self.read_entry(round, &command.remote).await.map(|seen| {
                let outcome = verified(&command, &seen);
                (outcome, Some(seen))
            })
        };
        match found {
            Ok((outcome, seen)) => {
                let created =
                    matches!((&command.operation, &outcome), (Operation::Create { .. }, Verification::Done { .. }));
                let mut facts = vec![LinkEvent::OutcomeVerified { command: command.id, outcome }];
                if created {
                    facts.push(LinkEvent::Established { remote: command.remote, generation: command.generation });
                }
                for fact in &facts {
                    log::link(round.of, fact, context);
                }
                let stream = StreamName::link(&round.of.link);
                self.journal.append(&stream, ExpectedVersion::Any, facts, context).await?;
                Ok(LookOutcome::Observed(seen))
            }
            Err(failure) => {
                let unknown = CallFailure { class: FailureClass::OutcomeUnknown, ..failure.clone() };
                let credential = self.credential_of(round, &command);
                self.throttle.failed(&credential, &failure, None, self.journal.clock().now());
                self.outcome(round, &command, Err(unknown), &credential, context).await?;
                authorise::note_failure(&self.journal, &round.of.calendar.connection, &failure).await?;
                Ok(LookOutcome::Failed)
            }
        }
    }

    async fn verify_at_source(
        &self,
        round: &Round<'_>,
        command: &IssuedCommand,
        context: &Context,
    ) -> Result<Result<(Verification, Option<Observation>), CallFailure>, Error> {
        let Some(source) = round.source else { return Ok(Ok((Verification::NotDone {}, None))) };
        self.throttle.passed(round.booking.source.as_str(), self.journal.clock().now());
        let shown = match source.get(&round.of.appointment).await {
            Ok(shown) => shown,
            Err(failure) => return Ok(Err(failure)),
        };
        let done = match (&command.operation, &shown) {
            (Operation::WriteBackUpdate { slot, .. }, Some(shown)) => {
                !shown.snapshot.cancelled && shown.snapshot.slot.same_time(slot)
            }
            (Operation::WriteBackCancel { .. }, Some(shown)) => shown.snapshot.cancelled,
            _ => false,
        };
        let source_revision = shown.as_ref().and_then(|shown| shown.revision);
        // Others may have changed more since then. Their changes are part of this revision and are applied with it;
        // a delivery about them would come too late and be ignored as outdated.
        if let Some(shown) = shown {
            self.observe_source(round, shown, context).await?;
        }
        let answer = Attempt::WrittenBack { source_revision };
        Ok(Ok((if done { Verification::Done { answer } } else { Verification::NotDone {} }, None)))
    }

    async fn observe_source(&self, round: &Round<'_>, shown: SourceBooking, context: &Context) -> Result<(), Error> {
        let cause = Cause { source_revision: shown.revision, ..Cause::default() };
        let command = booking::Command::Observe(shown.snapshot);
        execute(&self.journal, &round.of.booking, &command, &cause, shown.changed_at, context).await?;
        Ok(())
    }

    pub(super) async fn look(
        &self,
        round: &Round<'_>,
        remote: &RemoteId,
        reason: LookReason,
        context: &Context,
    ) -> Result<LookOutcome, Error> {
        match self.read_entry(round, remote).await {
            Ok(seen) => Ok(LookOutcome::Observed(Some(seen))),
            Err(failure) => {
                let clock = self.journal.clock();
                let (failures, chance) = (round.link.as_ref().map_or(0, |link| link.looks_failed), clock.chance());
                let wait = failure.retry_after_ms.unwrap_or_else(|| retry::backoff_ms(failures.max(1), chance));
                let wait = TimeDelta::milliseconds(i64::try_from(wait).unwrap_or(60_000));
                let fact = LinkEvent::LookRequested { reason, retry_at: Some(clock.now() + wait) };
                log::link(round.of, &fact, context);
                let stream = StreamName::link(&round.of.link);
                self.journal.append(&stream, ExpectedVersion::Any, vec![fact], context).await?;
                self.throttle.failed(round.of.calendar.connection.as_str(), &failure, None, clock.now());
                authorise::note_failure(&self.journal, &round.of.calendar.connection, &failure).await?;
                Ok(LookOutcome::Failed)
            }
        }
    }

    async fn read_entry(&self, round: &Round<'_>, remote: &RemoteId) -> Result<Observation, CallFailure> {
        // Taken before the call: the observation is at least as new as this.
        let seen_at = self.journal.clock().now();
        self.throttle.passed(round.of.calendar.connection.as_str(), seen_at);
        let entry = round.provider.get(&round.of.calendar, remote).await?;
        let seen = match entry {
            None => EntryState::Gone { evidence: Evidence::NotFoundById, updated: None },
            Some(entry) => EntryState::of(&entry, &round.of.link, &round.booking.details.title.subject),
        };
        Ok(Observation { remote: remote.clone(), seen_at, seen })
    }

    pub(super) async fn read_source(&self, round: &Round<'_>, context: &Context) -> Result<(), Error> {
        let Some(source) = round.source else { return Ok(()) };
        let (credential, now) = (round.booking.source.as_str(), self.journal.clock().now());
        if self.throttle.closed_until(credential, now).is_some() {
            return Ok(());
        }
        self.throttle.passed(credential, now);
        let shown = match source.get(&round.of.appointment).await {
            Ok(Some(shown)) => shown,
            Ok(None) => return Ok(()),
            Err(failure) => {
                self.throttle.failed(credential, &failure, None, self.journal.clock().now());
                return Ok(());
            }
        };
        self.observe_source(round, shown, context).await
    }

    pub(super) async fn apply(
        &self,
        round: &Round<'_>,
        command: &booking::Command,
        cause: &Cause,
        context: &Context,
    ) -> Result<(), Error> {
        let now = self.journal.clock().now();
        let inbound = round.link.as_ref().and_then(|link| link.inbound.as_ref());
        let changed_at = match inbound.map(|inbound| &inbound.change) {
            Some(RemoteChange::Edited { updated, .. } | RemoteChange::Removed { updated, .. }) => {
                updated.unwrap_or(now)
            }
            None => now,
        };
        let actor = Actor::new("calendar", round.of.calendar.to_string());
        let context = Context { actor, origin: Origin::Provider, ..context.clone() };
        match execute(&self.journal, &round.of.booking, command, cause, changed_at.min(now), &context).await {
            // Cancelled meanwhile: the next decision sees that.
            Ok(_) | Err(Error::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn marker(of: &LinkRef, generation: Generation) -> Marker {
    Marker {
        link: of.link.clone(),
        generation,
        booking: of.booking.clone(),
        appointment: of.appointment.clone(),
        resource: of.resource.clone(),
    }
}

fn answer(entry: &RemoteEntry, subject: &SubjectId) -> Result<Attempt, CallFailure> {
    match &entry.body {
        Body::Live(content) => {
            let content = content.clone().owned_by(subject);
            Ok(Attempt::Entry { etag: entry.etag.clone(), updated: entry.updated, content })
        }
        Body::Deleted | Body::Unreadable(_) => {
            Err(CallFailure::new(FailureClass::OutcomeUnknown, "the provider's answer does not contain the entry"))
        }
    }
}

/// Whether the entry, read by its id, shows that the command was carried out.
fn verified(command: &IssuedCommand, seen: &Observation) -> Verification {
    let done = |etag, updated, content: &Content| Verification::Done {
        answer: Attempt::Entry { etag, updated, content: content.clone() },
    };
    match (&command.operation, &seen.seen) {
        (Operation::Create { content }, EntryState::Live { etag, updated, marked: true, content: now }) => {
            // Created, and edited since: the base is the created content, so that the edit is recognised.
            let (etag, base) = if now.same(content) { (etag.clone(), now) } else { (base_etag(), content) };
            done(etag, *updated, base)
        }
        // Its id is used up: it was created and deleted since.
        (Operation::Create { content }, EntryState::Gone { evidence: Evidence::Tombstone, updated }) => {
            done(base_etag(), *updated, content)
        }
        (Operation::Update { content, .. }, EntryState::Live { etag, updated, marked: true, content: now })
            if now.same(content) =>
        {
            done(etag.clone(), *updated, now)
        }
        (Operation::Delete { .. }, EntryState::Gone { .. }) => {
            Verification::Done { answer: Attempt::Deleted { already_absent: false } }
        }
        _ => Verification::NotDone {},
    }
}

/// Placeholder for the version after a create, before somebody changed the entry: equal to no version of a provider.
fn base_etag() -> crate::domain::ids::Etag {
    crate::domain::ids::Etag("(as created)".into())
}
