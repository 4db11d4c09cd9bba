//! Carries out the one step that was decided (call, read, verification, or change of the booking) and records
//! its outcome. Makes no decisions.

use chrono::TimeDelta;

use super::{LookOutcome, Reconciler, Round};
use crate::{
    domain::{
        booking::{self, Cause},
        entry::{Body, EntryState, Evidence, Marker, Observation, RemoteEntry},
        failure::{CallFailure, FailureClass},
        ids::{Generation, RemoteId, SubjectId, Version},
        link::{
            Attempt, Event as LinkEvent, IssuedCommand, LinkRef, LookReason, Operation, RemoteChange, Verification,
        },
    },
    ports::{event_store::ExpectedVersion, source::SourceBooking},
    reconcile::{outcome, retry},
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
        self.throttle.count_call(&credential, self.journal.clock().now());
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
        let facts = match outcome {
            Ok(answer) => outcome::answered(command, answer),
            Err(failure) => self.failed(round, command, failure, credential).await?,
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
        failure: CallFailure,
        credential: &str,
    ) -> Result<Vec<LinkEvent>, Error> {
        let clock = self.journal.clock();
        let now = clock.now();
        let before = self.journal.link(&round.of.link).await?.0.map(|link| link.retry).unwrap_or_default();
        let verdict = retry::after(&failure, &before, round.profile.policy.attempts_max, now, clock.chance());
        self.throttle.failed(credential, &failure, verdict.retry_at, now);
        authorise::note_failure(&self.journal, &round.of.calendar.connection, &failure).await?;
        Ok(outcome::failed(command, failure, verdict, round.booking.revision))
    }

    /// Finds out how a command without an answer ended. The decision was the link's version `decided_at`.
    pub(super) async fn verify(
        &self,
        round: &Round<'_>,
        command: IssuedCommand,
        decided_at: Option<Version>,
        context: &Context,
    ) -> Result<LookOutcome, Error> {
        let found = if command.operation.at_source() {
            self.verify_at_source(round, &command, context).await?
        } else {
            self.read_entry(round, &command.remote).await.map(|seen| {
                let outcome = outcome::shown_by_entry(&command, &seen.seen);
                (outcome, Some(seen))
            })
        };
        match found {
            Ok((outcome, seen)) => {
                let facts = outcome::verified(&command, outcome);
                for fact in &facts {
                    log::link(round.of, fact, context);
                }
                let stream = StreamName::link(&round.of.link);
                let mine = facts.len() as u64;
                let recorded = self.journal.append(&stream, ExpectedVersion::Any, facts, context).await?.version;
                // Nobody else has recorded anything while the entry was read.
                let alone = decided_at.is_some_and(|decided| decided.0 + mine == recorded.0);
                let read_at = alone.then_some(recorded).filter(|_| seen.is_some());
                Ok(LookOutcome::Observed(seen, read_at))
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
        self.throttle.count_call(round.booking.source.as_str(), self.journal.clock().now());
        let source_booking = match source.get(&round.of.appointment).await {
            Ok(source_booking) => source_booking,
            Err(failure) => return Ok(Err(failure)),
        };
        let outcome = match &source_booking {
            Some(now) => outcome::shown_by_source(&command.operation, Some(&now.snapshot), now.revision),
            None => outcome::shown_by_source(&command.operation, None, None),
        };
        // Others may have changed more since then. Their changes are part of this revision and are applied with it;
        // a delivery about them would come too late and be ignored as outdated.
        if let Some(source_booking) = source_booking {
            self.observe_source(round, source_booking, context).await?;
        }
        Ok(Ok((outcome, None)))
    }

    async fn observe_source(
        &self,
        round: &Round<'_>,
        from_source: SourceBooking,
        context: &Context,
    ) -> Result<(), Error> {
        let cause = Cause { source_revision: from_source.revision, ..Cause::default() };
        let command = booking::Command::Observe(from_source.snapshot);
        execute(&self.journal, &round.of.booking, &command, &cause, from_source.changed_at, context).await?;
        Ok(())
    }

    pub(super) async fn look(
        &self,
        round: &Round<'_>,
        remote: &RemoteId,
        reason: LookReason,
        decided_at: Option<Version>,
        context: &Context,
    ) -> Result<LookOutcome, Error> {
        match self.read_entry(round, remote).await {
            Ok(seen) => Ok(LookOutcome::Observed(Some(seen), decided_at)),
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
        self.throttle.count_call(round.of.calendar.connection.as_str(), seen_at);
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
        self.throttle.count_call(credential, now);
        let source_booking = match source.get(&round.of.appointment).await {
            Ok(Some(source_booking)) => source_booking,
            Ok(None) => return Ok(()),
            Err(failure) => {
                self.throttle.failed(credential, &failure, None, self.journal.clock().now());
                return Ok(());
            }
        };
        self.observe_source(round, source_booking, context).await
    }

    /// Applies an accepted change of the entry to the booking.
    pub(super) async fn change_booking(
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
