//! The effect of each event on the row of a link, in the order of its life. Same rules as `domain/link/state.rs`.

use chrono::{DateTime, Utc};

use super::words;
use crate::{
    domain::{
        entry::Content,
        failure::{CallFailure, FailureClass},
        ids::{Etag, Generation, RemoteId},
        link::{Attempt, CommandId, HoldReason, IssuedCommand, LinkRef, RemoteChange},
    },
    projections::{Condition, Value, Write},
};

const FLIGHT: &[&str] =
    &["command", "operation", "command_remote", "command_generation", "outcome_unknown", "lease_until"];
const HELD: &[&str] = &["held", "held_words", "approval", "held_until"];
const CONFLICT: &[&str] = &["conflict", "conflict_etag", "conflict_cancelled"];
const RETRY: &[&str] = &["retry_at", "failure_class", "failure_summary"];
const REMOTE: &[&str] = &["remote", "etag", "marked_cancelled"];

/// The row of a link, at the time of an event.
pub(super) struct LinkRow<'a> {
    pub id: &'a str,
    pub at: DateTime<Utc>,
}

impl LinkRow<'_> {
    pub(super) fn patch(&self) -> Write {
        Write::patch([self.id]).set("changed_at", self.at)
    }

    pub(super) fn without_retry(&self) -> Write {
        self.patch().clear(RETRY)
    }

    pub(super) fn released(&self) -> Write {
        self.patch().clear(HELD)
    }

    pub(super) fn resolved(&self) -> Write {
        self.patch().clear(CONFLICT)
    }

    /// The entry has been read; any timer for reading it again ends.
    pub(super) fn clear_look(&self) -> Write {
        self.patch().when(Condition::IsNot("look", Value::Null)).clear(&["look", "retry_at"])
    }

    /// Applies only while that command is in progress.
    fn flying(&self, command: &CommandId) -> Write {
        self.patch().when(Condition::Is("command", command.0.as_str().into()))
    }

    /// A delete of an older generation's entry does not lower the generation.
    fn at_least(&self, generation: Generation) -> Write {
        let number = i64::try_from(generation.0).unwrap_or(i64::MAX);
        self.patch().when(Condition::Below("generation", number)).set("generation", number)
    }

    pub(super) fn requested(&self, of: &LinkRef) -> Vec<Write> {
        let joined = Write::put([self.id])
            .set("changed_at", self.at)
            .set("booking", of.booking.as_str())
            .set("appointment", of.appointment.as_str())
            .set("connection", of.calendar.connection.as_str())
            .set("calendar", of.calendar.calendar.as_str())
            .set("resource", of.resource.as_str())
            .set("profile", of.profile.as_str())
            .set("dead", false)
            .clear(RETRY);
        let first = self.patch().when(Condition::Is("generation", Value::Null)).set("generation", 0_i64);
        vec![joined, first]
    }

    pub(super) fn issued(&self, command: &IssuedCommand) -> Vec<Write> {
        let issued = self
            .patch()
            .set("command", command.id.0.as_str())
            .set("operation", command.operation.name())
            .set("command_remote", command.remote.as_str())
            .set("command_generation", command.generation.0)
            .set("outcome_unknown", false)
            .set("lease_until", command.lease_until)
            .clear(&["retry_at", "look"]);
        vec![self.at_least(command.generation), issued]
    }

    pub(super) fn answered(&self, command: &CommandId, answer: &Attempt) -> Vec<Write> {
        let landed = |write: Write| write.set("dead", false).clear(RETRY).clear(FLIGHT);
        let wrote = |write: Write| landed(write).set("last_source", "booking").set("last_synced_at", self.at);
        let flying = || self.flying(command);
        match answer {
            Attempt::Entry { etag, content, .. } => {
                vec![present(wrote(flying().copy("remote", "command_remote")), content).set("etag", etag.as_str())]
            }
            // The first that applies ends the flight, so that the others do not apply. The last: an entry of an earlier generation whose wait
            // ended while the command was in flight.
            Attempt::Deleted { .. } => vec![
                wrote(flying().when(Condition::Same("superseded", "command_remote")).clear(&["superseded"])),
                wrote(flying().when(Condition::Same("remote", "command_remote")).clear(REMOTE)),
                wrote(flying()),
            ],
            Attempt::WrittenBack { .. } => vec![
                flying().when(Condition::Is("inbound", "accepted".into())).set("inbound", "written_back"),
                landed(flying()),
            ],
        }
    }

    pub(super) fn not_done(&self, command: &CommandId) -> Vec<Write> {
        vec![self.flying(command).clear(FLIGHT)]
    }

    pub(super) fn failed(
        &self,
        command: &CommandId,
        failure: &CallFailure,
        retry_at: Option<DateTime<Utc>>,
    ) -> Vec<Write> {
        let failed = self
            .flying(command)
            .set("retry_at", retry_at)
            .set("failure_class", failure.class.as_str())
            .set("failure_summary", failure.summary.as_str());
        if failure.class == FailureClass::OutcomeUnknown {
            return vec![failed.set("outcome_unknown", true)];
        }
        // A refusal by the source concerns the source's copy; the entry itself need not be read again.
        let at_source = ["write_back_update", "write_back_cancel"];
        let look = words::look_after(failure.class).map(|look| {
            at_source.into_iter().fold(self.flying(command).set("look", look), |write, operation| {
                write.when(Condition::IsNot("operation", operation.into()))
            })
        });
        look.into_iter().chain([failed.clear(FLIGHT)]).collect()
    }

    pub(super) fn adopted(
        &self,
        remote: &RemoteId,
        generation: Generation,
        etag: &Etag,
        content: &Content,
    ) -> Vec<Write> {
        let adopted = present(self.released(), content)
            .set("remote", remote.as_str())
            .set("etag", etag.as_str())
            .set("last_synced_at", self.at);
        vec![self.at_least(generation), self.clear_look(), adopted]
    }

    pub(super) fn echoed(&self, remote: &RemoteId, etag: Option<&Etag>) -> Vec<Write> {
        let known = etag.map(|etag| {
            let known = self.released().when(Condition::Is("remote", remote.as_str().into()));
            known.set("etag", etag.as_str())
        });
        [self.patch(), self.clear_look()].into_iter().chain(known).collect()
    }

    /// The calendar's version becomes the common base, whoever's texts it has.
    pub(super) fn accepted(&self, change: &RemoteChange, last_source: &str) -> Vec<Write> {
        let seen =
            self.patch().set("last_source", last_source).set("last_synced_at", self.at).clear(HELD).clear(CONFLICT);
        match change {
            RemoteChange::Edited { etag, content, .. } => {
                let known = self.patch().when(Condition::IsNot("remote", Value::Null));
                vec![self.clear_look(), seen, present(known, content).set("etag", etag.as_str())]
            }
            RemoteChange::Removed { .. } => vec![self.clear_look(), seen.clear(REMOTE)],
        }
    }

    pub(super) fn held(&self, reason: &HoldReason, until: Option<DateTime<Utc>>) -> Vec<Write> {
        let (word, words, approval) = words::held(reason);
        let held = self.patch().set("held", word).set("held_words", words).set("approval", approval);
        vec![self.clear_look(), held.set("held_until", until)]
    }

    pub(super) fn conflicted(&self, theirs: &RemoteChange) -> Vec<Write> {
        vec![match theirs {
            RemoteChange::Edited { etag, content, .. } => self
                .patch()
                .set("conflict", "edited")
                .set("conflict_etag", etag.as_str())
                .set("conflict_cancelled", content.marked_cancelled),
            RemoteChange::Removed { .. } => self.resolved().set("conflict", "removed"),
        }]
    }

    /// The booking's side wins: the calendar's observed version is the base that gets overwritten.
    pub(super) fn overruled(&self) -> Vec<Write> {
        let known = self.patch().when(Condition::IsNot("remote", Value::Null));
        vec![
            known
                .when(Condition::Is("conflict", "edited".into()))
                .copy("etag", "conflict_etag")
                .copy("marked_cancelled", "conflict_cancelled"),
            self.patch().when(Condition::Is("conflict", "removed".into())).clear(REMOTE),
            self.clear_look().when(Condition::IsNot("conflict", Value::Null)),
            self.released().when(Condition::IsNot("conflict", Value::Null)).clear(CONFLICT),
            self.without_retry().set("last_source", "booking").clear(&["inbound"]),
        ]
    }

    pub(super) fn given_up(&self, failure: &CallFailure) -> Vec<Write> {
        let dead = self.patch().set("dead", true).clear(&["retry_at"]);
        vec![dead.set("failure_class", failure.class.as_str()).set("failure_summary", failure.summary.as_str())]
    }

    pub(super) fn detached(&self, remote: &RemoteId, reason: &str) -> Vec<Write> {
        let detached = self.released().set("detached", remote.as_str()).set("detached_words", reason);
        vec![self.clear_look(), detached.clear(REMOTE).clear(&["inbound"])]
    }
}

fn present(write: Write, content: &Content) -> Write {
    write.set("marked_cancelled", content.marked_cancelled).set("was_there", true)
}
